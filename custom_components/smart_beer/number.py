"""Numbers: the power of an output, and a kettle's temperature limits for alarms."""

from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.components.number import NumberDeviceClass, NumberEntity, NumberMode
from homeassistant.const import PERCENTAGE, EntityCategory, UnitOfTemperature

from .dynamic import async_follow
from .entity import SmartBeerEntity
from .helpers import kettle_identifier, kettle_unique_id
from .kettle import KettleCoordinator
from .kettle_part import OutputPart, outputs
from .limits import HIGHEST, LOWEST, SIDES, Limits

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

    from .coordinator import SmartBeerConfigEntry
    from .kettle_part import Part
    from .limits import Side
    from .models import ActuatorInfo

PARALLEL_UPDATES = 0

POWER: Final = "power"
MANUAL: Final = "manual"


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SmartBeerConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the numbers of every kettle, now and as they come."""

    def make() -> Iterator[OutputPower | LimitNumber]:
        for part in outputs(entry.runtime_data):
            if part.info.control == POWER:
                yield OutputPower(part)
        for kettle in entry.runtime_data.kettles.values():
            if kettle.measures("temperature"):
                for side in SIDES:
                    yield LimitNumber(kettle, side)

    async_follow(hass, entry, async_add_entities, make)


class OutputPower(OutputPart, NumberEntity):
    """How much an output gives, percent; setting it takes it from its controller's hands.

    A heater with a controller is set through that, in its mode manual, so that going back to auto
    is smooth; 0 is off, for the controller too.
    """

    _attr_mode = NumberMode.SLIDER
    _attr_native_max_value = 100.0
    _attr_native_min_value = 0.0
    _attr_native_step = 1.0
    _attr_native_unit_of_measurement = PERCENTAGE

    def __init__(self, part: Part[ActuatorInfo]) -> None:
        super().__init__(part, key=POWER, step=1.0)
        self._attr_translation_key = f"{part.info.kind}_power" if part.plain else "power_named"
        self._attr_translation_placeholders = {"name": part.name}

    @property
    @override
    def native_value(self) -> float | None:
        return None if self._output is None else self._output.actual

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        output = self._output
        return {
            "desired": None if output is None else output.desired,
            "limited_by": None if output is None else output.limited_by,
            "node": self.coordinator.node_id,
        }

    @override
    async def async_set_native_value(self, value: float) -> None:
        commands = self.coordinator.commands
        info = self.coordinator.info
        controller_id = next(
            (
                controller.controller_id
                for controller in (info.controllers if info else ())
                if controller.heater == self.output_id
            ),
            None,
        )
        if value == 0 or controller_id is None:
            await commands.output(self.output_id, power=value)
        else:
            await commands.controller(controller_id, mode=MANUAL, power=value)

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        output = self._output
        if output is None:
            return None, (self.available,)
        # Off is off at once, however small the step to it was.
        beside = (output.actual > 0, round(output.desired), output.limited_by)
        return output.actual, (self.available, *beside)


class LimitNumber(SmartBeerEntity[KettleCoordinator], NumberEntity):
    """A kettle's limit for alarms; the end of the range, 150 °C or -30 °C, is no limit.

    It is kept in the entry's options, so that it goes with the configuration to another server.
    """

    _attr_device_class = NumberDeviceClass.TEMPERATURE
    _attr_entity_category = EntityCategory.CONFIG
    _attr_mode = NumberMode.BOX
    _attr_native_max_value = HIGHEST
    _attr_native_min_value = LOWEST
    _attr_native_step = 0.1
    _attr_native_unit_of_measurement = UnitOfTemperature.CELSIUS

    def __init__(self, kettle: KettleCoordinator, side: Side) -> None:
        key = f"limit_{side}"
        super().__init__(
            kettle, kettle_unique_id(kettle.kettle_id, key), kettle_identifier(kettle.kettle_id)
        )
        self._attr_translation_key = key
        self._side = side

    @property
    def _limits(self) -> Limits:
        entry = self.coordinator.config_entry
        return Limits.of(entry.options, self.coordinator.kettle_id)

    @property
    @override
    def available(self) -> bool:
        """It is Home Assistant's own: no node is needed for it."""
        return True

    @property
    @override
    def native_value(self) -> float:
        limit = self._limits.get(self._side)
        if limit is not None:
            return limit
        return HIGHEST if self._side == "high" else LOWEST

    @override
    async def async_set_native_value(self, value: float) -> None:
        kettle, entry = self.coordinator, self.coordinator.config_entry
        limits = self._limits.with_side(self._side, value)
        self.hass.config_entries.async_update_entry(
            entry, options=limits.into(entry.options, kettle.kettle_id)
        )
        # What watches the limits looks at them with the kettle's next word; a rest is as good.
        kettle.async_update_listeners()

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        return self.native_value, ()
