"""Setting controllers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_node.api.command_fields import (
    HEADER,
    LEASE_REFUSALS,
    STORING,
    SWITCHED,
    Judged,
    header_of,
    known,
    told,
)
from edge_node.api.errors import ApiError
from edge_node.api.lease import REFERENCE
from edge_node.api.operation import Call, Operation
from edge_node.api.replies import TEXT, json_reply
from edge_node.api.schema import Field, Number, Parameter, Text
from edge_node.commands import AUTOTUNE, MODES, ControllerOrder
from edge_node.tokens import Scope

if TYPE_CHECKING:
    from aiohttp import web


async def put_controller(call: Call) -> web.Response:
    """Set a controller's mode, or run its autotune; the answer shows it and its output."""
    loops = call.actuation.core.loops
    controller_id = known(call.request.match_info["id"], loops, "controller")
    body = call.body
    if ("mode" in body) == ("autotune" in body):
        raise ApiError(
            400,
            "missing_field" if "mode" not in body else "bad_field",
            "say either mode or autotune",
            detail={"field": "mode"},
        )
    order = ControllerOrder(
        mode=body.get("mode"),
        setpoint=body.get("setpoint"),
        power=body.get("power"),
        autotune=body.get("autotune"),
    )
    answer = await call.commander.controller(
        controller_id, header_of(body), order, body.get("reference")
    )
    return told(call, f"controller {controller_id}", answer)


OPERATIONS = (
    Operation(
        method="PUT",
        path="/v1/controllers/{id}",
        handler=put_controller,
        summary="Set a controller",
        scope=Scope.CONTROL,
        path_parameters=(Parameter(name="id", kind=Text(), description="the controller"),),
        fields=(
            *HEADER,
            Field(
                name="mode",
                kind=Text(choices=MODES),
                description="off; auto: towards the setpoint; manual: with this power",
                required=False,
            ),
            Field(
                name="setpoint",
                kind=Judged(Number(-60, 160)),
                description="degrees Celsius, within the controller's range; kept when left out",
                required=False,
            ),
            Field(
                name="power",
                kind=Judged(Number(0, 100)),
                description="percent, with the mode manual",
                required=False,
            ),
            Field(
                name="autotune",
                kind=Text(choices=AUTOTUNE),
                description="instead of mode. start: swing around the setpoint and find gains; "
                "stop: end that; apply: use the gains that /v1/state shows, from now on",
                required=False,
            ),
            REFERENCE,
        ),
        content=json_reply(output=TEXT, controller={"type": "object"}, **SWITCHED),
        refusals={
            **LEASE_REFUSALS,
            **STORING,
            422: "`out_of_range`: `detail.field` cannot be so; checked last",
            423: "`safety_latched`: `detail.reason` is the latch; off is never refused so",
        },
    ),
)
