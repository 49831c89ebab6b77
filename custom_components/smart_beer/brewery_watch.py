"""Following nodes and kettles as they come and go, also over a reload of the entry."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval

from .const import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

    from .coordinator import SmartBeerData

# Nodes are added and entries reloaded by people: nobody notices two seconds.
LOOK_EVERY: Final = timedelta(seconds=2)


@callback
def async_brewery(hass: HomeAssistant) -> SmartBeerData | None:
    """What runs of the brewery; None while it is not loaded."""
    for entry in hass.config_entries.async_loaded_entries(DOMAIN):
        data: SmartBeerData = entry.runtime_data
        return data
    return None


class BreweryWatch:
    """Calls `on_change(data)` at every change of a coordinator that `select` names.

    Also every two seconds, changed or not; never while the brewery is not loaded.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        select: Callable[[SmartBeerData], Iterable[DataUpdateCoordinator[Any]]],
        on_change: Callable[[SmartBeerData], None],
    ) -> None:
        self._hass = hass
        self._select = select
        self._on_change = on_change
        self._listening: dict[DataUpdateCoordinator[Any], Callable[[], None]] = {}
        self._stop_timer: Callable[[], None] | None = None

    @callback
    def start(self) -> None:
        """Look now, and from now on."""
        self._stop_timer = async_track_time_interval(
            self._hass, self._look, LOOK_EVERY, cancel_on_shutdown=True
        )
        self._look()

    @callback
    def stop(self) -> None:
        """Let go of everything; calling it twice is fine."""
        if self._stop_timer is not None:
            self._stop_timer()
            self._stop_timer = None
        self._listen_to(())

    @callback
    def _look(self, _now: datetime | None = None) -> None:
        data = async_brewery(self._hass)
        self._listen_to(() if data is None else self._select(data))
        self._changed()

    @callback
    def _listen_to(self, coordinators: Iterable[DataUpdateCoordinator[Any]]) -> None:
        wanted = set(coordinators)
        for coordinator in self._listening.keys() - wanted:
            self._listening.pop(coordinator)()
        for coordinator in wanted - self._listening.keys():
            self._listening[coordinator] = coordinator.async_add_listener(self._changed)

    @callback
    def _changed(self) -> None:
        if (data := async_brewery(self._hass)) is not None:
            self._on_change(data)
