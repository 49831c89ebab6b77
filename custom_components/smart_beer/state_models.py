"""How a node is, as frozen dataclasses, parsed with suspicion; see `models`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from .actuator_models import ActuatorState, ControllerState, Latch
from .parsing import a_dict, a_str, counts, maybe_float, maybe_int, maybe_str, objects


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReading:
    """The newest word of a channel; `value` is None when `quality` is `bad:...`."""

    t: int | None
    value: float | None
    quality: str

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A reading; a value that comes with a bad quality is dropped, not shown."""
        quality = a_str(data, "quality")
        value = maybe_float(data, "value")
        if value is None and not quality.startswith("bad"):
            quality = "bad:io"
        return cls(
            t=maybe_int(data, "t"),
            value=None if quality.startswith("bad") else value,
            quality=quality,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something on the node that a person should know.

    `acknowledged` is who has seen it: `{"by", "note", "t"}`; None while nobody has.
    """

    alarm_id: str
    since: int | None
    text: str
    acknowledged: Mapping[str, Any] | None = None

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """An alarm; ValueError when it is none."""
        return cls(
            alarm_id=a_str(data, "id"),
            since=maybe_int(data, "since"),
            text=maybe_str(data, "text") or "",
            acknowledged=seen if isinstance(seen := data.get("acknowledged"), dict) else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the node itself is; None where it cannot tell."""

    bus_errors: Mapping[str, Mapping[str, int]]  # channel id -> cause -> count since start
    clock_offset_ms: float | None = None
    disk_free: int | None = None  # bytes
    cpu_temperature: float | None = None  # degrees Celsius
    power_mode: Mapping[str, str]
    spool_rows: int | None = None
    spool_size: int | None = None  # bytes
    spool_lost: int = 0  # samples that could not be committed

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A node's health; what is missing stays None."""
        errors = data.get("bus_errors")
        power = data.get("power_mode")
        spool = a_dict(data, "spool") if isinstance(data.get("spool"), dict) else {}
        return cls(
            bus_errors={
                str(channel): counts(causes)
                for channel, causes in (errors if isinstance(errors, dict) else {}).items()
            },
            clock_offset_ms=maybe_float(data, "clock_offset_ms"),
            disk_free=maybe_int(data, "disk_free_bytes"),
            cpu_temperature=maybe_float(data, "cpu_temperature"),
            power_mode={
                str(channel): mode
                for channel, mode in (power if isinstance(power, dict) else {}).items()
                if isinstance(mode, str)
            },
            spool_rows=maybe_int(spool, "rows"),
            spool_size=maybe_int(spool, "bytes"),
            spool_lost=maybe_int(spool, "lost") or 0,
        )

    def errors_by_cause(self) -> dict[str, int]:
        """Bus errors of all channels together, by cause."""
        total: dict[str, int] = {}
        for causes in self.bus_errors.values():
            for cause, count in causes.items():
                total[cause] = total.get(cause, 0) + count
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """`GET /v1/state`: the newest of everything, also while the node's clock is unknown.

    `interlocks`: closed, open, or None for unknown. `stop`: whether the stop button is pressed;
    None for unknown, or that there is none.
    """

    channels: Mapping[str, ChannelReading]
    actuators: Mapping[str, ActuatorState]
    controllers: Mapping[str, ControllerState]
    batches: Mapping[str, str | None]  # kettle id -> active batch
    latches: tuple[Latch, ...]
    interlocks: Mapping[str, bool | None]
    stop: bool | None
    alarms: tuple[Alarm, ...]
    health: Health
    boot_id: str

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A node's state; ValueError when it is none."""
        for needed in ("channels", "health"):
            a_dict(data, needed)
        return cls(boot_id=maybe_str(data, "boot_id") or "", **state_parts({**_NOTHING, **data}))


_NOTHING: Final[Mapping[str, Any]] = {
    "actuators": {},
    "controllers": {},
    "kettles": {},
    "latches": [],
    "interlocks": {},
    "stop": None,
    "alarms": [],
}


def state_parts(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a NodeState that `data`, parts of `/v1/state`, tells of; ValueError."""
    parts: dict[str, Any] = {}
    if "channels" in data:
        parts["channels"] = _each(data, "channels", ChannelReading.parse)
    if "actuators" in data:
        parts["actuators"] = _each(data, "actuators", ActuatorState.parse)
    if "controllers" in data:
        parts["controllers"] = _each(data, "controllers", ControllerState.parse)
    if "kettles" in data:
        parts["batches"] = _each(data, "kettles", lambda kettle: maybe_str(kettle, "batch"))
    if "latches" in data:
        parts["latches"] = tuple(Latch.parse(item) for item in objects(data, "latches"))
    if "interlocks" in data:
        parts["interlocks"] = {
            str(key): value if isinstance(value, bool) else None
            for key, value in a_dict(data, "interlocks").items()
        }
    if "stop" in data:
        parts["stop"] = data["stop"] if isinstance(data["stop"], bool) else None
    if "alarms" in data:
        parts["alarms"] = tuple(Alarm.parse(item) for item in objects(data, "alarms"))
    if "health" in data:
        parts["health"] = Health.parse(a_dict(data, "health"))
    return parts


def _each[T](
    data: Mapping[str, Any], key: str, parse: Callable[[dict[str, Any]], T]
) -> dict[str, T]:
    return {
        str(name): parse(value)
        for name, value in a_dict(data, key).items()
        if isinstance(value, dict)
    }
