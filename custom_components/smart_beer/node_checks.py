"""Whether a node is the one it should be, and what a person is told when it is not."""

from typing import TYPE_CHECKING

from homeassistant.core import HomeAssistant, callback

from . import repairs
from .const import LOGGER
from .exceptions import (
    FingerprintMismatchError,
    NodeAuthError,
    SmartBeerError,
    UnsupportedApiError,
)
from .node_cache import Layout, NodeCache, NodeRecord

if TYPE_CHECKING:
    from homeassistant.config_entries import ConfigEntry

    from .models import NodeInfo, NodeState

# Issues that end when the node answers as it should.
_PASSING = ("fingerprint_changed", "other_node", "api_too_new", "api_too_old")


class OtherNodeError(SmartBeerError):
    """Another node answers at the address; `found` is its id."""

    def __init__(self, message: str, *, found: str) -> None:
        super().__init__(message)
        self.found = found


class NodeChecks:
    """Compares one node with what is remembered of it.

    `problem` is what keeps the node from being used and needs a person: `auth`, `fingerprint`,
    `other_node`, `api_version`, `kettles_changed`, or None. `layout` is the agreed one.
    """

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, node_id: str, cache: NodeCache
    ) -> None:
        record = cache.get(node_id)
        self.problem: str | None = None
        self.layout = record.layout if record else Layout(kettles={}, channels={})
        self._hass = hass
        self._entry = entry
        self._node_id = node_id
        self._cache = cache
        self._lost: int | None = None

    @callback
    def async_failed(self, err: SmartBeerError) -> bool:
        """Judge why the node cannot be used; whether that needs a person.

        A node that is merely away keeps the problem it had: nothing says it is solved.
        """
        match err:
            case NodeAuthError():
                self.problem = "auth"
                self._clear_passing()
            case FingerprintMismatchError():
                self.problem = "fingerprint"
                self._clear_passing(but="fingerprint_changed")
                self._raise("fingerprint_changed")
            case OtherNodeError():
                self.problem = "other_node"
                self._clear_passing(but="other_node")
                self._raise("other_node", found=err.found)
            case UnsupportedApiError():
                self.problem = "api_version"
                self._clear_passing(but="api_too_new" if err.too_new else "api_too_old")
                self._raise("api_too_new" if err.too_new else "api_too_old", api=str(err.api))
            case _:
                return False
        return True

    @callback
    def async_passed(self, info: NodeInfo, *, stepped_ms: int | None = None) -> bool:
        """Take what a node says of itself that is the right one; whether its layout is another.

        `stepped_ms` is by how much its clock has moved against its monotonic one since the last
        look, where that is known.
        """
        self._clear_passing()
        record = self._cache.get(self._node_id)
        if record is not None and record.spool_id != info.spool.spool_id:
            LOGGER.warning("Node %s has a new spool: its card was replaced", self._node_id)
            self._raise("spool_replaced")
        if record is not None and info.clock.steps > record.clock_steps:
            moved = "?" if stepped_ms is None else f"{abs(stepped_ms) / 1000:.1f}"
            self._raise("clock_stepped", seconds=moved)
        told = Layout.of(info)
        agreed = self.layout
        if told.contradicts(agreed):
            self.problem = "kettles_changed"
            self._raise("kettles_changed", before=agreed.describe(), now=told.describe())
        else:
            self.problem = None
            self._clear("kettles_changed")
            self.layout = told
        self._remember(info)
        return record is None or self.layout != agreed or _shown(record.info) != _shown(info)

    @callback
    def async_accept(self, info: NodeInfo) -> None:
        """Agree to the layout the node has now."""
        self.layout = Layout.of(info)
        self.problem = None
        self._clear("kettles_changed")
        self._remember(info)

    @callback
    def async_disk(self, state: NodeState) -> None:
        """Tell of a disk so full that samples are lost; losing none since the last look ends it."""
        lost = state.health.spool_lost
        losing = self._lost is not None and lost > self._lost
        self._lost = lost
        if losing or any(alarm.alarm_id == "disk_full" for alarm in state.alarms):
            self._raise("node_disk_full", lost=str(lost))
        else:
            self._clear("node_disk_full")

    @callback
    def async_forget(self) -> None:
        """Forget the node, which was removed, and everything a person was told of it."""
        self._cache.async_forget(self._node_id)
        self._clear_passing()
        for key in ("kettles_changed", "spool_replaced", "clock_stepped", "node_disk_full"):
            self._clear(key)

    def _remember(self, info: NodeInfo) -> None:
        self._cache.async_put(
            self._node_id,
            NodeRecord(
                info=info,
                layout=self.layout,
                spool_id=info.spool.spool_id,
                clock_steps=info.clock.steps,
            ),
        )

    def _raise(self, key: str, **placeholders: str) -> None:
        repairs.async_raise(self._hass, self._entry, key, self._node_id, **placeholders)

    def _clear_passing(self, *, but: str | None = None) -> None:
        """Take back what no longer holds; raising what holds again keeps a person's "ignore"."""
        for key in _PASSING:
            if key != but:
                self._clear(key)

    def _clear(self, key: str) -> None:
        repairs.async_clear(self._hass, self._entry, key, self._node_id)


def _shown(info: NodeInfo) -> tuple[object, ...]:
    """What devices and entities are made of."""
    return (
        info.name,
        info.model,
        info.version,
        info.channels,
        info.kettles,
        info.actuators,
        info.controllers,
        info.interlocks,
    )
