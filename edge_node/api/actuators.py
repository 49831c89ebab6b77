"""Switching outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_node.api.command_fields import (
    HEADER,
    LEASE_REFUSALS,
    SWITCHED,
    Flag,
    Judged,
    header_of,
    known,
    told,
)
from edge_node.api.errors import ApiError
from edge_node.api.operation import Call, Operation
from edge_node.api.replies import json_reply
from edge_node.api.schema import Field, Number, Parameter, Text
from edge_node.commands import switches_on
from edge_node.tokens import Scope

if TYPE_CHECKING:
    from aiohttp import web


async def put_actuator(call: Call) -> web.Response:
    """Switch an output, or give it a power; the answer says what it is now, and what limits it."""
    actuators = call.actuation.core.actuators
    output_id = known(call.request.match_info["id"], actuators, "output")
    body = call.body
    if ("state" in body) == ("power" in body):
        raise ApiError(
            400,
            "missing_field" if "state" not in body else "bad_field",
            "say either state or power",
            detail={"field": "state"},
        )
    on = switches_on(body.get("state"), body.get("power"))
    if on and "max_on_s" not in body:
        raise ApiError(
            400,
            "missing_field",
            "the field max_on_s is missing: what is switched on must know when to go off",
            detail={"field": "max_on_s"},
        )
    answer = await call.commander.output(
        output_id,
        header_of(body),
        state=body.get("state"),
        power=body.get("power"),
        max_on_s=body.get("max_on_s"),
    )
    return told(call, f"output {output_id}", answer)


OPERATIONS = (
    Operation(
        method="PUT",
        path="/v1/actuators/{id}",
        handler=put_actuator,
        summary="Switch an output",
        scope=Scope.CONTROL,
        path_parameters=(Parameter(name="id", kind=Text(), description="the output"),),
        fields=(
            *HEADER,
            Field(
                name="state",
                kind=Flag(),
                description="on or off; of a power output 100 or 0",
                required=False,
            ),
            Field(
                name="power",
                kind=Judged(Number(0, 100)),
                description="percent, instead of state; of a switch 0 or 100",
                required=False,
            ),
            Field(
                name="max_on_s",
                kind=Judged(Number(0, 86_400)),
                description="with anything that switches on: it goes off after this, seconds",
                required=False,
            ),
        ),
        content=json_reply(**SWITCHED),
        refusals={
            **LEASE_REFUSALS,
            422: "`out_of_range`: `detail.field` cannot be so; checked last",
            423: "`safety_latched`: `detail.reason` is the latch; off is never refused so",
        },
    ),
)
