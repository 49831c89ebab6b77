"""Saying that an alarm was seen."""

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
from edge_node.api.errors import ApiError, quoted
from edge_node.api.operation import Call, Operation
from edge_node.api.replies import FLAG, TEXT_OR_NULL, WHOLE, json_reply
from edge_node.api.schema import Field, Parameter, Text
from edge_node.lease import Refused
from edge_node.tokens import Scope

if TYPE_CHECKING:
    from aiohttp import web


async def acknowledge(call: Call) -> web.Response:
    """Keep who has seen an alarm, with the batch; it stands until its cause is gone."""
    body, node = call.body, call.node
    kettle_id = kettle_of(call, body["kettle_id"])
    alarm_id = call.request.match_info["id"]
    alarm = node.alarm(alarm_id)
    if alarm is None:
        raise ApiError(
            404,
            "unknown_alarm",
            f"no alarm {quoted(alarm_id)} stands (any more); /v1/state lists those that do",
            detail={"known": [one["id"] for one in node.state()["alarms"]]},
        )
    ack = {"by": body["by"], "note": body.get("note", ""), "t": node.clock.now_ms()}
    answer = await call.commander.acknowledge(
        kettle_id, header_of(body), {"alarm": alarm_id, "text": alarm["text"], **ack}
    )
    if not isinstance(answer, Refused):
        node.acknowledged(alarm_id, ack)
    return told(call, f"alarm {alarm_id}", answer)


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/alarms/{id}/ack",
        handler=acknowledge,
        summary="Say that an alarm was seen",
        scope=Scope.CONTROL,
        path_parameters=(Parameter(name="id", kind=Text(), description="the alarm"),),
        fields=(
            *HEADER,
            KETTLE,
            Field(name="by", kind=Text(), description="who has seen it"),
            Field(
                name="note",
                kind=Text(min_length=0, max_length=500),
                description="what they say about it",
                required=False,
            ),
        ),
        content=json_reply(desired=FLAG, actual=FLAG, limited_by=TEXT_OR_NULL, seq=WHOLE),
        refusals={**LEASE_REFUSALS, **STORING},
    ),
)
