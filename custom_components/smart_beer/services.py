"""Actions: run an output for a while, stop heat, clear latches, see alarms, name batches, tune."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import probatio
from homeassistant.auth.permissions.const import POLICY_CONTROL, POLICY_READ
from homeassistant.const import ATTR_DEVICE_ID, Platform
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import (
    async_get_config_entry,
    async_register_platform_entity_service,
)

from .const import DOMAIN
from .kettle_devices import (
    async_caller,
    async_check_user,
    async_commanded,
    kettles_of_devices,
    latches_of,
)
from .kettle_summary import summary, tuning
from .safe_stop import async_safe
from .services_batches import async_setup_batch_services
from .validators import one_line
from .vocabulary import LATCHES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from .coordinator import NodeCoordinator, SmartBeerConfigEntry
    from .kettle_part import ControllerPart, OutputPart

type Outcome = dict[str, HomeAssistantError | None]

ATTR_ACTION: Final = "action"
ATTR_ALARM: Final = "alarm"
ATTR_BATCH: Final = "batch"
ATTR_DURATION: Final = "duration"
ATTR_LATCH: Final = "latch"
ATTR_NOTE: Final = "note"
ATTR_POWER: Final = "power"

NOT_SAFE: Final = "safe_not_confirmed"
PARTLY: Final = "partly_done"

# As the node's API has it.
LONGEST: Final = timedelta(days=1)
TEXT_LENGTH: Final = 64
NOTE_LENGTH: Final = 500

_TEXT: Final = probatio.All(
    cv.string,
    str.strip,
    probatio.Length(min=1, max=TEXT_LENGTH),
    probatio.Match(r"^[^\x00-\x1f\x7f]+\Z"),
)
_KETTLE: Final = {probatio.Required(ATTR_DEVICE_ID): cv.string}
_KETTLES: Final = probatio.Schema(
    {probatio.Optional(ATTR_DEVICE_ID, default=list): probatio.All(cv.ensure_list, [cv.string])}
)
_CLEAR_LATCH: Final = probatio.Schema(
    {**_KETTLE, probatio.Required(ATTR_LATCH): probatio.In(LATCHES)}
)
_ACKNOWLEDGE: Final = probatio.Schema(
    {
        **_KETTLE,
        probatio.Required(ATTR_ALARM): cv.string,
        probatio.Optional(ATTR_NOTE, default=""): probatio.All(
            cv.string, one_line, probatio.Length(max=NOTE_LENGTH)
        ),
    }
)
_START_BATCH: Final = probatio.Schema({**_KETTLE, probatio.Required(ATTR_BATCH): _TEXT})
_RUN_OUTPUT: Final[dict[str | probatio.Marker, Any]] = {
    probatio.Required(ATTR_DURATION): probatio.All(
        cv.positive_time_period,
        probatio.Range(min=timedelta(seconds=1), max=LONGEST),
    ),
    probatio.Optional(ATTR_POWER): probatio.All(
        probatio.Coerce(float), probatio.Range(min=0, max=100, min_included=False)
    ),
}
_AUTOTUNE: Final[dict[str | probatio.Marker, Any]] = {
    probatio.Required(ATTR_ACTION): probatio.In(["start", "stop", "apply"])
}


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions, once for the integration."""
    async_setup_batch_services(hass)
    for name, handler, schema, response in (
        ("acknowledge_alarm", _acknowledge_alarm, _ACKNOWLEDGE, SupportsResponse.OPTIONAL),
        ("clear_latch", _clear_latch, _CLEAR_LATCH, SupportsResponse.OPTIONAL),
        ("end_batch", _end_batch, probatio.Schema(_KETTLE), SupportsResponse.OPTIONAL),
        ("kettle_state", _kettle_state, _KETTLES, SupportsResponse.ONLY),
        ("safe_stop", _safe_stop, _KETTLES, SupportsResponse.OPTIONAL),
        ("start_batch", _start_batch, _START_BATCH, SupportsResponse.OPTIONAL),
    ):
        hass.services.async_register(DOMAIN, name, handler, schema, supports_response=response)
    async_register_platform_entity_service(
        hass,
        DOMAIN,
        "run_output",
        entity_domain=Platform.SWITCH,
        schema=_RUN_OUTPUT,
        func=_run_output,
        supports_response=SupportsResponse.OPTIONAL,
    )
    async_register_platform_entity_service(
        hass,
        DOMAIN,
        "autotune",
        entity_domain=Platform.CLIMATE,
        schema=_AUTOTUNE,
        func=_autotune,
        supports_response=SupportsResponse.OPTIONAL,
    )


async def _safe_stop(call: ServiceCall) -> ServiceResponse:
    """Heat off now, and latched, at all nodes at once; no lease is needed for it."""
    kettles = kettles_of_devices(call.hass, call.data[ATTR_DEVICE_ID])
    await async_check_user(call.hass, call.context, kettles, POLICY_CONTROL)
    nodes: list[tuple[str | None, Iterable[NodeCoordinator]]] = [
        (kettle.kettle_id, kettle.nodes) for kettle in kettles
    ]
    if not call.data[ATTR_DEVICE_ID]:
        # One word to each node, whatever it serves, be it known or not.
        entry: SmartBeerConfigEntry = async_get_config_entry(call.hass, DOMAIN, None)
        nodes = [(None, entry.runtime_data.nodes.values())]
    told = await asyncio.gather(*(async_safe(some, kettle_id) for kettle_id, some in nodes))
    outcome: Outcome = {}
    for one in told:
        outcome |= {node_id: err for node_id, err in one.items() if not outcome.get(node_id)}
    return _answer(call, NOT_SAFE, outcome)


async def _clear_latch(call: ServiceCall) -> ServiceResponse:
    """Clear a latch at every node of the kettle that has it."""
    kettle, latch = await async_commanded(call), call.data[ATTR_LATCH]
    latched = [node for node in kettle.nodes if latch in (latches_of(kettle, node) or {})]
    if not latched:
        raise _invalid("not_latched", kettle=kettle.kettle_name)
    return await _tell(call, latched, lambda node: node.commands.clear(kettle.kettle_id, latch))


async def _acknowledge_alarm(call: ServiceCall) -> ServiceResponse:
    """Note who has seen an alarm, at every node of the kettle that raises it."""
    kettle, alarm_id = await async_commanded(call), call.data[ATTR_ALARM]
    by = await async_caller(call.hass, call.context)
    nodes = [
        node
        for node in kettle.nodes
        if node.state is not None and any(one.alarm_id == alarm_id for one in node.state.alarms)
    ]
    if not nodes:
        raise _invalid("no_such_alarm", alarm=alarm_id, kettle=kettle.kettle_name)
    note = call.data[ATTR_NOTE]
    return await _tell(
        call,
        nodes,
        lambda node: node.commands.acknowledge(kettle.kettle_id, alarm_id, by=by, note=note),
    )


async def _start_batch(call: ServiceCall) -> ServiceResponse:
    """Stamp a batch into what every node of the kettle measures from now on."""
    kettle, batch = await async_commanded(call), call.data[ATTR_BATCH]
    return await _tell(
        call, kettle.nodes, lambda node: node.commands.batch(kettle.kettle_id, batch)
    )


async def _end_batch(call: ServiceCall) -> ServiceResponse:
    """No batch from now on."""
    kettle = await async_commanded(call)
    return await _tell(call, kettle.nodes, lambda node: node.commands.batch(kettle.kettle_id, None))


async def _kettle_state(call: ServiceCall) -> ServiceResponse:
    """How kettles are, for templates, scripts and voice."""
    kettles = kettles_of_devices(call.hass, call.data[ATTR_DEVICE_ID])
    await async_check_user(call.hass, call.context, kettles, POLICY_READ)
    return {"kettles": {kettle.kettle_id: summary(kettle) for kettle in kettles}}


async def _run_output(entity: OutputPart, call: ServiceCall) -> ServiceResponse:
    """Run an output for a while; it goes off by itself, also when nobody is left to say so."""
    power: float | None = call.data.get(ATTR_POWER)
    answer = await entity.coordinator.commands.output(
        entity.output_id,
        on=True if power is None else None,
        power=power,
        max_on_s=call.data[ATTR_DURATION].total_seconds(),
    )
    return {
        "desired": answer.desired,
        "actual": answer.actual,
        "limited_by": answer.limited_by,
    }


async def _autotune(entity: ControllerPart, call: ServiceCall) -> ServiceResponse:
    """Have a controller find its gains, end that, or use what it found."""
    answer = await entity.coordinator.commands.controller(
        entity.controller_id, autotune=call.data[ATTR_ACTION]
    )
    return tuning(answer)


async def _tell(
    call: ServiceCall,
    nodes: Sequence[NodeCoordinator],
    command: Callable[[NodeCoordinator], Awaitable[object]],
) -> ServiceResponse:
    """Tell all these nodes at once, each whatever becomes of the others."""

    async def tell(node: NodeCoordinator) -> HomeAssistantError | None:
        try:
            await command(node)
        except HomeAssistantError as err:
            return err
        return None

    failures = await asyncio.gather(*(tell(node) for node in nodes))
    outcome = {node.node_id: err for node, err in zip(nodes, failures, strict=True)}
    return _answer(call, PARTLY, outcome)


def _answer(call: ServiceCall, key: str, outcome: Outcome) -> ServiceResponse:
    """What each node said; who does not ask for it gets an error where one failed.

    Where all failed that is an error for everybody, and, but for `safe`, simply theirs if they all
    say the same: it needs no names of nodes.
    """
    failed = {node_id: err for node_id, err in sorted(outcome.items()) if err is not None}
    errors = list({str(err): err for err in failed.values()}.items())
    hopeless = len(failed) == len(outcome)
    if failed and hopeless and len(errors) == 1 and key != NOT_SAFE:
        raise errors[0][1]
    if failed and (hopeless or not call.return_response):
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key=key,
            translation_placeholders={
                "nodes": ", ".join(failed),
                "errors": " ".join(text for text, _ in errors),
            },
        )
    return {
        "nodes": {
            node_id: {"done": err is None, "error": None if err is None else str(err)}
            for node_id, err in sorted(outcome.items())
        }
    }


def _invalid(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )
