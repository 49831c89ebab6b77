"""What a node says of its outputs, controllers and interlocks, parsed with suspicion.

As in `models`: every `parse` takes decoded JSON and raises `ValueError` with a sentence when
something it needs is missing or of the wrong kind; unknown fields are ignored. Powers are percent
(0-100), a switch's being 0.0 or 100.0; temperatures °C; `since` is UTC milliseconds.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from .parsing import a_dict, a_str, maybe_float, maybe_int, maybe_str, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

FULL = 100.0
SWITCH = "switch"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActuatorInfo:
    """An output of a node.

    `kind`: heater, pump, valve, cooler or contactor (which nobody commands). `control`: switch or
    power. `max_on_s` is the longest that one command may keep it on, 0 if the node does not say.
    `safe`: it goes on, not off, when nobody may command it. `requires`: outputs that must be on
    before it; `interlocks`: inputs that must be closed.
    """

    actuator_id: str
    name: str
    kettle_id: str
    kind: str
    control: str
    power_w: float | None
    min_on_s: float
    min_off_s: float
    max_on_s: float
    max_on_per_hour_s: float | None
    requires: tuple[str, ...]
    interlocks: tuple[str, ...]
    mutex: str | None
    breaker: str | None
    contactor: str | None
    safe: bool
    hold_s: float | None

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """An output; ValueError when it is none."""
        actuator_id = a_str(data, "id")
        return cls(
            actuator_id=actuator_id,
            name=maybe_str(data, "name") or actuator_id,
            kettle_id=a_str(data, "kettle_id"),
            kind=a_str(data, "kind"),
            control=a_str(data, "control"),
            power_w=maybe_float(data, "power_w"),
            min_on_s=maybe_float(data, "min_on_s") or 0.0,
            min_off_s=maybe_float(data, "min_off_s") or 0.0,
            max_on_s=maybe_float(data, "max_on_s") or 0.0,
            max_on_per_hour_s=maybe_float(data, "max_on_per_hour_s"),
            requires=texts(data, "requires"),
            interlocks=texts(data, "interlocks"),
            mutex=maybe_str(data, "mutex"),
            breaker=maybe_str(data, "breaker"),
            contactor=maybe_str(data, "contactor"),
            safe=data.get("safe") is True,
            hold_s=maybe_float(data, "hold_s"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerInfo:
    """A controller of a node: `kind` is pid, hysteresis, cascade or fermentation.

    `heater` and `cooler` are the outputs that it drives; `low` and `high` bound its setpoint.
    """

    controller_id: str
    name: str
    kettle_id: str
    kind: str
    heater: str | None
    cooler: str | None
    low: float
    high: float
    tunable: bool

    @property
    def outputs(self) -> tuple[str, ...]:
        """The ids of the outputs that it drives."""
        return tuple(one for one in (self.heater, self.cooler) if one is not None)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A controller; ValueError when it is none."""
        controller_id = a_str(data, "id")
        bounds = data.get("range")
        numbers = (
            [maybe_float({"": item}, "") for item in bounds] if isinstance(bounds, list) else []
        )
        if len(numbers) != 2 or numbers[0] is None or numbers[1] is None:
            raise ValueError(f"controller {controller_id} does not say its range")
        return cls(
            controller_id=controller_id,
            name=maybe_str(data, "name") or controller_id,
            kettle_id=a_str(data, "kettle_id"),
            kind=a_str(data, "kind"),
            heater=maybe_str(data, "heater"),
            cooler=maybe_str(data, "cooler"),
            low=numbers[0],
            high=numbers[1],
            tunable=data.get("tunable") is True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InterlockInfo:
    """An input of a node that must be closed before some of its outputs may be on."""

    interlock_id: str
    name: str
    kettle_id: str | None

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """An interlock; ValueError when it is none."""
        interlock_id = a_str(data, "id")
        return cls(
            interlock_id=interlock_id,
            name=maybe_str(data, "name") or interlock_id,
            kettle_id=maybe_str(data, "kettle_id"),
        )


def percent(value: object) -> float | None:
    """A boolean or a number of percent, as percent; None for anything else."""
    if isinstance(value, bool):
        return FULL if value else 0.0
    number = maybe_float({"": value}, "")
    return number if number is not None and 0 <= number <= FULL else None


@dataclass(frozen=True, slots=True)
class ActuatorState:
    """What an output is wished to be and is; `limited_by` is the permit between the two."""

    desired: float
    actual: float
    limited_by: str | None

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A state; ValueError when it is none, for what is unknown must not be shown as off."""
        desired, actual = percent(data.get("desired")), percent(data.get("actual"))
        if desired is None or actual is None:
            raise ValueError("an output does not say what it is")
        return cls(desired, actual, maybe_str(data, "limited_by"))


@dataclass(frozen=True, slots=True)
class ControllerState:
    """What a controller does: `mode` is off, auto, manual or autotune.

    `process` is the temperature that it goes by, `power` what it asks of its output, `inner` what
    else it tells of itself, `autotune` with its `phase` and `result` among it.
    """

    mode: str
    setpoint: float | None
    process: float | None
    power: float | None
    inner: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A state; ValueError when it is none."""
        return cls(
            mode=a_str(data, "mode"),
            setpoint=maybe_float(data, "setpoint"),
            process=maybe_float(data, "process"),
            power=maybe_float(data, "power"),
            inner=a_dict(data, "state") if "state" in data else {},
        )


@dataclass(frozen=True, slots=True)
class Latch:
    """What tripped and stays off until a person clears it; `text` is the node's own sentence."""

    kettle_id: str
    latch: str
    since: int | None
    text: str

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A latch; ValueError when it is none."""
        return cls(
            kettle_id=a_str(data, "kettle_id"),
            latch=a_str(data, "latch"),
            since=maybe_int(data, "since"),
            text=maybe_str(data, "text") or "",
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node answered to a command it accepted: what the output is now, not what was asked.

    Of a controller it is the state of the output that the controller drives. `raw` is the reply.
    """

    desired: float
    actual: float
    limited_by: str | None
    raw: Mapping[str, Any]

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """An answer; ValueError when it is none."""
        state = ActuatorState.parse(data)
        return cls(state.desired, state.actual, state.limited_by, data)
