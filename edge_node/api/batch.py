"""Naming the batch that a kettle's samples belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_node.api.command_fields import (
    HEADER,
    KETTLE,
    LEASE_REFUSALS,
    STORING,
    header_of,
    kettle_of,
    told,
)
from edge_node.api.operation import Call, Operation
from edge_node.api.replies import TEXT_OR_NULL, WHOLE, json_reply
from edge_node.api.schema import Field, OrNull, Text
from edge_node.tokens import Scope

if TYPE_CHECKING:
    from aiohttp import web


async def put_batch(call: Call) -> web.Response:
    """Stamp this batch into the kettle's samples from now on, across restarts; null ends it."""
    kettle_id = kettle_of(call, call.body["kettle_id"])
    answer = await call.commander.batch(kettle_id, header_of(call.body), call.body["batch_id"])
    return told(call, f"batch of kettle {kettle_id}", answer)


OPERATIONS = (
    Operation(
        method="PUT",
        path="/v1/batch",
        handler=put_batch,
        summary="Name the batch in a kettle",
        scope=Scope.CONTROL,
        fields=(
            *HEADER,
            KETTLE,
            Field(
                name="batch_id",
                kind=OrNull(Text()),
                description="such as B001-LAGER; null: no batch",
            ),
        ),
        content=json_reply(
            desired=TEXT_OR_NULL, actual=TEXT_OR_NULL, limited_by=TEXT_OR_NULL, seq=WHOLE
        ),
        refusals={**LEASE_REFUSALS, **STORING},
    ),
)
