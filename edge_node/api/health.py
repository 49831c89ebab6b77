"""What anyone may know: whether the node works, and who it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from edge_node.api.errors import ApiError, dump, reply
from edge_node.api.operation import Call, Operation
from edge_node.api.replies import FLAG, HEX64, TEXT, WHOLE, array, closed, json_reply, record

if TYPE_CHECKING:
    from edge_node.node import Node

API_VERSION = 1

FAILING = {
    "actuation": "the outputs are not looked after, and are at their safe level",
    "outputs": "an output does not obey, so the guard gets no heartbeat and drops",
    "sampler": "no probe has been read for seconds",
    "spool": "samples cannot be kept",
}


async def healthz(call: Call) -> web.Response:
    """200 while every part works; 503 names the one that does not."""
    part = call.node.failing()
    if part is not None:
        raise ApiError(
            503,
            "failing",
            f"the part {part} of node {call.node.identity.node_id} fails: {FAILING[part]}; the "
            "node's log says why",
            detail={"part": part},
        )
    return web.Response(body=dump({"status": "ok"}), content_type="application/json")


def identity(node: Node) -> dict[str, Any]:
    """Who the node is; the same in /v1/identity and /v1/node."""
    return {
        "api": API_VERSION,
        "node_id": node.identity.node_id,
        "name": node.config.name,
        "kettles": [
            {"kettle_id": kettle.kettle_id, "kettle_name": kettle.name}
            for kettle in node.config.kettles
        ],
        "model": node.identity.model,
        "version": node.identity.version,
        "fingerprint": node.identity.fingerprint,
    }


async def get_identity(call: Call) -> web.Response:
    """Who the node is, and whether it can be paired now."""
    content = {**identity(call.node), "pairing": call.services.pairing.is_open()}
    return reply(call.node, content)


OPERATIONS = (
    Operation(
        method="GET",
        path="/healthz",
        handler=healthz,
        summary="Whether every part of the node works",
        scope=None,
        content={"application/json": closed(record(status={"const": "ok"}))},
        refusals={503: "`failing`: a part does not work; `detail.part` names it"},
    ),
    Operation(
        method="GET",
        path="/v1/identity",
        handler=get_identity,
        summary="Who the node is",
        scope=None,
        content=json_reply(
            api=WHOLE,
            node_id=TEXT,
            name=TEXT,
            kettles=array(record(kettle_id=TEXT, kettle_name=TEXT)),
            model=TEXT,
            version=TEXT,
            fingerprint=HEX64,
            pairing=FLAG,
        ),
    ),
)
