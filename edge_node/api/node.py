"""What the node is made of, and how it is right now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_node.api.errors import reply
from edge_node.api.operation import Call, Operation
from edge_node.api.replies import (
    ANY_INTEGER,
    FLAG,
    HEX64,
    NUMBER_OR_NULL,
    RANGE,
    SCOPE,
    TEXT,
    TEXT_OR_NULL,
    WHOLE,
    array,
    json_reply,
    mapping,
    record,
)
from edge_node.tokens import Scope

if TYPE_CHECKING:
    from aiohttp import web


async def get_node(call: Call) -> web.Response:
    """Everything that does not change while the node runs, its clients, and its spool's bounds."""
    content = call.node.describe()
    if call.caller is not None:  # nobody else is told who the clients are
        content["clients"] = call.services.tokens.clients()
    return reply(call.node, content)


async def get_state(call: Call) -> web.Response:
    """The newest readings, alarms and health."""
    return reply(call.node, call.node.state())


KETTLE = record(kettle_id=TEXT, kettle_name=TEXT, group=array(TEXT))
CHANNEL = record(
    id=TEXT,
    name=TEXT,
    kettle_id=TEXT_OR_NULL,
    kind={"type": "string", "enum": ["temperature", "pressure", "co2"]},
    role={"type": "string", "enum": ["process", "auxiliary"]},
    unit=TEXT,
    device_class=TEXT_OR_NULL,
    driver=TEXT,
    limits={"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
)
CLIENT = record(
    client_id=TEXT,
    name=TEXT,
    scope=SCOPE,
    created=ANY_INTEGER,
    last_used=mapping(ANY_INTEGER),
    replaced_tokens=WHOLE,
)

OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/node",
        handler=get_node,
        summary="What the node is made of",
        scope=Scope.READ,
        content=json_reply(
            api=WHOLE,
            node_id=TEXT,
            name=TEXT,
            model=TEXT,
            version=TEXT,
            fingerprint=HEX64,
            versions=mapping(TEXT),
            config_digest=TEXT,
            kettles=array(KETTLE),
            channels=array(CHANNEL),
            actuators=array({"type": "object"}),
            spool=record(
                spool_id=TEXT,
                first_seq=WHOLE,
                last_seq=WHOLE,
                holes=array(RANGE),
                rows=WHOLE,
                bytes=WHOLE,
                max_bytes=WHOLE,
            ),
            clients=array(CLIENT),
            clock=record(known=FLAG, source=TEXT_OR_NULL, steps=WHOLE),
        ),
    ),
    Operation(
        method="GET",
        path="/v1/state",
        handler=get_state,
        summary="The newest readings, alarms and health",
        scope=Scope.READ,
        content=json_reply(
            channels=mapping(
                record(t={"type": ["integer", "null"]}, value=NUMBER_OR_NULL, quality=TEXT)
            ),
            actuators={"type": "object"},
            controllers={"type": "object"},
            kettles=mapping(record(lease={}, batch=TEXT_OR_NULL)),
            alarms=array(record(id=TEXT, since={"type": ["integer", "null"]}, text=TEXT)),
            latches=array({"type": "object"}),
            health=record(
                bus_errors=mapping(mapping(WHOLE)),
                clock_offset_ms=NUMBER_OR_NULL,
                disk_free_bytes={"type": ["integer", "null"], "minimum": 0},
                cpu_temperature=NUMBER_OR_NULL,
                power_mode=mapping(TEXT_OR_NULL),
                spool=record(rows=WHOLE, bytes=WHOLE, lost=WHOLE),
            ),
        ),
    ),
)
