"""What each node last said of itself, kept over restarts.

Set-up waits for no node: channels and kettles come from here, so that a node that is off has its
entities, and a node that comes back changed is noticed.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN, LOGGER
from .models import NodeInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

STORAGE_VERSION = 1
SAVE_DELAY = 5.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which kettles a node serves (id to name), and which channel belongs to which."""

    kettles: Mapping[str, str]
    channels: Mapping[str, str | None]

    @classmethod
    def of(cls, info: NodeInfo) -> Layout:
        """The layout a node tells."""
        return cls(
            kettles={kettle.kettle_id: kettle.name for kettle in info.kettles},
            channels={channel.channel_id: channel.kettle_id for channel in info.channels},
        )

    def contradicts(self, known: Layout) -> bool:
        """Whether a known kettle is gone or a known channel has moved; more of them is fine."""
        return not known.kettles.keys() <= self.kettles.keys() or any(
            self.channels[channel] != kettle
            for channel, kettle in known.channels.items()
            if channel in self.channels
        )

    def describe(self) -> str:
        """The kettles and their channels, for a person to compare."""
        parts = []
        for kettle in sorted(self.kettles):
            channels = sorted(c for c, owner in self.channels.items() if owner == kettle)
            parts.append(f"{kettle} ({', '.join(channels)})" if channels else kettle)
        return "; ".join(parts) or "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """What is remembered of a node; `layout` is the one a person has last agreed to."""

    info: NodeInfo
    layout: Layout
    spool_id: str
    clock_steps: int


class NodeCache:
    """The records of all nodes, in one file of Home Assistant's storage, written on change."""

    def __init__(self, hass: HomeAssistant) -> None:
        self._store: Store[dict[str, Any]] = Store(hass, STORAGE_VERSION, f"{DOMAIN}.nodes")
        self._records: dict[str, NodeRecord] = {}

    async def async_load(self) -> None:
        """Read the file; a record that is no longer understood is left out and learnt again."""
        for node_id, data in (await self._store.async_load() or {}).items():
            try:
                self._records[node_id] = _decode(data)
            except (ValueError, KeyError, TypeError, AttributeError) as err:
                LOGGER.warning("What was remembered of node %s is unreadable: %s", node_id, err)

    def get(self, node_id: str) -> NodeRecord | None:
        """What is remembered of a node."""
        return self._records.get(node_id)

    @callback
    def async_put(self, node_id: str, record: NodeRecord) -> None:
        """Remember a node; written only when its config, layout, spool or clock is another."""
        old = self._records.get(node_id)
        self._records[node_id] = record
        if old is None or _essence(old) != _essence(record):
            self._store.async_delay_save(self._data, SAVE_DELAY)

    @callback
    def async_forget(self, node_id: str) -> None:
        """Forget a node that was removed."""
        if self._records.pop(node_id, None) is not None:
            self._store.async_delay_save(self._data, SAVE_DELAY)

    async def async_remove(self) -> None:
        """Forget all nodes and delete the file."""
        self._records.clear()
        await self._store.async_remove()

    @callback
    def _data(self) -> dict[str, Any]:
        return {
            node_id: {
                "info": record.info.raw,
                "kettles": dict(record.layout.kettles),
                "channels": dict(record.layout.channels),
                "spool_id": record.spool_id,
                "clock_steps": record.clock_steps,
            }
            for node_id, record in self._records.items()
        }


CACHE: HassKey[NodeCache] = HassKey(f"{DOMAIN}_node_cache")


async def async_node_cache(hass: HomeAssistant) -> NodeCache:
    """The one of this start of Home Assistant: what is not on the disk yet outlives a reload."""
    if CACHE not in hass.data:
        cache = NodeCache(hass)
        await cache.async_load()
        hass.data[CACHE] = cache
    return hass.data[CACHE]


def _essence(record: NodeRecord) -> NodeRecord:
    """The record without what changes by the minute."""
    info = record.info
    return replace(
        record,
        info=replace(info, raw={}, boot_id="", spool=replace(info.spool, **_NO_BOUNDS)),
    )


_NO_BOUNDS: dict[str, Any] = {
    "first_seq": 0,
    "last_seq": 0,
    "holes": (),
    "rows": None,
    "size": None,
}


def _decode(data: Mapping[str, Any]) -> NodeRecord:
    return NodeRecord(
        info=NodeInfo.parse(data["info"]),
        layout=Layout(kettles=dict(data["kettles"]), channels=dict(data["channels"])),
        spool_id=str(data["spool_id"]),
        clock_steps=int(data["clock_steps"]),
    )
