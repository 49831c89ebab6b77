"""Binary sensors: whether this server leads a kettle, and the site."""

from typing import TYPE_CHECKING, Any, override

from homeassistant.components.binary_sensor import BinarySensorEntity
from homeassistant.const import EntityCategory
from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from .entity import SmartBeerEntity
from .helpers import (
    BREWERY_IDENTIFIER,
    brewery_unique_id,
    kettle_identifier,
    kettle_unique_id,
    signal_changed,
)
from .kettle import KettleCoordinator

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from .coordinator import SmartBeerConfigEntry
    from .leadership import KettleLeadership


class KettleLeader(SmartBeerEntity[KettleCoordinator], BinarySensorEntity):
    """On while this server leads the kettle, and so may command it."""

    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_translation_key = "leader"
    _unrecorded_attributes = frozenset({"energise_in"})

    def __init__(self, kettle: KettleCoordinator) -> None:
        super().__init__(
            kettle,
            kettle_unique_id(kettle.kettle_id, "leader"),
            kettle_identifier(kettle.kettle_id),
        )
        self._leadership: KettleLeadership | None = None
        self._stop: Callable[[], None] | None = None

    @property
    @override
    def available(self) -> bool:
        """It tells of this server, whatever the nodes do."""
        return True

    @property
    @override
    def is_on(self) -> bool:
        return self.coordinator.data.leading

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        leadership = self.coordinator.leadership
        if leadership is None:
            return {"holder": None}
        wait = leadership.energise_in_s
        return {
            "holder": leadership.leader,
            "epoch": leadership.epoch,
            "energise_in": None if wait is None else round(wait),
            "members_ok": leadership.members_agree,
            "held": sorted(leadership.held),
        }

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        self.async_on_remove(self._let_go)
        self._follow()

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        self._follow()
        super()._handle_coordinator_update()

    def _follow(self) -> None:
        """Listen to the leadership that the kettle has now: it has more to tell."""
        leadership = self.coordinator.leadership
        if leadership is self._leadership:
            return
        self._let_go()
        if leadership is not None:
            self._leadership = leadership
            self._stop = leadership.async_add_listener(self._handle_coordinator_update)

    @callback
    def _let_go(self) -> None:
        if self._stop is not None:
            self._stop()
        self._leadership, self._stop = None, None

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        return None, (self.is_on, repr(self.extra_state_attributes))


class SiteLeader(BinarySensorEntity):
    """On while this server leads the first kettle, by id, that anybody leads."""

    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_has_entity_name = True
    _attr_should_poll = False
    _attr_translation_key = "site_leader"

    def __init__(self, entry: SmartBeerConfigEntry) -> None:
        self._entry = entry
        self._attr_unique_id = brewery_unique_id("site_leader")
        self._attr_device_info = DeviceInfo(identifiers={BREWERY_IDENTIFIER})
        self._listening: dict[KettleCoordinator, Callable[[], None]] = {}
        self._written: tuple[bool, str | None] | None = None

    @override
    async def async_added_to_hass(self) -> None:
        self.async_on_remove(
            async_dispatcher_connect(self.hass, signal_changed(self._entry), self._follow)
        )
        self.async_on_remove(self._let_go)
        self._follow()

    @callback
    def _follow(self) -> None:
        """Listen to the kettles that there are now."""
        kettles = set(self._entry.runtime_data.kettles.values())
        for kettle in self._listening.keys() - kettles:
            self._listening.pop(kettle)()
        for kettle in kettles - self._listening.keys():
            self._listening[kettle] = kettle.async_add_listener(self._look)
        self._look()

    @callback
    def _let_go(self) -> None:
        for stop in self._listening.values():
            stop()
        self._listening = {}

    @callback
    def _look(self) -> None:
        now = (self.is_on, self._kettle.kettle_id if self._kettle else None)
        if now != self._written:
            self._written = now
            self.async_write_ha_state()

    @property
    def _kettle(self) -> KettleCoordinator | None:
        return self._entry.runtime_data.led_first

    @property
    @override
    def is_on(self) -> bool:
        return self._kettle is not None and self._kettle.data.leading

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        kettle = self._kettle
        return {
            "kettle": kettle.kettle_id if kettle else None,
            "holder": kettle.data.leader if kettle else None,
        }
