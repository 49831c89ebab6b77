"""Switches: heaters, pumps, valves and coolers, as their node says they are."""

from typing import TYPE_CHECKING, Any, override

from homeassistant.components.switch import SwitchEntity

from .dynamic import async_follow
from .kettle_part import OutputPart, outputs

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

    from .coordinator import SmartBeerConfigEntry
    from .kettle_part import Part
    from .models import ActuatorInfo

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SmartBeerConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add a switch for every output that is commanded, now and as they come."""

    def make() -> Iterator[OutputSwitch]:
        for part in outputs(entry.runtime_data):
            yield OutputSwitch(part)

    async_follow(hass, entry, async_add_entities, make)


class OutputSwitch(OutputPart, SwitchEntity):
    """An output, fully on or off; of one with a power, on is anything above 0 %.

    Switched on, it goes off by itself after the longest time that its node allows one command.
    """

    def __init__(self, part: Part[ActuatorInfo]) -> None:
        super().__init__(part)
        self._attr_translation_key = part.info.kind if part.plain else f"{part.info.kind}_named"
        self._attr_translation_placeholders = {"name": part.name}

    @property
    @override
    def is_on(self) -> bool | None:
        return None if self._output is None else self._output.actual > 0

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        output = self._output
        return {
            "desired": None if output is None else "on" if output.desired > 0 else "off",
            "limited_by": None if output is None else output.limited_by,
            "node": self.coordinator.node_id,
        }

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        await self.coordinator.commands.output(self.output_id, on=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        await self.coordinator.commands.output(self.output_id, on=False)

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        return None, (self.available, self.is_on, *self.extra_state_attributes.values())
