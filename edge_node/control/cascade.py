"""PURE: one temperature regulated through another: a mash through its heat exchanger."""

import math
from dataclasses import dataclass
from typing import Any

from edge_node.control.figures import check_not_negative, check_positive, clamp, usable
from edge_node.control.pid import Pid, PidSettings

_FADING = 3.0  # how much faster than it grows the integral goes while the inner loop is behind
_CLOSE_K = 0.5  # the inner loop is where it should be; noise and ripple are within this


@dataclass(frozen=True, slots=True)
class OuterSettings:
    """How far the inner setpoint leaves the outer one, and within which limits. ValueError.

    `kp` in K/K and `ti_s` in seconds (`tuning.exchanger_gains` has a rule); `low` and `high` (°C)
    bound the inner setpoint, as do `below_k` and `above_k` from the outer one: wort in a coil must
    not meet water that ends its enzymes.
    """

    kp: float = 1.0
    ti_s: float = 600.0
    low: float = 0.0
    high: float = 85.0
    below_k: float = 5.0
    above_k: float = 8.0
    max_gap_ms: int = 5000

    def __post_init__(self) -> None:
        check_positive("Cascade", {"kp": self.kp, "ti_s": self.ti_s, "max_gap_ms": self.max_gap_ms})
        check_not_negative("Cascade", {"below_k": self.below_k, "above_k": self.above_k})
        if not (usable(self.low) and usable(self.high) and self.low < self.high):
            raise ValueError(f"Cascade: low ({self.low} °C) must be below high ({self.high} °C)")


class Outer:
    """From the outer temperature to the inner setpoint: PI around the outer setpoint.

    The integral is bounded by `below_k` and `above_k`; it fades while the inner temperature is
    behind its setpoint, and stands still over a gap or an unusable input.
    """

    def __init__(self, settings: OuterSettings) -> None:
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget everything but the settings."""
        self._integral = 0.0
        self._last_ms: int | None = None
        self._aim: float | None = None

    def aim(
        self, now_ms: int, process: float | None, setpoint: float | None, inner: float | None
    ) -> float | None:
        """The inner setpoint, °C; None if any of the three temperatures (°C) is unusable."""
        if setpoint is None:
            self._integral = 0.0
        if not (usable(process) and usable(setpoint) and usable(inner)):
            self._last_ms = self._aim = None
            return None
        settings = self._settings
        passed = 0 if self._last_ms is None else now_ms - self._last_ms
        self._last_ms = now_ms
        error = setpoint - process
        if self._aim is not None and 0 < passed <= settings.max_gap_ms:
            self._integrate(settings.kp * error, inner - self._aim, passed / 1000)
        self._integral = clamp(self._integral, -settings.below_k, settings.above_k)
        offset = clamp(settings.kp * error + self._integral, -settings.below_k, settings.above_k)
        self._aim = clamp(setpoint + offset, settings.low, settings.high)
        return self._aim

    def _integrate(self, drive: float, over: float, dt: float) -> None:
        """Both in K: what to integrate, and how far the inner temperature is over its setpoint."""
        share = dt / self._settings.ti_s
        if abs(over) > _CLOSE_K and over * drive < 0:
            # At a limit or held back: what was learned before fades meanwhile (no wind-up).
            self._integral *= math.exp(-_FADING * share)
        else:
            self._integral += drive * share

    def state(self) -> dict[str, Any]:
        """The inner setpoint and the integral in K, as JSON."""
        return {"inner_setpoint": self._aim, "outer_integral": self._integral}


class Cascade:
    """HERMS: the mash drives the setpoint of the exchanger's water, whose PID drives the element.

    The inner temperature is given with `feed` before each step.
    """

    def __init__(self, outer: OuterSettings, inner: PidSettings) -> None:
        self._outer = Outer(outer)
        self._pid = Pid(inner)
        self._inner: float | None = None

    def reset(self) -> None:
        """Forget everything but the settings."""
        self._outer.reset()
        self._pid.reset()
        self._inner = None

    def feed(self, inner: float | None) -> None:
        """The inner process value (°C) for the next step, None if there is none."""
        self._inner = inner

    def step(
        self, now_ms: int, process: float | None, setpoint: float | None, achieved: float | None
    ) -> float:
        """See `Controller.step`; `process` is the mash. An inner temperature serves one step."""
        inner, self._inner = self._inner, None
        aim = self._outer.aim(now_ms, process, setpoint, inner)
        if aim is None and setpoint is not None:
            # A probe was lost, nobody switched off: the inner loop keeps what it knew.
            return self._pid.step(now_ms, None, setpoint, achieved)
        return self._pid.step(now_ms, inner, aim, achieved)

    def track(
        self, now_ms: int, process: float | None, setpoint: float | None, power: float
    ) -> None:
        """As `Pid.track`: follow a `power` (%) set by a person, to take over without a jump."""
        inner, self._inner = self._inner, None
        aim = self._outer.aim(now_ms, process, setpoint, inner)
        self._pid.track(now_ms, inner, aim, power)

    def state(self) -> dict[str, Any]:
        """The outer and the inner loop's state in one, as JSON."""
        return self._outer.state() | self._pid.state()
