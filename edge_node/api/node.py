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


NUMBER = {"type": "number"}
KETTLE = record(
    kettle_id=TEXT,
    kettle_name=TEXT,
    group=array(TEXT),
    safety=record(
        high_limit=NUMBER,
        disagree_k=NUMBER,
        volume_l=NUMBER,
        reference_required=FLAG,
        other_heat=FLAG,
    ),
)
CHANNEL = record(
    id=TEXT,
    name=TEXT,
    kettle_id=TEXT_OR_NULL,
    kind={
        "type": "string",
        "enum": ["temperature", "pressure", "co2", "actuator", "setpoint", "alarm"],
    },
    role={"type": "string", "enum": ["process", "auxiliary"]},
    unit=TEXT,
    device_class=TEXT_OR_NULL,
    driver=TEXT,
    limits={"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
)
ACTUATOR = record(
    id=TEXT,
    name=TEXT,
    kettle_id=TEXT,
    kind={"type": "string", "enum": ["heater", "pump", "valve", "cooler", "contactor"]},
    control={"type": "string", "enum": ["switch", "power"]},
    power_w=NUMBER_OR_NULL,
    min_on_s=NUMBER,
    min_off_s=NUMBER,
    max_on_s=NUMBER,
    max_on_per_hour_s=NUMBER,
    requires=array(TEXT),
    interlocks=array(TEXT),
    mutex=TEXT_OR_NULL,
    breaker=TEXT_OR_NULL,
    contactor=TEXT_OR_NULL,
    safe=FLAG,
    hold_s=NUMBER_OR_NULL,
)
CONTROLLER = record(
    id=TEXT,
    name=TEXT,
    kettle_id=TEXT,
    kind={"type": "string", "enum": ["pid", "hysteresis", "cascade", "fermentation"]},
    heater=TEXT_OR_NULL,
    cooler=TEXT_OR_NULL,
    range={"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2},
    max_rate=NUMBER_OR_NULL,
    tunable=FLAG,
)
INTERLOCK = record(id=TEXT, name=TEXT, kettle_id=TEXT_OR_NULL)
WHOLE_OR_NULL = {"type": ["integer", "null"]}
FLAG_OR_NULL = {"type": ["boolean", "null"]}
SWITCH_OR_POWER = {"type": ["boolean", "number"]}
ACTUATOR_STATE = record(desired=SWITCH_OR_POWER, actual=SWITCH_OR_POWER, limited_by=TEXT_OR_NULL)
CONTROLLER_STATE = record(
    mode={"type": "string", "enum": ["off", "auto", "manual", "autotune"]},
    setpoint=NUMBER_OR_NULL,
    process=NUMBER_OR_NULL,
    power=NUMBER,
    state={"type": "object"},
)
LATCH = record(kettle_id=TEXT, latch=TEXT, since=WHOLE_OR_NULL, text=TEXT)
ALARM = record(
    id=TEXT,
    since=WHOLE_OR_NULL,
    text=TEXT,
    acknowledged={"type": ["object", "null"]},
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
            actuators=array(ACTUATOR),
            controllers=array(CONTROLLER),
            interlocks=array(INTERLOCK),
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
            actuators=mapping(ACTUATOR_STATE),
            controllers=mapping(CONTROLLER_STATE),
            interlocks=mapping(FLAG_OR_NULL),
            stop=FLAG_OR_NULL,
            kettles=mapping(record(lease={}, batch=TEXT_OR_NULL)),
            alarms=array(ALARM),
            latches=array(LATCH),
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
