"""One coordinator per kettle. It does no I/O: it listens to the coordinators of its nodes."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, override

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .const import LOGGER
from .readings import FRESH_S
from .voting import Fused, Probe, fuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .coordinator import NodeCoordinator, SmartBeerConfigEntry
    from .models import ChannelInfo

# How far good probes of one kettle may lie apart. Mash is stirred unevenly: a kelvin is usual.
LIMITS = {"temperature": 2.0, "pressure": 10.0, "co2": 0.3}  # K, kPa, volumes
OFFLINE = "offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class KettleData:
    """What a kettle's entities show; a quantity that no channel of it measures is None.

    `available` while one of the kettle's nodes is connected.
    """

    available: bool
    temperature: Fused | None
    pressure: Fused | None
    co2: Fused | None
    batch: str | None

    def quantity(self, kind: str) -> Fused | None:
        """The quantity of a kind of channel: `temperature`, `pressure` or `co2`."""
        return {
            "temperature": self.temperature,
            "pressure": self.pressure,
            "co2": self.co2,
        }.get(kind)


class KettleCoordinator(DataUpdateCoordinator[KettleData]):
    """Fuses what the nodes of one kettle say."""

    config_entry: SmartBeerConfigEntry

    def __init__(self, hass: HomeAssistant, entry: SmartBeerConfigEntry, kettle_id: str) -> None:
        super().__init__(
            hass, LOGGER, config_entry=entry, name=f"kettle {kettle_id}", update_interval=None
        )
        self.kettle_id = kettle_id
        self.nodes: tuple[NodeCoordinator, ...] = ()
        self._unsubscribe: list[Callable[[], None]] = []
        self.data = self._compute()

    @property
    def kettle_name(self) -> str:
        """What its nodes call the kettle; a connected one has the last word."""
        for node in sorted(self.nodes, key=lambda node: not node.connected):
            if name := node.layout.kettles.get(self.kettle_id):
                return name
        return self.kettle_id

    @callback
    def async_set_nodes(self, nodes: Iterable[NodeCoordinator]) -> None:
        """Listen to these nodes, and to no others."""
        self.async_close()
        self.nodes = tuple(nodes)
        self._unsubscribe = [node.async_add_listener(self._update) for node in self.nodes]
        self._update()

    @callback
    def async_close(self) -> None:
        """Stop listening."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe = []

    def measures(self, kind: str) -> bool:
        """Whether a channel of the kettle is of this kind."""
        return self.data.quantity(kind) is not None

    @override
    async def _async_update_data(self) -> KettleData:
        """A refresh asked for by hand."""
        return self._compute()

    @callback
    def _update(self) -> None:
        if (data := self._compute()) != self.data:
            self.async_set_updated_data(data)

    def _compute(self) -> KettleData:
        batches = [
            node.data.state.batches.get(self.kettle_id)
            for node in self.nodes
            if node.connected and node.data.state is not None
        ]
        return KettleData(
            available=any(node.connected for node in self.nodes),
            temperature=self._fuse("temperature"),
            pressure=self._fuse("pressure"),
            co2=self._fuse("co2"),
            batch=next((batch for batch in batches if batch is not None), None),
        )

    def _fuse(self, kind: str) -> Fused | None:
        """Fuse the channels of a kind; only temperature knows probes that are not in the kettle."""
        now = time.monotonic()
        probes = [
            _probe(node, channel, now)
            for node in self.nodes
            for channel in (node.info.channels if node.info else ())
            if channel.kind == kind
            and node.layout.channels.get(channel.channel_id) == self.kettle_id
            and (kind != "temperature" or channel.role == "process")
        ]
        return fuse(probes, limit=LIMITS[kind], max_age=FRESH_S) if probes else None


def _probe(node: NodeCoordinator, channel: ChannelInfo, now: float) -> Probe:
    series = f"{node.node_id}/{channel.channel_id}"
    if not node.connected:
        return Probe(series=series, value=None, quality=OFFLINE, age=0)
    if node.problem is not None:
        # The node tells of other kettles than were agreed to: it may not be in this one any more.
        return Probe(series=series, value=None, quality=node.problem, age=0)
    reading = node.reading(channel.channel_id)
    if reading is None:
        return Probe(series=series, value=None, quality="bad:missing", age=0)
    return Probe(
        series=series, value=reading.value, quality=reading.quality, age=now - reading.arrived
    )
