"""Telling the time to a node that has no other way to know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_node.api.errors import ApiError, reply
from edge_node.api.operation import Call, Operation
from edge_node.api.replies import FLAG, TEXT_OR_NULL, WHOLE, json_reply, record
from edge_node.api.schema import Field, Integer
from edge_node.clock import ClockKnownError
from edge_node.tokens import Scope

if TYPE_CHECKING:
    from aiohttp import web

MAX_UTC_MS = 2**53 - 1


async def put_clock(call: Call) -> web.Response:
    """Set the clock of a node that does not know it; 409 `clock_known` once it does."""
    node = call.node
    try:
        node.set_clock(call.body["utc_ms"])
    except ClockKnownError as err:
        raise ApiError(
            409,
            "clock_known",
            f"node {node.identity.node_id} knows the time already: nothing to do",
            detail={"clock": dict(node.clock.describe())},
        ) from err
    except ValueError as err:
        raise ApiError(422, "out_of_range", f"utc_ms {err}", detail={"field": "utc_ms"}) from err
    return reply(node, {"clock": node.clock.describe()})


OPERATIONS = (
    Operation(
        method="PUT",
        path="/v1/clock",
        handler=put_clock,
        summary="Set an unknown clock",
        scope=Scope.CONTROL,
        fields=(
            Field(
                name="utc_ms",
                kind=Integer(0, MAX_UTC_MS),
                description="now, in UTC milliseconds; years the node cannot believe are refused",
            ),
        ),
        content=json_reply(clock=record(known=FLAG, source=TEXT_OR_NULL, steps=WHOLE)),
        refusals={409: "`clock_known`: the clock is known already"},
    ),
)
