"""Buttons: heat off now, clear what has latched, alarms seen, gains found are to be used."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.device_registry import DeviceInfo

from .const import DOMAIN
from .dynamic import async_follow
from .entity import SmartBeerEntity
from .helpers import BREWERY_IDENTIFIER, brewery_unique_id, kettle_identifier, kettle_unique_id
from .kettle import KettleCoordinator
from .kettle_devices import AUTOMATION, async_caller
from .kettle_part import ControllerPart, controllers
from .safe_stop import async_safe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Sequence

    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

    from .coordinator import SmartBeerConfigEntry
    from .kettle_part import Part
    from .models import ControllerInfo

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class KettleButtonDescription(ButtonEntityDescription):
    """A button of a kettle; `by` is who presses it.

    `always`: it is tried also while no node of the kettle is connected.
    """

    always: bool = False
    press_fn: Callable[[KettleCoordinator, str], Awaitable[None]]


async def _safe(kettle: KettleCoordinator, _by: str) -> None:
    _raise("safe_not_confirmed", (await async_safe(kettle.nodes, kettle.kettle_id)).items())


async def _clear(kettle: KettleCoordinator, _by: str) -> None:
    await _tell(
        [
            (node.node_id, node.commands.clear(kettle.kettle_id, latch.latch))
            for node in kettle.nodes
            if node.connected and node.data.state is not None
            for latch in node.data.state.latches
            if latch.kettle_id == kettle.kettle_id
        ]
    )


async def _acknowledge(kettle: KettleCoordinator, by: str) -> None:
    await _tell(
        [
            (node.node_id, node.commands.acknowledge(kettle.kettle_id, alarm.alarm_id, by=by))
            for node in kettle.nodes
            if node.connected and node.data.state is not None
            for alarm in node.data.state.alarms
            if alarm.acknowledged is None
        ]
    )


KETTLE_BUTTONS: tuple[KettleButtonDescription, ...] = (
    KettleButtonDescription(
        key="safe_stop", translation_key="safe_stop", always=True, press_fn=_safe
    ),
    KettleButtonDescription(key="clear_latches", translation_key="clear_latches", press_fn=_clear),
    KettleButtonDescription(
        key="acknowledge_alarms", translation_key="acknowledge_alarms", press_fn=_acknowledge
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SmartBeerConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the buttons of the brewery and of every kettle, now and as they come."""
    async_add_entities([BrewerySafeStop(entry)])

    def make() -> Iterator[KettleButton | ApplyAutotune]:
        for kettle in entry.runtime_data.kettles.values():
            for description in KETTLE_BUTTONS:
                yield KettleButton(kettle, description)
        for part in controllers(entry.runtime_data):
            if part.info.tunable:
                yield ApplyAutotune(part)

    async_follow(hass, entry, async_add_entities, make)


class BrewerySafeStop(ButtonEntity):
    """All heat of the brewery off now, and latched at every node."""

    _attr_has_entity_name = True
    _attr_should_poll = False
    _attr_translation_key = "safe_stop_all"

    def __init__(self, entry: SmartBeerConfigEntry) -> None:
        self._entry = entry
        self._attr_unique_id = brewery_unique_id("safe_stop_all")
        self._attr_device_info = DeviceInfo(identifiers={BREWERY_IDENTIFIER})

    @override
    async def async_press(self) -> None:
        nodes = self._entry.runtime_data.nodes.values()
        _raise("safe_not_confirmed", (await async_safe(nodes)).items())


class KettleButton(SmartBeerEntity[KettleCoordinator], ButtonEntity):
    """Something to do with a kettle, at all of its nodes at once."""

    entity_description: KettleButtonDescription

    def __init__(self, kettle: KettleCoordinator, description: KettleButtonDescription) -> None:
        super().__init__(
            kettle,
            kettle_unique_id(kettle.kettle_id, description.key),
            kettle_identifier(kettle.kettle_id),
        )
        self.entity_description = description

    @property
    @override
    def available(self) -> bool:
        return self.entity_description.always or self.coordinator.data.available

    @override
    async def async_press(self) -> None:
        context = self._context
        by = AUTOMATION if context is None else await async_caller(self.hass, context)
        await self.entity_description.press_fn(self.coordinator, by)

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        return None, (self.available,)


class ApplyAutotune(ControllerPart, ButtonEntity):
    """Use the gains that the controller's autotune has found; the thermostat shows them."""

    _attr_entity_registry_enabled_default = False
    _attr_translation_key = "autotune_apply"

    def __init__(self, part: Part[ControllerInfo]) -> None:
        super().__init__(part, key="autotune_apply")
        self._attr_translation_placeholders = {"name": part.name}

    @override
    async def async_press(self) -> None:
        await self.coordinator.commands.controller(self.controller_id, autotune="apply")

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        return None, (self.available,)


async def _tell(commands: Sequence[tuple[str, Awaitable[object]]]) -> None:
    """Send all of these, node ids with commands, each whatever becomes of the others."""

    async def tell(command: Awaitable[object]) -> HomeAssistantError | None:
        try:
            await command
        except HomeAssistantError as err:
            return err
        return None

    failures = await asyncio.gather(*(tell(command) for _, command in commands))
    _raise(
        "partly_done",
        [(node_id, err) for (node_id, _), err in zip(commands, failures, strict=True)],
    )


def _raise(key: str, outcome: Iterable[tuple[str, HomeAssistantError | None]]) -> None:
    """Raise if anything failed: the one failure as it is, several as `key` with their sentences."""
    failed = [(node_id, err) for node_id, err in outcome if err is not None]
    if len(failed) == 1:
        raise failed[0][1]
    if failed:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key=key,
            translation_placeholders={
                "nodes": ", ".join(dict.fromkeys(node_id for node_id, _ in failed)),
                "errors": " ".join(dict.fromkeys(str(err) for _, err in failed)),
            },
        )
