"""The leader's brew state, kept where the next leader finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_node.api.command_fields import (
    HEADER,
    KETTLE,
    LEASE_REFUSALS,
    MAX_SEQ,
    STORING,
    Blob,
    header_of,
    kettle_of,
    told,
)
from edge_node.api.errors import ApiError, reply
from edge_node.api.operation import Call, Operation
from edge_node.api.replies import TEXT, TEXT_OR_NULL, WHOLE, json_reply
from edge_node.api.schema import Field, Integer, Parameter, Text
from edge_node.tokens import Scope

if TYPE_CHECKING:
    from aiohttp import web

MAX_BYTES = 4096


async def put_program(call: Call) -> web.Response:
    """Keep the leader's brew state durably."""
    body = call.body
    kettle_id = kettle_of(call, body["kettle_id"])
    answer = await call.commander.program(
        kettle_id, header_of(body), body["program"], body["revision"]
    )
    return told(call, f"program of kettle {kettle_id}", answer)


async def get_program(call: Call) -> web.Response:
    """The brew state as last kept, with the epoch of the leadership that wrote it."""
    if call.query["kettle_id"] is None:
        raise ApiError(
            400, "missing_parameter", "say which kettle: ?kettle_id=", detail={"kettle_id": None}
        )
    kettle_id = kettle_of(call, call.query["kettle_id"])
    record = call.actuation.records[kettle_id]
    content = {
        "kettle_id": kettle_id,
        "program": record.program,
        "revision": record.revision,
        "epoch": record.epoch,
    }
    return reply(call.node, content)


_WHOLE_OR_NULL = {"type": ["integer", "null"]}

OPERATIONS = (
    Operation(
        method="PUT",
        path="/v1/program",
        handler=put_program,
        summary="Keep the leader's brew state",
        scope=Scope.CONTROL,
        fields=(
            *HEADER,
            KETTLE,
            Field(name="program", kind=Blob(MAX_BYTES), description="the leader's own text"),
            Field(name="revision", kind=Integer(0, MAX_SEQ), description="the leader's own number"),
        ),
        content=json_reply(desired=WHOLE, actual=WHOLE, limited_by=TEXT_OR_NULL, seq=WHOLE),
        refusals={**LEASE_REFUSALS, **STORING},
    ),
    Operation(
        method="GET",
        path="/v1/program",
        handler=get_program,
        summary="The brew state that was kept",
        scope=Scope.READ,
        query=(Parameter(name="kettle_id", kind=Text(), description="the kettle; needed"),),
        content=json_reply(
            kettle_id=TEXT, program=TEXT_OR_NULL, revision=_WHOLE_OR_NULL, epoch=_WHOLE_OR_NULL
        ),
        refusals={404: "`unknown_kettle`: this node does not serve it"},
    ),
)
