"""The control laws of other brewing software, from what they document, for the same plant.

Written anew from their published laws and constants; no line of theirs is in here.
"""

import math
from typing import Final

_FULL: Final = 100.0


class BrewBloxPid:
    """BrewBlox: ideal form, 1 s, filtered derivative, back-calculation with a gain of 3.

    The derivative is limited to Kp; back-calculation never takes the integral past 0.
    """

    def __init__(self, kp: float, ti_s: float, td_s: float, *, low: float, high: float) -> None:
        self._kp, self._ti_s, self._td_s = kp, ti_s, td_s
        self._low, self._high = low, high
        self._filter_s = max(5.0, td_s / 10)  # theirs is a low-pass chosen by Td
        self._filtered: float | None = None
        self._integral = 0.0
        self._raw = 0.0

    def law(self, process: float, setpoint: float, achieved: float) -> float:
        """One second on."""
        if self._filtered is None:
            self._filtered = process
        self._filtered += (process - self._filtered) * -math.expm1(-1 / self._filter_s)
        slope = (process - self._filtered) / self._filter_s
        proportional = self._kp * (setpoint - process)
        derivative = max(-self._kp, min(self._kp, -self._kp * self._td_s * slope))
        self._integral += proportional / self._ti_s
        pull = 3 * (achieved - self._raw) / self._ti_s
        # It may go back and forth with the noise, but neither start the integral nor turn its sign.
        pulled = self._integral + pull
        self._integral = pulled if pulled * self._integral > 0 else 0.0
        self._raw = proportional + self._integral + derivative
        return max(self._low, min(self._high, self._raw))


class BrewBloxHeater:
    """One PID on the element: their kettle, HLT and RIMS settings."""

    def __init__(self, kp: float, ti_s: float, td_s: float) -> None:
        self._pid = BrewBloxPid(kp, ti_s, td_s, low=0.0, high=_FULL)

    def step(
        self, now_ms: int, process: float | None, setpoint: float | None, achieved: float | None
    ) -> float:
        """As a node's controller."""
        del now_ms
        assert process is not None
        assert setpoint is not None
        return self._pid.law(process, setpoint, achieved or 0.0)


class BrewBloxHerms:
    """Their HERMS: the mash's PID moves the HLT's setpoint, at most 10 K up; the HLT's own PID."""

    def __init__(self, mash_l: float, hlt_l: float) -> None:
        self._mash = BrewBloxPid(mash_l / hlt_l, 300.0, 600.0, low=-10.0, high=10.0)
        self._hlt = BrewBloxHeater(50.0, 600.0, 10.0)
        self._inner = 0.0

    def feed(self, inner: float | None) -> None:
        """The HLT's temperature."""
        assert inner is not None
        self._inner = inner

    def step(
        self, now_ms: int, process: float | None, setpoint: float | None, achieved: float | None
    ) -> float:
        """As a node's controller."""
        assert process is not None
        assert setpoint is not None
        offset = self._mash.law(process, setpoint, self._inner - setpoint)
        return self._hlt.step(now_ms, self._inner, setpoint + offset, achieved)


class CraftBeerPiBoil:
    """CraftBeerPi's PIDBoil with its default constants, every 5 s.

    It begins with full power, remembers an input of 0 for its first derivative, and integrates only
    if its last output was not at a limit.
    """

    KP: Final = 117.08
    KI: Final = 0.2747  # a second
    KD: Final = 41.58
    SAMPLE_MS: Final = 5000

    def __init__(self) -> None:
        self._due_ms: int | None = None
        self._input = 0.0
        self._integral = 0.0
        self._output = _FULL

    def step(
        self, now_ms: int, process: float | None, setpoint: float | None, achieved: float | None
    ) -> float:
        """As a node's controller."""
        del achieved
        assert process is not None
        assert setpoint is not None
        if self._due_ms is None:
            self._due_ms = now_ms + self.SAMPLE_MS
        elif now_ms >= self._due_ms:
            self._due_ms += self.SAMPLE_MS
            sample_s = self.SAMPLE_MS / 1000
            error = setpoint - process
            if 0 < self._output < _FULL:
                self._integral += self.KI * sample_s * error
                self._integral = max(0.0, min(_FULL, self._integral))
            slope = (process - self._input) / sample_s
            self._input = process
            raw = self.KP * error + self._integral - self.KD * slope
            self._output = max(0.0, min(_FULL, raw))
        return self._output
