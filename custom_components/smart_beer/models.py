"""What a node says, as frozen dataclasses, parsed with suspicion.

Every `parse` takes decoded JSON and raises `ValueError` with a sentence when something it needs
is missing or of the wrong kind. Unknown fields are ignored: a newer node may say more.
Times are UTC milliseconds unless a name says otherwise.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from .actuator_models import (
    ActuatorInfo,
    ActuatorState,
    Answer,
    ControllerInfo,
    ControllerState,
    InterlockInfo,
    Latch,
)
from .page import SamplesPage, parse_holes
from .parsing import (
    a_dict,
    a_list,
    a_str,
    an_int,
    maybe_float,
    maybe_int,
    maybe_str,
    objects,
    texts,
)
from .state_models import Alarm, ChannelReading, Health, NodeState

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "API_NEWEST",
    "API_OLDEST",
    "ActuatorInfo",
    "ActuatorState",
    "Alarm",
    "Answer",
    "ChannelInfo",
    "ChannelReading",
    "ClockInfo",
    "ControllerInfo",
    "ControllerState",
    "Health",
    "Identity",
    "InterlockInfo",
    "KettleInfo",
    "Latch",
    "NodeInfo",
    "NodeState",
    "PairedNode",
    "SamplesPage",
    "SpoolInfo",
]

API_OLDEST = 1
API_NEWEST = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`GET /v1/identity`: who answers, readable without a token."""

    node_id: str
    name: str
    kettles: tuple[KettleInfo, ...]
    model: str
    version: str
    fingerprint: str  # 64 lowercase hex digits
    pairing: bool
    api: int

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """An identity; ValueError when it is none."""
        node_id = a_str(data, "node_id")
        return cls(
            node_id=node_id,
            name=maybe_str(data, "name") or node_id,
            kettles=tuple(KettleInfo.parse(item) for item in objects(data, "kettles")),
            model=maybe_str(data, "model") or "",
            version=maybe_str(data, "version") or "",
            fingerprint=a_str(data, "fingerprint").lower(),
            pairing=data.get("pairing") is True,
            api=maybe_int(data, "api") or 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KettleInfo:
    """A kettle a node serves; `group` names all nodes that serve it (empty when not told).

    `high_limit`: above this temperature (°C) the node lets nothing heat it.
    """

    kettle_id: str
    name: str
    group: tuple[str, ...] = ()
    high_limit: float | None = None

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A kettle; ValueError when it is none."""
        kettle_id = a_str(data, "kettle_id")
        safety = data.get("safety")
        return cls(
            kettle_id=kettle_id,
            name=maybe_str(data, "kettle_name") or kettle_id,
            group=texts(data, "group"),
            high_limit=maybe_float(safety, "high_limit") if isinstance(safety, dict) else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelInfo:
    """One quantity on a node. `kind`: `temperature`, `pressure`, `co2` or one not known here."""

    channel_id: str
    name: str
    kettle_id: str | None
    kind: str
    role: str  # "process" | "auxiliary"
    unit: str
    device_class: str | None
    driver: str
    limits: tuple[float, float] | None

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A channel; ValueError when it is none."""
        channel_id = a_str(data, "id")
        limits = a_list(data, "limits") if data.get("limits") is not None else []
        low_high = [x for item in limits if (x := maybe_float({"": item}, "")) is not None]
        return cls(
            channel_id=channel_id,
            name=maybe_str(data, "name") or channel_id,
            kettle_id=maybe_str(data, "kettle_id"),
            kind=a_str(data, "kind"),
            role=maybe_str(data, "role") or "auxiliary",
            unit=maybe_str(data, "unit") or "",
            device_class=maybe_str(data, "device_class"),
            driver=maybe_str(data, "driver") or "",
            limits=(low_high[0], low_high[1]) if len(low_high) == 2 else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolInfo:
    """The bounds of a node's spool: the seqs it can serve, and what it takes on disk."""

    spool_id: str
    first_seq: int
    last_seq: int
    holes: tuple[tuple[int, int], ...] = ()
    rows: int | None = None
    size: int | None = None  # bytes
    max_size: int | None = None  # bytes

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Spool bounds; ValueError when they are none."""
        return cls(
            spool_id=a_str(data, "spool_id"),
            first_seq=an_int(data, "first_seq"),
            last_seq=an_int(data, "last_seq"),
            holes=tuple((low, high) for low, high in parse_holes(data)),
            rows=maybe_int(data, "rows"),
            size=maybe_int(data, "bytes"),
            max_size=maybe_int(data, "max_bytes"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockInfo:
    """Whether a node knows the time, from where, and how often its clock went backwards."""

    known: bool
    source: str | None
    steps: int

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A clock's state; ValueError when it is none."""
        return cls(
            known=data.get("known") is True,
            source=maybe_str(data, "source"),
            steps=maybe_int(data, "steps") or 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInfo:
    """`GET /v1/node`: what a node is and has; it changes only when its config does."""

    node_id: str
    name: str
    model: str
    api: int
    config_digest: str
    versions: Mapping[str, str]
    kettles: tuple[KettleInfo, ...]
    channels: tuple[ChannelInfo, ...]
    actuators: tuple[ActuatorInfo, ...]
    controllers: tuple[ControllerInfo, ...]
    interlocks: tuple[InterlockInfo, ...]
    spool: SpoolInfo
    clock: ClockInfo
    boot_id: str
    raw: Mapping[str, Any]  # as received, for the cache

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A node's description; ValueError when it is none."""
        node_id = a_str(data, "node_id")
        versions = a_dict(data, "versions") if "versions" in data else {}
        return cls(
            node_id=node_id,
            name=maybe_str(data, "name") or node_id,
            model=maybe_str(data, "model") or "",
            api=maybe_int(data, "api") or 0,
            config_digest=maybe_str(data, "config_digest") or "",
            versions={str(key): str(value) for key, value in versions.items()},
            kettles=tuple(KettleInfo.parse(item) for item in objects(data, "kettles")),
            channels=tuple(ChannelInfo.parse(item) for item in objects(data, "channels")),
            actuators=tuple(ActuatorInfo.parse(item) for item in objects(data, "actuators")),
            controllers=tuple(ControllerInfo.parse(item) for item in objects(data, "controllers")),
            interlocks=tuple(InterlockInfo.parse(item) for item in objects(data, "interlocks")),
            spool=SpoolInfo.parse(a_dict(data, "spool")),
            clock=ClockInfo.parse(a_dict(data, "clock")),
            boot_id=maybe_str(data, "boot_id") or "",
            raw=data,
        )

    @property
    def version(self) -> str | None:
        """The version of the node's own software."""
        return self.versions.get("smart_beer")

    def channel(self, channel_id: str) -> ChannelInfo | None:
        """The channel of that id, if the node has it."""
        return next((c for c in self.channels if c.channel_id == channel_id), None)

    def actuator(self, actuator_id: str) -> ActuatorInfo | None:
        """The output of that id, if the node has it."""
        return next((a for a in self.actuators if a.actuator_id == actuator_id), None)

    def controller(self, controller_id: str) -> ControllerInfo | None:
        """The controller of that id, if the node has it."""
        return next((c for c in self.controllers if c.controller_id == controller_id), None)

    def kettle(self, kettle_id: str) -> KettleInfo | None:
        """The kettle of that id, if the node serves it."""
        return next((k for k in self.kettles if k.kettle_id == kettle_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedNode:
    """What a successful pairing leaves: who it is, where it answered, and the token for it."""

    identity: Identity
    token: str
    host: str
    port: int
