"""PURE: what one kettle's temperatures and heat say that must latch.

dT/dt = P x efficiency / (mass x 4186 J/(kg K)) is what an element of P watts can do.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from edge_node.safety.process_value import Judged, is_present
from edge_node.safety.rules import KettleRules, ProbeValue
from edge_node.safety.trend import BUCKET_MS, KEPT, Heat, Trace
from edge_node.traces import Echo

WATER_J_PER_KG_K: Final = 4186.0
EFFICIENCY: Final = 0.9  # the least of an element in its water
GAP_MS: Final = 10_000  # without a tick for so long, nothing is known of the time between

OVER_MS: Final = 3_000  # longer than one wild reading
LOST_MS: Final = 10_000
LOST_AFTER_HEAT_MS: Final = 60_000

RISE_OFF_BUCKETS: Final = (6, 8, 10, 12)  # one minute to two
RISE_OFF_SHARE: Final = 0.7  # of the mean in each 20 s; what settles has less in its last
STEADY_BUCKETS: Final = 3

NO_RISE_BUCKETS: Final = 17  # all within three minutes of switching on; more if it is weak
NO_RISE_MOST_BUCKETS: Final = KEPT
NO_RISE_LAG_BUCKETS: Final = 2  # what went in so late, a probe may not show yet
NO_RISE_DUTY: Final = 0.2
NO_RISE_EXPECTED_K: Final = 0.6  # less cannot be told from noise
NO_RISE_SHARE: Final = (
    0.25  # of what was expected: twice the volume and a weak mains are not a trip
)
NOT_BOILING_K: Final = 4.0

TOO_FAST_STEP_MS: Final = 8_000
TOO_FAST_STEPS: Final = 3  # a jump by mixing is over in two; a dry element goes on
TOO_FAST_FACTOR: Final = 3.0
TOO_FAST_FLOOR_K: Final = 0.8

PARTED_MS: Final = 120_000  # as long as copying must last to be believed
PARTINGS: Final = 3


@dataclass(slots=True)
class _Pair:
    """Whether two probes give one trace, apart from a fixed offset of their calibration."""

    copying: bool = False
    _partings: deque[int] = field(default_factory=lambda: deque(maxlen=PARTINGS))
    _offset: float | None = None
    _seen: int | None = None
    _echo: Echo = field(default_factory=lambda: Echo(apart=True))

    def hear(self, a: ProbeValue, b: ProbeValue) -> None:
        newest = min(a.mono_ms, b.mono_ms)
        if newest == self._seen or a.value is None or b.value is None:
            return
        self._seen = newest
        offset = round(a.value - b.value, 3)
        if offset != self._offset:
            if self._offset is not None:
                self._partings.append(newest)
            self._offset = offset
            self._echo.hears(a.value, a.value + 1.0, [], newest / 1000.0)  # begins anew
        self.copying = self._echo.hears(a.value, a.value, [], newest / 1000.0)

    def apart(self, now: int) -> bool:
        """Whether they have lately been seen to change each by itself, and more than once."""
        found = self._partings
        return len(found) == PARTINGS and now - found[0] <= PARTED_MS


@dataclass(slots=True)
class KettleWatch:
    """What is remembered of one kettle; `now` never goes back.

    `heaters`: it has heaters on this node, so that rises can be explained. `loads` are kettles that
    take heat out of it through a coil.
    """

    rules: KettleRules
    heaters: bool
    loads: tuple["KettleWatch", ...] = ()
    _now: int | None = None
    _heat: Heat = field(default_factory=Heat)
    _traces: dict[str, Trace] = field(
        default_factory=lambda: {"own": Trace(), "reference": Trace()}
    )
    _pairs: dict[tuple[str, str], _Pair] = field(default_factory=dict)
    _over_since: int | None = None
    _lost_since: int | None = None
    _completed: bool = False
    _present: list[ProbeValue] = field(default_factory=list)

    def restart(self) -> None:
        """Forget the past: what is seen from now on counts."""
        self._heat.restart()
        for trace in self._traces.values():
            trace.restart()
        self._pairs.clear()
        self._over_since = self._lost_since = None

    def observe(
        self,
        now: int,
        judged: Judged,
        own: Sequence[ProbeValue],
        *,
        heater_w: float,
        commanded: bool,
        through_coil: bool = False,
    ) -> Iterator[tuple[str, str]]:
        """Take what was read, and `heater_w` since the last call; give (trip, text) that hold now.

        `commanded`: somebody may command the kettle. `through_coil`: a heater of another kettle was
        on, which heats it through a coil.
        """
        self._take(now, judged, own, heater_w)
        if through_coil:
            self._heat.last_on = now
        heats = self._heat.on_within(now, LOST_AFTER_HEAT_MS)
        if text := self._over_temperature(now, judged):
            yield "over_temperature", text
        if text := self._probes_lost(now, judged, own, commanded=commanded):
            yield "probes_lost", text
        if heats and (text := self._cross_talk()):
            yield "cross_talk", text
        if not self.heaters:
            return
        if self._completed and (text := self._rise_off(now)):
            yield "stuck_relay", text
        if self._completed and (text := self._no_rise(now)):
            yield "no_rise", text
        if heats and (text := self._too_fast(now)):
            yield "too_fast", text

    def cause(self, name: str, now: int, judged: Judged) -> str | None:
        """Why a latch cannot be cleared yet, or None."""
        kettle = self.rules.kettle_id
        limit = self.rules.high_limit
        match name:
            case "over_temperature":
                if not judged.values:
                    return f"No probe of {kettle} tells that it has cooled down."
                if max(judged.values) >= limit:
                    return f"{kettle} is at {max(judged.values):.1f} °C, its limit is {limit:.1f}."
            case "stuck_relay":
                return self._rising(now)
            case "cross_talk":
                if text := self._cross_talk() or self._not_apart(now):
                    return text
            case "too_fast":
                if text := self._too_fast(now) or self._unseen(now):
                    return text
            case "safe" | "stop_pressed":
                return None
            case _:
                pass
        if judged.process is None:
            return f"{kettle} has no good temperature: mend its probes first."
        return None

    def _take(self, now: int, judged: Judged, own: Sequence[ProbeValue], heater_w: float) -> None:
        before = now if self._now is None else self._now
        if now - before > GAP_MS:
            self.restart()
            if heater_w > 0:
                self._heat.last_on = now
        elif now > before:
            self._heat.add(before, now, heater_w)
        self._now = now
        self._completed = False
        if judged.own is not None and judged.own.value is not None:
            self._completed |= self._traces["own"].read(
                judged.own.series, judged.own.mono_ms, judged.own.value
            )
        reference = judged.reference
        if reference is not None and reference.value is not None:
            self._completed |= self._traces["reference"].read(
                "", reference.mono_ms, reference.value
            )
        self._present = [probe for probe in own if is_present(probe, now)]
        for a, b in combinations(self._present, 2):
            if a.series != b.series:
                self._pairs.setdefault((a.series, b.series), _Pair()).hear(a, b)

    def _over_temperature(self, now: int, judged: Judged) -> str | None:
        limit = self.rules.high_limit + self.rules.over_temperature_k
        if not any(value >= limit for value in judged.values):
            self._over_since = None
            return None
        if self._over_since is None:
            self._over_since = now
        if now - self._over_since < OVER_MS:
            return None
        return (
            f"{self.rules.kettle_id} reached {max(judged.values):.1f} °C; its high limit is"
            f" {self.rules.high_limit:.1f}. Look at its heater before you clear this."
        )

    def _probes_lost(
        self, now: int, judged: Judged, own: Sequence[ProbeValue], *, commanded: bool
    ) -> str | None:
        """No good value, own or reference, for 10 s, in a kettle that was heating before."""
        if judged.own is not None or judged.process is not None or not commanded:
            self._lost_since = None
            return None
        if self._lost_since is None:
            self._lost_since = now
        last_on = self._heat.last_on
        if now - self._lost_since < LOST_MS or last_on is None:
            return None
        if self._lost_since - last_on > LOST_AFTER_HEAT_MS:
            return None
        said = ", ".join(f"{probe.series} {probe.quality}" for probe in own) or "none is known"
        return f"All probes of {self.rules.kettle_id} are lost while it is heated: {said}."

    def _rise_off(self, now: int) -> str | None:
        """A rise with the heaters off that goes on evenly: lag, mixing and cold water settle."""
        limit = self.rules.rise_off_k
        if limit is None:
            return None
        for source, trace in self._traces.items():
            if not trace.fresh(now):
                continue
            means = list(trace.means)
            known = 0  # buckets in which the heaters were off, and in the one before too
            while known < len(means) and self._off(trace.last - known):
                known += 1
            for n in RISE_OFF_BUCKETS:
                if known <= n:
                    break
                window = means[-1 - n :]
                rise = window[-1] - window[0]
                parts = [window[i + 2] - window[i] for i in range(0, n, 2)]
                if rise > limit and min(parts) >= RISE_OFF_SHARE * rise / len(parts):
                    return (
                        f"{self.rules.kettle_id} rose by {rise:.1f} K in {n * BUCKET_MS // 1000} s"
                        f" ({source}) with its heater off: a relay is stuck. Cut its supply."
                    )
        return None

    def _off(self, bucket: int) -> bool:
        return self._heat.off(bucket) and self._heat.off(bucket - 1)

    def _rising(self, now: int) -> str | None:
        """Why it is not sure that the temperature has stopped rising, or None."""
        kettle = self.rules.kettle_id
        fresh = [t for t in self._traces.values() if t.fresh(now) and len(t.means) > STEADY_BUCKETS]
        if not fresh:
            return (
                f"No probe of {kettle} was good for 40 s: wait until it tells that nothing rises."
            )
        limit = (self.rules.rise_off_k or 0.5) * STEADY_BUCKETS * BUCKET_MS / 120_000
        rise = max(trace.means[-1] - trace.means[-1 - STEADY_BUCKETS] for trace in fresh)
        return None if rise <= limit else f"{kettle} still rises, by {rise:.2f} K in 30 s."

    def _no_rise(self, now: int) -> str | None:
        """Nothing that has so long to show saw a part of what the heat should have done."""
        fresh = [trace for trace in self._traces.values() if trace.fresh(now)]
        windows = [(trace, self._no_rise_buckets(trace.means[-1])) for trace in fresh]
        texts = [self._stands(trace, n) for trace, n in windows if len(trace.means) >= n]
        return texts[0] if texts and all(texts) else None

    def _no_rise_buckets(self, celsius: float) -> int:
        """The buckets that the whole element needs for a rise that is more than noise."""
        full_w = EFFICIENCY * self.rules.element_w
        spare_w = full_w - self._loss_w(celsius)
        if spare_w <= 0:
            return NO_RISE_MOST_BUCKETS
        joules = NO_RISE_EXPECTED_K * self.rules.volume_l * WATER_J_PER_KG_K
        buckets = (joules * 1000 / BUCKET_MS + NO_RISE_LAG_BUCKETS * full_w) / spare_w
        # One more: it has not been at this temperature all the time.
        return min(max(NO_RISE_BUCKETS, math.ceil(buckets) + 1), NO_RISE_MOST_BUCKETS)

    def _loss_w(self, celsius: float) -> float:
        """What it and the kettles at its coil give off at least, W; they are no warmer than it."""
        volumes = (self.rules.volume_l, *(load.rules.volume_l for load in self.loads))
        return sum(loss_w(celsius, volume_l) for volume_l in volumes)

    def _stands(self, trace: Trace, buckets: int) -> str | None:
        rules = self.rules
        means = list(trace.means)[-buckets:]
        first = trace.last - buckets + 1
        seconds = buckets * BUCKET_MS / 1000
        joules = self._heat.joules(first, trace.last)
        if joules < NO_RISE_DUTY * rules.element_w * seconds:
            return None
        if joules <= 0 or max(means) >= rules.boil_c - NOT_BOILING_K:
            return None
        shown = self._heat.joules(first, trace.last - NO_RISE_LAG_BUCKETS) * EFFICIENCY
        lost = self._loss_w(sum(means) / len(means)) * seconds
        seen = _greatest_rise(means)
        for load in self.loads:
            taken = load.gained(buckets)
            if taken is None:
                return None
            seen += taken * load.rules.volume_l / rules.volume_l
        expected = (shown - lost) / (rules.volume_l * WATER_J_PER_KG_K)
        if expected < NO_RISE_EXPECTED_K or seen >= NO_RISE_SHARE * expected:
            return None
        return (
            f"{rules.kettle_id} was heated for {seconds:.0f} s and rose by {seen:.1f} K instead of"
            f" {expected:.1f}: it is dry, its element is dead, or the probe is not in it."
        )

    def gained(self, buckets: int) -> float | None:
        """By how much it rose in the newest `buckets`, K; None where that is not known."""
        known = [list(t.means)[-buckets:] for t in self._traces.values() if len(t.means) >= buckets]
        return max(map(_greatest_rise, known), default=None)

    def _too_fast(self, now: int) -> str | None:
        rules = self.rules
        possible = full_rate_k_per_s(rules) * TOO_FAST_STEP_MS / 1000
        limit = TOO_FAST_FACTOR * possible + TOO_FAST_FLOOR_K
        for trace in self._traces.values():
            rises = trace.rises(now, TOO_FAST_STEP_MS, TOO_FAST_STEPS)
            if rises is not None and min(rises) > limit:
                return (
                    f"{rules.kettle_id} rises by {sum(rises):.1f} K in"
                    f" {TOO_FAST_STEPS * TOO_FAST_STEP_MS // 1000} s, more than its element can do"
                    " in its water: it may be dry."
                )
        return None

    def _unseen(self, now: int) -> str | None:
        """Why it is not sure that nothing rises too fast, or None."""
        for trace in self._traces.values():
            if trace.rises(now, TOO_FAST_STEP_MS, TOO_FAST_STEPS) is not None:
                return None
        seconds = TOO_FAST_STEPS * TOO_FAST_STEP_MS // 1000
        return (
            f"No probe of {self.rules.kettle_id} was good for {seconds} s: wait until it tells how"
            " fast it rises."
        )

    def _not_apart(self, now: int) -> str | None:
        """Why it is not sure that every probe has a trace of its own, or None."""
        here = {probe.series for probe in self._present}
        for (a, b), pair in self._pairs.items():
            if {a, b} <= here and not pair.apart(now):
                return (
                    f"{a} and {b} have not been seen to change each by itself in the last"
                    f" {PARTED_MS // 1000} s: wait, or warm one of them alone."
                )
        return None

    def _cross_talk(self) -> str | None:
        flagged = {p.series for p in self._present if p.quality == "suspect:cross_talk"}
        here = {probe.series for probe in self._present}
        for (a, b), pair in self._pairs.items():
            if pair.copying and {a, b} <= here:
                flagged |= {a, b}
        if not flagged:
            return None
        return (
            f"Probes of {self.rules.kettle_id} copy another's trace:"
            f" {', '.join(sorted(flagged))}. Check the bus, its pull-up and its wires."
        )


def _greatest_rise(means: Sequence[float]) -> float:
    """The greatest rise within: cold water poured in between does not hide it."""
    lowest, greatest = means[0], 0.0
    for mean in means:
        lowest = min(lowest, mean)
        greatest = max(greatest, mean - lowest)
    return greatest


def full_rate_k_per_s(rules: KettleRules) -> float:
    """The rise that the whole element gives the configured volume, K/s."""
    return rules.element_w / (rules.volume_l * WATER_J_PER_KG_K)


def loss_w(celsius: float, volume_l: float) -> float:
    """At least what an open, bare kettle of this volume gives off, watts.

    12 W/K to a room of 20 °C and 12 W per kPa of water's vapour pressure (Antoine, 1-100 °C) at
    30 l, growing with its surface: half as much again as a stainless kettle with a rolling surface.
    """
    celsius = min(max(celsius, 1.0), 100.0)
    kpa = 101.325 / 760.0 * math.pow(10.0, 8.07131 - 1730.63 / (233.426 + celsius))
    return (12.0 * max(0.0, celsius - 20.0) + 12.0 * kpa) * math.pow(volume_l / 30.0, 2 / 3)
