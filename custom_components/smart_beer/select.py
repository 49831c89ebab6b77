"""Selects: what a controller does."""

from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.components.select import SelectEntity

from .dynamic import async_follow
from .kettle_part import ControllerPart, controllers

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

    from .coordinator import SmartBeerConfigEntry
    from .kettle_part import Part
    from .models import ControllerInfo

PARALLEL_UPDATES = 0

AUTOTUNE: Final = "autotune"
MANUAL: Final = "manual"
MODES: Final = ("off", "auto", MANUAL)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SmartBeerConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add a mode for every controller, now and as they come."""

    def make() -> Iterator[ControllerMode]:
        for part in controllers(entry.runtime_data):
            yield ControllerMode(part)

    async_follow(hass, entry, async_add_entities, make)


class ControllerMode(ControllerPart, SelectEntity):
    """The mode of a controller; choosing autotune starts a run, any other mode ends one.

    Manual begins with the power that the controller gives just then.
    """

    def __init__(self, part: Part[ControllerInfo]) -> None:
        super().__init__(part, key="mode")
        self._attr_translation_key = "mode" if part.plain else "mode_named"
        self._attr_translation_placeholders = {"name": part.name}
        can = [mode for mode in MODES if mode != MANUAL or part.info.heater is not None]
        self._attr_options = [*can, AUTOTUNE] if part.info.tunable else can

    @property
    @override
    def current_option(self) -> str | None:
        mode = self._controller.mode if self._controller is not None else None
        return mode if mode in self.options else None

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        return {"node": self.coordinator.node_id}

    @override
    async def async_select_option(self, option: str) -> None:
        commands, now = self.coordinator.commands, self._controller
        if option == AUTOTUNE:
            await commands.controller(self.controller_id, autotune="start")
        elif option == MANUAL:
            power = now.power if now is not None and now.power is not None else 0.0
            await commands.controller(self.controller_id, mode=MANUAL, power=power)
        else:
            await commands.controller(self.controller_id, mode=option)

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        return None, (self.available, self.current_option)
