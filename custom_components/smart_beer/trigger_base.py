"""What the triggers have in common: they follow the brewery, also over a reload of its entry."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final, override

import probatio
from homeassistant.const import ATTR_DEVICE_ID, CONF_OPTIONS
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.trigger import Trigger, TriggerConfig

from .brewery_watch import BreweryWatch
from .kettle_devices import chosen_kettle_id, device_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from homeassistant.core import CALLBACK_TYPE
    from homeassistant.helpers.trigger import (
        TriggerActionRunner,
        TriggerNotTriggeredReporter,
    )
    from homeassistant.helpers.typing import ConfigType
    from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

    from .coordinator import SmartBeerData
    from .kettle import KettleCoordinator

type Options = dict[probatio.Marker, Any]
type Payload = dict[str, Any]
type Fire = Callable[[Payload, str], Any]

KETTLES: Final[Options] = {probatio.Optional(ATTR_DEVICE_ID, default=list): cv.ensure_list}


class BreweryTrigger(Trigger):
    """What the triggers have in common: they look whenever something that concerns them changes."""

    options: ClassVar[Options] = KETTLES

    @classmethod
    @override
    async def async_validate_config(cls, hass: HomeAssistant, config: ConfigType) -> ConfigType:
        """Check the options, and that its devices are kettles."""
        schema = probatio.Schema({probatio.Optional(CONF_OPTIONS, default=dict): cls.options})
        config = schema(config)
        for device_id in config[CONF_OPTIONS][ATTR_DEVICE_ID]:
            chosen_kettle_id(hass, device_id)
        return config

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Take the options, checked."""
        super().__init__(hass, config)
        assert config.options is not None
        self.options_given = config.options
        self.fire: Fire | None = None

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        """Look until it is detached."""
        self.fire = run_action
        self.kettles = {
            chosen_kettle_id(self._hass, device_id)
            for device_id in self.options_given[ATTR_DEVICE_ID]
        }
        watch = BreweryWatch(self._hass, select=self.select, on_change=self.look)
        watch.start()

        @callback
        def detach() -> None:
            watch.stop()
            self.detached()

        return detach

    @abstractmethod
    def look(self, data: SmartBeerData) -> None:
        """Compare with what was, and fire."""

    def select(self, data: SmartBeerData) -> Iterable[DataUpdateCoordinator[Any]]:
        """Whose changes matter."""
        return self.chosen(data)

    def detached(self) -> None:
        """Let go of what is pending."""

    def chosen(self, data: SmartBeerData) -> Iterator[KettleCoordinator]:
        """The kettles it is about: those that were named, or all."""
        for kettle_id, kettle in sorted(data.kettles.items()):
            if not self.kettles or kettle_id in self.kettles:
                yield kettle

    def run(self, kettle: KettleCoordinator, what: str, **payload: Any) -> None:  # noqa: ANN401
        """Run the action."""
        assert self.fire is not None
        about = {
            "kettle_id": kettle.kettle_id,
            "kettle": kettle.kettle_name,
            ATTR_DEVICE_ID: device_id_of(self._hass, kettle),
        }
        self.fire({**about, **payload}, f"{kettle.kettle_name}: {what}")
