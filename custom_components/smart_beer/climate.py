"""Climate: one thermostat per controller, the first of a kettle being the kettle itself."""

from typing import TYPE_CHECKING, Any, override

from homeassistant.components.climate import (
    ATTR_HVAC_MODE,
    ClimateEntity,
    ClimateEntityFeature,
    HVACAction,
    HVACMode,
)
from homeassistant.const import ATTR_TEMPERATURE, UnitOfTemperature

from .dynamic import async_follow
from .kettle_part import ControllerPart, controllers

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

    from .coordinator import SmartBeerConfigEntry
    from .kettle_part import Part
    from .models import ActuatorState, ControllerInfo

PARALLEL_UPDATES = 0

AUTO = "auto"
OFF = "off"
STEP_K = 0.1
# Power follows every reading; beside a temperature nobody reads it closer than this.
POWER_STEP = 5.0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SmartBeerConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add a thermostat for every controller, now and as they come."""

    def make() -> Iterator[KettleClimate]:
        for part in controllers(entry.runtime_data):
            yield KettleClimate(part)

    async_follow(hass, entry, async_add_entities, make)


class KettleClimate(ControllerPart, ClimateEntity):
    """A controller as a thermostat: off, or on (heat, cool or both, as it is able to).

    Setting a temperature alone keeps the mode: what is off stays off, and the node remembers the
    setpoint. While the node has no setpoint yet, the end of the range that asks for least is
    shown (the middle, of what heats and cools): a card needs a number to start from, and what it
    shows when it is switched on is what is asked for.
    """

    _unrecorded_attributes = frozenset({"actual", "autotune", "desired", "power"})
    _attr_native_temperature_unit = UnitOfTemperature.CELSIUS
    _attr_precision = STEP_K
    _attr_supported_features = (
        ClimateEntityFeature.TARGET_TEMPERATURE
        | ClimateEntityFeature.TURN_OFF
        | ClimateEntityFeature.TURN_ON
    )
    _attr_target_temperature_step = STEP_K
    _attr_translation_key = "controller"

    def __init__(self, part: Part[ControllerInfo]) -> None:
        super().__init__(part, step=STEP_K)
        self._kettle = part.kettle
        if part.plain:
            self._attr_name = None
        self._attr_translation_placeholders = {"name": part.name}
        info = part.info
        self._on = (
            HVACMode.HEAT_COOL
            if info.heater and info.cooler
            else HVACMode.HEAT
            if info.heater
            else HVACMode.COOL
        )
        self._attr_hvac_modes = [HVACMode.OFF, self._on]

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        # The kettle's own temperature stands in for what the controller does not know.
        self.async_on_remove(self._kettle.async_add_listener(self._handle_coordinator_update))

    @override
    def _sources(self) -> tuple[object, ...]:
        return *super()._sources(), self._kettle.data.temperature

    @property
    @override
    def min_temp(self) -> float:
        return self._info.low

    @property
    @override
    def max_temp(self) -> float:
        return self._info.high

    @property
    @override
    def native_current_temperature(self) -> float | None:
        if self._controller is not None and self._controller.process is not None:
            return self._controller.process
        fused = self._kettle.data.temperature
        return fused.value if fused else None

    @property
    @override
    def native_target_temperature(self) -> float:
        if self._controller is not None and self._controller.setpoint is not None:
            return self._controller.setpoint
        info = self._info
        if info.heater and info.cooler:
            return round((info.low + info.high) / 2, 1)
        return info.low if info.heater else info.high

    @property
    def _has_setpoint(self) -> bool:
        return self._controller is not None and self._controller.setpoint is not None

    @property
    @override
    def hvac_mode(self) -> HVACMode | None:
        if self._controller is None:
            return None
        return HVACMode.OFF if self._controller.mode == OFF else self._on

    @property
    @override
    def hvac_action(self) -> HVACAction | None:
        if self._controller is None:
            return None
        if _is_on(self._driven(self._info.heater)):
            return HVACAction.HEATING
        if _is_on(self._driven(self._info.cooler)):
            return HVACAction.COOLING
        return HVACAction.OFF if self._controller.mode == OFF else HVACAction.IDLE

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        now, driven = self._controller, self._outputs
        first = driven[0] if driven else None
        return {
            "mode": now.mode if now else None,
            "power": now.power if now else None,
            "desired": first.desired if first else None,
            "actual": first.actual if first else None,
            "limited_by": next((one.limited_by for one in driven if one.limited_by), None),
            "autotune": now.inner.get("autotune") if now else None,
            "node": self.coordinator.node_id,
        }

    @property
    def _outputs(self) -> list[ActuatorState]:
        """What its outputs are, the heater first."""
        driven = [self._driven(output_id) for output_id in self._info.outputs]
        return [one for one in driven if one is not None]

    @override
    async def async_set_hvac_mode(self, hvac_mode: HVACMode) -> None:
        if hvac_mode == HVACMode.OFF:
            await self._set(hvac_mode, None)
            return
        if not self._has_setpoint:
            # One that was set a moment ago may not be shown yet, and must not be overwritten.
            await self.coordinator.live.async_look()
        await self._set(hvac_mode, None if self._has_setpoint else self.native_target_temperature)

    @override
    async def async_set_temperature(self, **kwargs: Any) -> None:
        hvac_mode: HVACMode | None = kwargs.get(ATTR_HVAC_MODE)
        if hvac_mode is not None:
            self._valid_mode_or_raise("hvac", hvac_mode, self.hvac_modes)
        await self._set(hvac_mode, kwargs[ATTR_TEMPERATURE])

    @override
    async def async_turn_on(self) -> None:
        await self.async_set_hvac_mode(self._on)

    @override
    async def async_turn_off(self) -> None:
        await self.async_set_hvac_mode(HVACMode.OFF)

    async def _set(self, hvac_mode: HVACMode | None, setpoint: float | None) -> None:
        mode = None if hvac_mode is None else OFF if hvac_mode == HVACMode.OFF else AUTO
        await self.coordinator.commands.controller(self.controller_id, mode=mode, setpoint=setpoint)

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        now, driven = self._controller, self._outputs
        powers = [one.actual for one in driven] + [one.desired for one in driven]
        if now is not None and now.power is not None:
            powers.append(now.power)
        return self.native_current_temperature, (
            self.available,
            self.native_target_temperature,
            self.hvac_mode,
            self.hvac_action,
            self.min_temp,
            self.max_temp,
            now.mode if now else None,
            tuple(round(power / POWER_STEP) for power in powers),
            tuple(one.limited_by for one in driven),
            repr(now.inner.get("autotune")) if now else None,
        )


def _is_on(output: ActuatorState | None) -> bool:
    return output is not None and output.actual > 0
