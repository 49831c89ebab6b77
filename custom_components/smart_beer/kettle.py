"""One coordinator per kettle. It does no I/O: it listens to the coordinators of its nodes."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, override

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .const import LOGGER
from .readings import FRESH_S
from .voting import DISAGREE, Fused, Probe, fuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .client import SmartBeerClient
    from .coordinator import NodeCoordinator, SmartBeerConfigEntry
    from .leadership import KettleLeadership
    from .leaderships import Leaderships
    from .models import Alarm, ChannelInfo, Latch

# How far good probes of one kettle may lie apart. Mash is stirred unevenly: a kelvin is usual.
LIMITS = {"temperature": 2.0, "pressure": 10.0, "co2": 0.3}  # K, kPa, volumes
OFFLINE = "offline"
# A node counts a reference's age from its own stamp, up to a renewal ago: what is older than that
# must not be in it.
REFERENCE_AGE_S = 2.5
MOST_PROBES = 16  # that a node takes


@dataclass(frozen=True, slots=True, kw_only=True)
class KettleData:
    """What a kettle's entities show; a quantity that no channel of it measures is None.

    `available` while one of the kettle's nodes is connected; `heard` are those of its nodes that
    say how they are. `leading`: this server may command it; `leader` is who may, as
    `KettleLeadership.leader`. `latches` (of this kettle) and `alarms` (of its nodes) come with the
    id of their node; `interlocks` (of this kettle) by node id and interlock id: closed, open, or
    None for unknown. `limited`: node, output and permit of every output that a permit keeps from
    what it should be.
    """

    available: bool
    temperature: Fused | None
    pressure: Fused | None
    co2: Fused | None
    batch: str | None
    heard: tuple[str, ...] = ()
    leading: bool = False
    leader: str | None = None
    latches: tuple[tuple[str, Latch], ...] = ()
    limited: tuple[tuple[str, str, str], ...] = ()
    alarms: tuple[tuple[str, Alarm], ...] = ()
    interlocks: Mapping[tuple[str, str], bool | None] = field(default_factory=dict)

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
        self.leadership: KettleLeadership | None = None
        self._stop_following: Callable[[], None] = _nothing
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
    def async_lead(self, leaderships: Leaderships) -> None:
        """Contend for the kettle with the nodes that its nodes say serve it."""
        members = self._group()
        if self.leadership is None:
            self.leadership = leaderships.async_get(self.kettle_id, members)
            self._stop_following = self.leadership.async_add_listener(self._update)
        self.leadership.async_attach(
            members=members, client=self._client, reference=self._reference
        )
        self._update()

    @callback
    def async_close(self) -> None:
        """Stop listening to nodes."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe = []

    @callback
    def async_end(self) -> None:
        """Listen to nobody any more, and let the leadership rest."""
        self.async_close()
        self._stop_following()

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
        states = [
            (node.node_id, node.data.state)
            for node in self.nodes
            if node.connected and node.data.state is not None
        ]
        return KettleData(
            available=any(node.connected for node in self.nodes),
            temperature=self._fuse("temperature"),
            pressure=self._fuse("pressure"),
            co2=self._fuse("co2"),
            batch=next(
                (batch for _, state in states if (batch := state.batches.get(self.kettle_id))), None
            ),
            heard=tuple(node_id for node_id, _ in states),
            leading=self.leadership is not None and self.leadership.leads,
            leader=None if self.leadership is None else self.leadership.leader,
            latches=tuple(
                (node_id, latch)
                for node_id, state in states
                for latch in state.latches
                if latch.kettle_id == self.kettle_id
            ),
            limited=tuple(
                (node.node_id, one.actuator_id, now.limited_by)
                for node in self.nodes
                if node.connected and node.data.state is not None and node.info is not None
                for one in node.info.actuators
                if one.kettle_id == self.kettle_id
                and (now := node.data.state.actuators.get(one.actuator_id)) is not None
                and now.limited_by is not None
            ),
            alarms=tuple((node_id, alarm) for node_id, state in states for alarm in state.alarms),
            interlocks={
                (node.node_id, one.interlock_id): node.data.state.interlocks.get(one.interlock_id)
                for node in self.nodes
                if node.connected and node.data.state is not None and node.info is not None
                for one in node.info.interlocks
                if one.kettle_id == self.kettle_id
            },
        )

    def _group(self) -> tuple[str, ...]:
        """The nodes that serve the kettle, as most of its nodes list them.

        Nodes that list others are heard, too: then `members_agree` is False, and nobody leads.
        """
        groups = Counter(
            tuple(sorted(info.group))
            for node in self.nodes
            if node.info is not None and (info := node.info.kettle(self.kettle_id)) and info.group
        )
        if not groups:
            return tuple(sorted(node.node_id for node in self.nodes))
        return max(sorted(groups), key=groups.__getitem__)

    def _client(self, node_id: str) -> SmartBeerClient | None:
        """The way to a node; None if it is not here, or needs a person first."""
        for node in self.nodes:
            if node.node_id == node_id and node.problem is None:
                return node.client
        return None

    def _reference(self) -> Mapping[str, Any] | None:
        """The kettle's temperature as its nodes shall know it: of probes that were just heard.

        Probes that contradict each other are told too, without a value: no node may then heat by
        its own, whichever is right.
        """
        fused = self._fuse("temperature", max_age=REFERENCE_AGE_S)
        if fused is None:
            return None
        now = int(time.time() * 1000)
        if fused.value is None:
            apart = sorted(series for series, why in fused.left_out.items() if why == DISAGREE)
            return {"value": None, "t": now, "probes": apart[:MOST_PROBES]} if apart else None
        if not -60 <= fused.value <= 160:
            return None
        probes = list(fused.probes[:MOST_PROBES])
        return {"value": round(fused.value, 4), "t": now, "probes": probes}

    def _fuse(self, kind: str, *, max_age: float = FRESH_S) -> Fused | None:
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
        return fuse(probes, limit=LIMITS[kind], max_age=max_age) if probes else None


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


def _nothing() -> None:
    """Nobody is followed yet."""
