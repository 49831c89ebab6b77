"""The trigger on a kettle's temperature, evaluated on samples rather than on states."""

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, override

import probatio
from homeassistant.const import (
    ATTR_DEVICE_ID,
    CONF_FOR,
    CONF_UNIT_OF_MEASUREMENT,
    UnitOfTemperature,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.event import async_call_later
from homeassistant.util.unit_conversion import TemperatureConverter

from .brewery_watch import async_brewery
from .trigger_base import BreweryTrigger
from .trigger_memory import LimitWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeassistant.helpers.trigger import TriggerConfig

    from .coordinator import SmartBeerData
    from .kettle import KettleCoordinator
    from .trigger_base import Options, Payload

CONF_DIRECTION: Final = "direction"
CONF_HYSTERESIS: Final = "hysteresis"
CONF_VALUE: Final = "value"
DIRECTIONS: Final = ("above", "below")
CELSIUS: Final = UnitOfTemperature.CELSIUS
UNITS: Final = (CELSIUS, UnitOfTemperature.FAHRENHEIT)
# More than a probe's step and noise, less than anybody waits for.
HYSTERESIS_K: Final = 0.2


class LimitCrossedTrigger(BreweryTrigger):
    """A kettle's temperature, as its probes agree on it, crossed a limit and stayed beyond it."""

    options: ClassVar[Options] = {
        probatio.Required(ATTR_DEVICE_ID): probatio.All(cv.ensure_list, probatio.Length(min=1)),
        probatio.Required(CONF_DIRECTION): probatio.In(DIRECTIONS),
        probatio.Required(CONF_VALUE): probatio.Coerce(float),
        probatio.Optional(CONF_UNIT_OF_MEASUREMENT): probatio.In(UNITS),
        probatio.Optional(CONF_HYSTERESIS): probatio.All(
            probatio.Coerce(float), probatio.Range(min=0, max=50)
        ),
        probatio.Optional(CONF_FOR, default=timedelta): cv.positive_time_period,
    }

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Take the options, checked."""
        super().__init__(hass, config)
        self._unit: str = self.options_given.get(
            CONF_UNIT_OF_MEASUREMENT, hass.config.units.temperature_unit
        )
        self._watches: dict[str, LimitWatch] = {}
        self._timers: dict[str, Callable[[], None]] = {}
        self._seen: dict[str, KettleCoordinator] = {}

    @override
    def look(self, data: SmartBeerData) -> None:
        for kettle in self.chosen(data):
            self._look_at(kettle)
        for kettle_id in self._watches.keys() - data.kettles.keys():
            self._forget_timer(kettle_id)

    def _look_at(self, kettle: KettleCoordinator) -> None:
        kettle_id, now = kettle.kettle_id, time.monotonic()
        watch = self._watches.setdefault(kettle_id, self._watch())
        if self._seen.get(kettle_id) is not kettle:
            watch.look(None, now)  # after a reload: nobody has looked in the meantime
            self._seen[kettle_id] = kettle
        fused = kettle.data.temperature
        value = None if fused is None else fused.value
        pending = watch.due
        if watch.look(value, now) and value is not None:
            shown = round(TemperatureConverter.convert(value, CELSIUS, self._unit), 2)
            self.run(
                kettle,
                self._sentence(),
                temperature=shown,
                **{CONF_UNIT_OF_MEASUREMENT: self._unit, **self._limit()},
            )
        if watch.due != pending:
            self._forget_timer(kettle_id)
            if watch.due is not None:
                self._timers[kettle_id] = async_call_later(
                    self._hass, watch.due - now, self._timer(kettle_id)
                )

    def _sentence(self) -> str:
        given = self.options_given
        return f"temperature {given[CONF_DIRECTION]} {given[CONF_VALUE]:g} {self._unit}"

    def _limit(self) -> Payload:
        return {key: self.options_given[key] for key in (CONF_DIRECTION, CONF_VALUE)}

    def _timer(self, kettle_id: str) -> Callable[[datetime], None]:
        @callback
        def due(_now: datetime) -> None:
            self._timers.pop(kettle_id, None)
            data = async_brewery(self._hass)
            kettle = None if data is None else data.kettles.get(kettle_id)
            if kettle is None:
                self._watches[kettle_id].look(None, time.monotonic())
            else:
                self._look_at(kettle)

        return due

    def _watch(self) -> LimitWatch:
        """A watch in the unit of the samples, °C."""
        hysteresis = HYSTERESIS_K
        if (given := self.options_given.get(CONF_HYSTERESIS)) is not None:
            hysteresis = TemperatureConverter.convert_interval(given, self._unit, CELSIUS)
        return LimitWatch(
            limit=TemperatureConverter.convert(self.options_given[CONF_VALUE], self._unit, CELSIUS),
            above=self.options_given[CONF_DIRECTION] == DIRECTIONS[0],
            hysteresis=hysteresis,
            for_s=self.options_given[CONF_FOR].total_seconds(),
        )

    def _forget_timer(self, kettle_id: str) -> None:
        if (cancel := self._timers.pop(kettle_id, None)) is not None:
            cancel()

    @override
    def detached(self) -> None:
        for kettle_id in list(self._timers):
            self._forget_timer(kettle_id)
