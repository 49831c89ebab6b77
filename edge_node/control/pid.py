"""PURE: a PID controller for heating, written for slow vessels and staircase thermometers."""

import math
from dataclasses import dataclass
from typing import Any

from edge_node.control.boiling import BoilSettings
from edge_node.control.figures import (
    FULL_POWER,
    check_not_negative,
    check_positive,
    clamp,
    percent,
    unlimited_or_usable,
    usable,
)

# How much faster than it grows the integral follows an output that is held back (back-calculation
# with a tracking time of Ti / 3).
_TRACKING = 3.0


@dataclass(frozen=True, slots=True)
class PidSettings:
    """Gains of the ideal form: `kp` in %/K, `ti_s` and `td_s` in seconds. ValueError if unusable.

    `filter_s`: time constant of the low-pass in front of the derivative. `blend_s`: how softly an
    upward jump of setpoint or mode arrives. `max_gap_ms`: a longer silence between two steps is no
    time in which anything was regulated.
    """

    kp: float
    ti_s: float
    td_s: float = 0.0
    filter_s: float = 10.0
    blend_s: float = 5.0
    max_gap_ms: int = 5000
    boil: BoilSettings | None = None

    def __post_init__(self) -> None:
        check_positive(
            "PID",
            {
                "kp": self.kp,
                "ti_s": self.ti_s,
                "filter_s": self.filter_s,
                "blend_s": self.blend_s,
                "max_gap_ms": self.max_gap_ms,
            },
        )
        check_not_negative("PID", {"td_s": self.td_s})


class Pid:
    """Regulates one heater; 0 to 100 %.

    The derivative sees the filtered measurement only, so a setpoint gives it no kick. The integral
    stays in 0-100 %; it follows the achieved power back when that is less than was asked for, and
    never grows while the output is off, over a gap, in the boil or on an input that is unusable.
    """

    def __init__(self, settings: PidSettings) -> None:
        self._settings = settings
        self.reset()

    @property
    def settings(self) -> PidSettings:
        """The gains in force."""
        return self._settings

    def reset(self) -> None:
        """Forget everything but the settings."""
        self._integral = 0.0
        self._seen_ms: int | None = None  # the last step of any kind
        self._good_ms: int | None = None  # the last one that regulated
        self._process = self._filtered = 0.0
        self._setpoint: float | None = None
        self._terms = (0.0, 0.0)  # proportional, derivative
        self._blend = 0.0  # never above 0: what is still missing of a jump upward
        self._raw = 0.0
        self._output = 0.0
        self._boiling = False

    def configure(self, settings: PidSettings) -> None:
        """Change the gains; the output goes on from where it is (bumpless)."""
        old, self._settings = self._settings, settings
        if self._good_ms is None or self._setpoint is None:
            return
        rate = (self._process - self._filtered) / old.filter_s
        self._filtered = self._process - rate * settings.filter_s
        if self._boiling or self._seen_ms != self._good_ms:
            return  # the power in force was not this law's: there is nothing to go on from
        self._terms = self._law(self._process, self._setpoint)
        self._settle_at(self._raw)

    def track(
        self, now_ms: int, process: float | None, setpoint: float | None, power: float
    ) -> None:
        """Follow a `power` (%) that a person set or nobody wants, to take over without a jump.

        For every tick in manual mode, or with 0 when off; the integral is never more than `power`.
        """
        if not (usable(process) and usable(setpoint) and usable(power)):
            self._lose(now_ms)
            return
        self._advance(now_ms, process)
        self._setpoint = setpoint
        self._terms = self._law(process, setpoint)
        self._boiling = False
        self._output = percent(power)
        self._raw = self._output
        self._settle_at(self._output)
        self._integral = min(self._integral, self._output)

    def step(
        self, now_ms: int, process: float | None, setpoint: float | None, achieved: float | None
    ) -> float:
        """See `Controller.step`."""
        if setpoint is None:
            self._integral = 0.0  # nobody wants anything: off, not a failure
        if not (usable(process) and usable(setpoint) and unlimited_or_usable(achieved)):
            return self._lose(now_ms)
        dt = self._advance(now_ms, process)
        self._soften(setpoint, dt)
        boil = self._settings.boil
        self._boiling = boil is not None and setpoint >= boil.threshold_c
        if boil is not None and self._boiling:
            # Short of the boil the proportional part alone, and never less than what boils.
            proportional, _ = self._law(process, boil.threshold_c)
            self._terms = (proportional, 0.0)
            self._blend = 0.0
            self._raw = self._output = clamp(proportional, boil.power, FULL_POWER)
            return self._output
        given = self._output if achieved is None else percent(achieved)
        self._integrate(setpoint - process, given, dt)
        self._terms = self._law(process, setpoint)
        self._raw = sum(self._terms) + self._integral + self._blend
        self._output = clamp(self._raw, 0.0, FULL_POWER)
        return self._output

    def state(self) -> dict[str, Any]:
        """Gains, the parts of the power in %, and whether it boils, as JSON."""
        proportional, derivative = self._terms
        return {
            "kp": self._settings.kp,
            "ti_s": self._settings.ti_s,
            "td_s": self._settings.td_s,
            "proportional": proportional,
            "integral": self._integral,
            "derivative": derivative,
            "power": self._output,
            "boiling": self._boiling,
        }

    def _lose(self, now_ms: int) -> float:
        """An input is unusable: nothing is asked for, and nothing is learned."""
        self._seen_ms = now_ms
        self._raw = self._output = 0.0
        return 0.0

    def _advance(self, now_ms: int, process: float) -> float:
        """Move the filter on; the seconds since the last step, 0 if they do not count."""
        settings = self._settings
        since_good = -1 if self._good_ms is None else now_ms - self._good_ms
        since_seen = 0 if self._seen_ms is None else now_ms - self._seen_ms
        self._seen_ms = self._good_ms = now_ms
        self._process = process
        if not 0 <= since_good <= settings.max_gap_ms:
            self._filtered = process
            return 0.0
        share = -math.expm1(-since_good / 1000 / settings.filter_s)
        self._filtered += share * (process - self._filtered)
        return max(0, since_seen) / 1000

    def _law(self, process: float, setpoint: float) -> tuple[float, float]:
        """The proportional and the derivative part, %."""
        settings = self._settings
        # What a first-order low-pass lags behind by, over its time constant, is its own slope.
        rate = (process - self._filtered) / settings.filter_s
        return settings.kp * (setpoint - process), -settings.kp * settings.td_s * rate

    def _soften(self, setpoint: float, dt: float) -> None:
        """Let an upward jump of the setpoint arrive over `blend_s`; a downward one at once."""
        self._blend *= math.exp(-dt / self._settings.blend_s)
        if self._setpoint is not None and setpoint > self._setpoint:
            jump = self._settings.kp * (setpoint - self._setpoint)
            self._blend = max(self._blend - jump, -10 * FULL_POWER)
        self._setpoint = setpoint

    def _integrate(self, error: float, given: float, dt: float) -> None:
        settings = self._settings
        missing = given - self._output + min(0.0, self._output - self._raw)
        change = (settings.kp * error + _TRACKING * missing) / settings.ti_s * dt
        grown = clamp(self._integral + change, 0.0, FULL_POWER)
        if given <= 0:
            grown = min(grown, self._integral)
        self._integral = grown

    def _settle_at(self, power: float) -> None:
        """Choose integral, and blend for what it cannot take, so that they add up to `power`."""
        needed = power - sum(self._terms)
        self._integral = clamp(needed, 0.0, FULL_POWER)
        self._blend = clamp(needed - self._integral, -10 * FULL_POWER, 0.0)
