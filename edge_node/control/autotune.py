"""PURE: finds a heater's gains by letting it swing around a setpoint (relay method)."""

import cmath
import math
from dataclasses import asdict, dataclass
from typing import Any

from edge_node.control.boiling import BoilSettings
from edge_node.control.figures import (
    FULL_POWER,
    check_not_negative,
    check_positive,
    percent,
    unlimited_or_usable,
    usable,
)
from edge_node.control.pid import PidSettings

RUNNING, DONE, ABORTED = "running", "done", "aborted"
RULE = "Tyreus-Luyben"


@dataclass(frozen=True, slots=True)
class AutotuneSettings:
    """Powers in %, bands in K, times in ms. ValueError if unusable.

    The heater swings between `low` and `high`, changing when the temperature leaves `band_k` on
    either side of the setpoint: more than the noise, or it would be the noise that switches.
    `over_k` above the setpoint, `max_ms` in all, `silence_ms` without a usable temperature or with
    an output that did not do what was asked: each ends it.
    """

    low: float = 0.0
    high: float = FULL_POWER
    band_k: float = 0.2
    cycles: int = 4
    over_k: float = 5.0
    max_ms: int = 3 * 3_600_000
    silence_ms: int = 10_000

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= FULL_POWER:
            raise ValueError(
                f"Autotune: low ({self.low} %) and high ({self.high} %) must rise within 0-100"
            )
        check_positive("Autotune", {"band_k": self.band_k, "silence_ms": self.silence_ms})
        check_not_negative("Autotune", {"over_k": self.over_k})
        if self.over_k <= self.band_k:
            raise ValueError(f"Autotune: over_k ({self.over_k}) must be above band_k")
        if not 3 <= self.cycles <= 20:
            raise ValueError(f"Autotune: cycles is {self.cycles}, it must be 3 to 20")
        if self.max_ms <= 0:
            raise ValueError(f"Autotune: max_ms is {self.max_ms}, it must be above 0")


@dataclass(frozen=True, slots=True)
class AutotuneResult:
    """What was found, to be shown and then applied by a person.

    `ku` in %/K, `pu_s` in seconds: gain and period of the swing. `kp`, `ti_s`, `td_s`: the gains
    that `rule` proposes. `confidence` 0-1: 1 less the spread of the cycles used, relative.
    """

    ku: float
    pu_s: float
    kp: float
    ti_s: float
    td_s: float
    rule: str
    confidence: float
    cycles: int

    def settings(self, boil: BoilSettings | None = None) -> PidSettings:
        """The gains as a PID takes them."""
        # Half of Td tames 1/16 K steps and leaves the derivative most of its lead.
        filter_s = max(self.td_s / 2, 2.0)
        return PidSettings(kp=self.kp, ti_s=self.ti_s, td_s=self.td_s, filter_s=filter_s, boil=boil)


class Autotune:
    """One run at one setpoint; after its end, good or bad, the power is 0 for good.

    Gain and period come from the first harmonic of power and temperature over whole cycles, so
    neither noise nor a heating that is faster than the cooling bends them. Tyreus and Luyben's rule
    (Ind. Eng. Chem. Res. 31, 1992) is made for integrating processes: Kp = Ku / 2.2, Ti = 2.2 Pu,
    Td = Pu / 6.3.
    """

    def __init__(self, settings: AutotuneSettings) -> None:
        self._settings = settings
        self.reset()

    @property
    def result(self) -> AutotuneResult | None:
        """What was found, None unless the run is done."""
        return self._result

    def reset(self) -> None:
        """Ready for a new run."""
        self._phase = RUNNING
        self._why: str | None = None
        self._result: AutotuneResult | None = None
        self._began_ms: int | None = None
        self._last_ms = self._heard_ms = self._obeyed_ms = 0
        self._setpoint = 0.0
        self._on = False
        self._output = 0.0
        self._points: list[tuple[int, float, float]] | None = None  # this cycle: ms, °C, %
        self._found: list[tuple[float, float]] = []  # ku, pu_s of each whole cycle

    def step(
        self, now_ms: int, process: float | None, setpoint: float | None, achieved: float | None
    ) -> float:
        """See `Controller.step`; the setpoint of the first step must stay."""
        if self._phase != RUNNING:
            return 0.0
        if not usable(setpoint):
            return self._abort("There is no setpoint; choose one and start again")
        if self._began_ms is None:
            self._began_ms = self._last_ms = self._heard_ms = self._obeyed_ms = now_ms
            self._setpoint = setpoint
        trouble = self._trouble(now_ms, process, setpoint, achieved)
        if trouble:
            return self._abort(trouble)
        self._last_ms = now_ms
        if not (usable(process) and unlimited_or_usable(achieved)):
            self._points = None  # a cycle with a hole is none; off until both are back
            self._on = False
            self._output = 0.0
            return 0.0
        self._swing(now_ms, process)
        if self._points is not None:
            self._points.append((now_ms, process, self._output))
        return self._output

    def state(self) -> dict[str, Any]:
        """Phase, why it ended, cycles so far and the result, as JSON."""
        return {
            "phase": self._phase,
            "reason": self._why,
            "cycles": len(self._found),
            "cycles_wanted": self._settings.cycles,
            "power": self._output,
            "result": asdict(self._result) if self._result else None,
        }

    def _trouble(
        self, now_ms: int, process: float | None, setpoint: float, achieved: float | None
    ) -> str | None:
        """Why the run must end, in a sentence."""
        settings = self._settings
        assert self._began_ms is not None
        if setpoint != self._setpoint:
            return "The setpoint was changed during the run; start again at the new one"
        if not 0 <= now_ms - self._last_ms <= settings.silence_ms:
            return "The run was interrupted for too long; start again"
        if now_ms - self._began_ms > settings.max_ms:
            return "The temperature did not swing often enough in the time allowed"
        if usable(process):
            self._heard_ms = now_ms
            if process > self._setpoint + settings.over_k:
                return f"The temperature rose more than {settings.over_k:g} K above the setpoint"
        elif now_ms - self._heard_ms > settings.silence_ms:
            return "The temperature is missing; check the probe"
        if achieved is None or (usable(achieved) and abs(achieved - self._output) <= 1):
            self._obeyed_ms = now_ms
        elif now_ms - self._obeyed_ms > settings.silence_ms:
            return "The output did not do what was asked; see which permit holds it back"
        return None

    def _swing(self, now_ms: int, process: float) -> None:
        settings = self._settings
        if self._on and process > self._setpoint + settings.band_k:
            self._on = False
        elif not self._on and process < self._setpoint - settings.band_k:
            if self._points:  # from one start of heating to the next is a cycle
                self._finish_cycle(now_ms)
            # The first start is a rise from far below, not a swing.
            near = process > self._setpoint - settings.over_k
            self._points = [] if near else None
            self._on = True
        if self._phase == RUNNING:
            self._output = percent(settings.high if self._on else settings.low)

    def _finish_cycle(self, now_ms: int) -> None:
        assert self._points is not None
        period_s = (now_ms - self._points[0][0]) / 1000
        temperature = _first_harmonic([(t, c) for t, c, _ in self._points], now_ms)
        power = _first_harmonic([(t, p) for t, _, p in self._points], now_ms)
        if temperature > 0:
            self._found.append((power / temperature, period_s))
        if len(self._found) >= self._settings.cycles:
            self._conclude()

    def _conclude(self) -> None:
        used = self._found[1:]  # the first cycle still remembers the way up
        ku = sum(gain for gain, _ in used) / len(used)
        pu_s = sum(period for _, period in used) / len(used)
        spread = max(
            (max(values) - min(values)) / (sum(values) / len(values))
            for values in zip(*used, strict=True)
        )
        self._result = AutotuneResult(
            ku=ku,
            pu_s=pu_s,
            kp=ku / 2.2,
            ti_s=2.2 * pu_s,
            td_s=pu_s / 6.3,
            rule=RULE,
            confidence=max(0.0, 1 - spread),
            cycles=len(used),
        )
        self._phase, self._on, self._output = DONE, False, 0.0

    def _abort(self, why: str) -> float:
        self._phase, self._why, self._on, self._output = ABORTED, why, False, 0.0
        self._points = None
        return 0.0


def _first_harmonic(points: list[tuple[int, float]], end_ms: int) -> float:
    """The amplitude of the fundamental of `points` (ms, value), each held until the next."""
    begin_ms = points[0][0]
    period = end_ms - begin_ms
    mean = sum(value for _, value in points) / len(points)
    total = 0j
    for (start, value), (stop, _) in zip(points, [*points[1:], (end_ms, 0.0)], strict=True):
        # The integral of exp(-i 2 pi t / period) from start to stop.
        here, there = ((t - begin_ms) / period * math.tau for t in (start, stop))
        total += (value - mean) * (cmath.exp(-1j * here) - cmath.exp(-1j * there)) / 1j
    return abs(total) / math.pi
