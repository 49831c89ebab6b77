"""All heat off, by anybody; and taking that back, by the leader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_node.api.command_fields import (
    HEADER,
    KETTLE,
    LEASE_REFUSALS,
    STORING,
    SWITCHED,
    header_of,
    kettle_of,
    told,
)
from edge_node.api.errors import ApiError, reply
from edge_node.api.lease import BUCKET
from edge_node.api.operation import Call, Operation
from edge_node.api.replies import TEXT, array, json_reply
from edge_node.api.schema import Field, Text
from edge_node.safety.rules import TRIP_NAMES
from edge_node.tokens import Scope

if TYPE_CHECKING:
    from aiohttp import web

    from edge_node.api.operation import Services


async def put_safe(call: Call) -> web.Response:
    """All heaters off now, and latched; a kettle that is not known here means all of them."""
    named, kept = await call.commander.safe(call.body.get("kettle_id"))
    if not kept:
        raise ApiError(
            503,
            "not_stored",
            "the heaters are off and latched, but the node cannot write that down: after a restart "
            "it would not know. Look for a full or broken disk",
            detail={"kettles": named},
        )
    return reply(call.node, {"kettles": named})


async def _all_off(services: Services) -> None:
    """Whoever calls for safe in words that are not understood means every kettle."""
    if services.commander is not None:
        await services.commander.safe(None)


async def clear(call: Call) -> web.Response:
    """Clear a latch; refused while its cause lasts."""
    body = call.body
    kettle_id = kettle_of(call, body["kettle_id"])
    answer = await call.commander.clear(kettle_id, header_of(body), body["latch"])
    return told(call, f"latch {body['latch']} of kettle {kettle_id}", answer)


OPERATIONS = (
    Operation(
        method="PUT",
        path="/v1/safe",
        handler=put_safe,
        summary="All heaters off now, and latched until the leader clears it. What is refused for "
        "its query or body has switched off every kettle first",
        scope=Scope.READ,
        fields=(
            Field(
                name="kettle_id",
                kind=Text(),
                description="this kettle alone",
                required=False,
            ),
        ),
        body_optional=True,
        content=json_reply(kettles=array(TEXT)),
        refusals=STORING,
        limit=BUCKET,
        if_refused=_all_off,
    ),
    Operation(
        method="POST",
        path="/v1/safety/clear",
        handler=clear,
        summary="Clear a latch whose cause is gone",
        scope=Scope.CONTROL,
        fields=(
            *HEADER,
            KETTLE,
            Field(
                name="latch",
                kind=Text(choices=tuple(sorted(TRIP_NAMES))),
                description="which latch, as /v1/state shows it",
            ),
        ),
        content=json_reply(**SWITCHED),
        refusals={
            **LEASE_REFUSALS,
            **STORING,
            423: "`safety_latched`: the cause lasts; `detail.cause` says what",
        },
    ),
)
