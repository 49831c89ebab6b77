"""Conditions: whether this Home Assistant leads, whether a kettle is heated or latched.

What is not known is neither: a condition then fails with an error, also under `not`. That this
server does not lead is always known.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Final, Unpack, override

import probatio
from homeassistant.const import ATTR_DEVICE_ID, CONF_OPTIONS
from homeassistant.exceptions import ConditionErrorMessage
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.condition import (
    ATTR_BEHAVIOR,
    BEHAVIOR_ALL,
    BEHAVIOR_ANY,
    Condition,
    ConditionCheckParams,
    ConditionConfig,
)

from .brewery_watch import async_brewery
from .const import DOMAIN
from .kettle_devices import chosen_kettle_id, latches_of

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.typing import ConfigType

    from .coordinator import SmartBeerData
    from .kettle import KettleCoordinator

HEATER: Final = "heater"

_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(CONF_OPTIONS, default=dict): {
            probatio.Optional(ATTR_DEVICE_ID, default=list): cv.ensure_list,
            probatio.Optional(ATTR_BEHAVIOR, default=BEHAVIOR_ANY): probatio.In(
                [BEHAVIOR_ANY, BEHAVIOR_ALL]
            ),
        }
    }
)


class KettleCondition(Condition):
    """Something that is so of any, or of all, of some kettles."""

    @classmethod
    @override
    async def async_validate_config(cls, hass: HomeAssistant, config: ConfigType) -> ConfigType:
        """Check the options, and that its devices are kettles."""
        config = _SCHEMA(config)
        for device_id in config[CONF_OPTIONS][ATTR_DEVICE_ID]:
            chosen_kettle_id(hass, device_id)
        return config

    def __init__(self, hass: HomeAssistant, config: ConditionConfig) -> None:
        """Take the options, checked."""
        super().__init__(hass, config)
        assert config.options is not None
        self._devices: list[str] = config.options[ATTR_DEVICE_ID]
        self._all = config.options[ATTR_BEHAVIOR] == BEHAVIOR_ALL

    @override
    def _async_check(self, **kwargs: Unpack[ConditionCheckParams]) -> bool:
        """Whether it is so; ConditionError where that is not known."""
        answer = self._answer(async_brewery(self._hass))
        if answer is None:
            raise ConditionErrorMessage(
                DOMAIN, "no node that could tell answers, or the brewery is not loaded"
            )
        return answer

    def _answer(self, data: SmartBeerData | None) -> bool | None:
        """Whether it is so of any, or all, of the kettles named (or there are); None: unknown."""
        if data is None:
            return None
        if self._devices:
            chosen = {chosen_kettle_id(self._hass, device_id) for device_id in self._devices}
        else:
            chosen = set(data.kettles)
        kettles = [data.kettles.get(kettle_id) for kettle_id in sorted(chosen)]
        answers = {None if kettle is None else self._holds(kettle) for kettle in kettles}
        settling = not self._all  # one such answer is enough
        if settling in answers:
            return settling
        return None if None in answers or not answers else not settling

    @abstractmethod
    def _holds(self, kettle: KettleCoordinator) -> bool | None:
        """Whether it is so of this kettle; None: that is not known."""


class IsLeaderCondition(KettleCondition):
    """Whether this Home Assistant leads the kettles, or, if none is named, the brewery.

    The brewery's leader is the leader of its first kettle, by id, that has one.
    """

    @override
    def _answer(self, data: SmartBeerData | None) -> bool:
        if data is None or self._devices:
            return super()._answer(data) or False
        kettle = data.led_first
        return kettle is not None and kettle.data.leading

    @override
    def _holds(self, kettle: KettleCoordinator) -> bool:
        return kettle.data.leading


class IsHeatingCondition(KettleCondition):
    """A heater of the kettles is on, as its node says."""

    @override
    def _holds(self, kettle: KettleCoordinator) -> bool | None:
        known = True
        for node in kettle.nodes:
            heaters = [
                actuator.actuator_id
                for actuator in (node.info.actuators if node.info else ())
                if actuator.kind == HEATER and actuator.kettle_id == kettle.kettle_id
            ]
            state = node.state if node.connected else None
            if state is None:
                known = known and node.info is not None and not heaters
            elif any(
                one.actual > 0 for name in heaters if (one := state.actuators.get(name)) is not None
            ):
                return True
        return False if known else None


class IsLatchedCondition(KettleCondition):
    """The heat of the kettles is latched off at a node, until somebody clears it."""

    @override
    def _holds(self, kettle: KettleCoordinator) -> bool | None:
        known = True
        for node in kettle.nodes:
            latches = latches_of(kettle, node)
            if latches:
                return True
            known = known and latches is not None
        return False if known else None


CONDITIONS: Final[dict[str, type[Condition]]] = {
    "is_heating": IsHeatingCondition,
    "is_latched": IsLatchedCondition,
    "is_leader": IsLeaderCondition,
}


async def async_get_conditions(hass: HomeAssistant) -> dict[str, type[Condition]]:  # noqa: ARG001
    """The conditions, by their key."""
    return CONDITIONS
