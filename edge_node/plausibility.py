"""PURE: whether to believe what a channel says, from what it and its neighbours said before.

Figures that a DS18B20 also shows when it has measured nothing (85.00, a clone's 25.00) are believed
only with a witness; a probe that stands still, or echoes another, becomes suspect. Bad causes and
suspect causes are those of `edge_node.model`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from edge_node.model import Reading
from edge_node.traces import Echo, Follower

POWER_ON_C: Final = 85.0  # 0x0550, also a conversion read too early
CLONE_POWER_ON_C: Final = 25.0  # family D of cpetrich/counterfeit_DS18B20
NO_POWER_C: Final = 127.9375  # 0x07FF
DISCONNECTED_C: Final = -127.0  # what Arduino libraries say for a probe that is gone
WITNESS_K: Final = 2.0
WITNESS_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Rule:
    """What is known of a channel beforehand.

    `limits` (lowest, highest) and `calibration` ((raw, true) points: none, one or two) are in its
    unit. `one_wire`: the rules for DS18B20 parts apply.
    """

    channel_id: str
    kettle_id: str | None
    one_wire: bool
    limits: tuple[float, float]
    stale_s: float
    calibration: tuple[tuple[float, float], ...] = ()

    def true(self, raw: float) -> float:
        """The calibrated value: through two points, shifted by one, or as it is."""
        match self.calibration:
            case ((raw_a, true_a), (raw_b, true_b)):
                return true_a + (raw - raw_a) * (true_b - true_a) / (raw_b - raw_a)
            case ((raw_a, true_a),):
                return raw + true_a - raw_a
            case _:
                return raw


@dataclass(frozen=True, slots=True)
class Raw:
    """What a driver got: a value before calibration, or None and the cause; `mono` is when.

    `genuine`: the part's other bytes say that it has really converted; None if they cannot tell.
    """

    value: float | None
    mono: float
    cause: str = ""
    genuine: bool | None = None


@dataclass(slots=True)
class _Memory:
    """One channel's past: its newest good value, and since when its raw value stands still."""

    good: float | None = None
    good_mono: float = float("-inf")
    suspect: str = ""
    neighbours: dict[str, Follower] = field(default_factory=dict)


class Plausibility:
    """The judge of one node's channels; `now` is monotonic seconds and never goes back."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {rule.channel_id: rule for rule in rules}
        self._memory = {channel_id: _Memory() for channel_id in self._rules}
        self._references: dict[str, tuple[float, float]] = {}
        one_wire = [rule for rule in self._rules.values() if rule.one_wire]
        self._echoes = {
            (a.channel_id, b.channel_id): Echo(a.kettle_id != b.kettle_id)
            for a, b in combinations(one_wire, 2)
        }
        for rule in one_wire:
            self._memory[rule.channel_id].neighbours = {
                other.channel_id: Follower() for other in one_wire if _neighbours(rule, other)
            }

    def reference(self, kettle_id: str, value: float, mono: float) -> None:
        """The kettle's fused temperature, °C, as its leader told it at `mono`."""
        self._references[kettle_id] = (value, mono)

    def judge(self, raws: Mapping[str, Raw], now: float) -> dict[str, Reading]:
        """What each channel is taken to say, calibrated; every channel of `raws` has a rule."""
        causes: dict[str, str] = {}
        values: dict[str, float] = {}
        doubtful: list[str] = []
        for channel_id, raw in raws.items():
            rule = self._rules[channel_id]
            if raw.value is None:
                causes[channel_id] = raw.cause
            elif cause := _cause(rule, raw.value, now - raw.mono):
                causes[channel_id] = cause
            else:
                values[channel_id] = rule.true(raw.value)
                if rule.one_wire and raw.value in {POWER_ON_C, CLONE_POWER_ON_C}:
                    doubtful.append(channel_id)
        # The others' values of this very second are witnesses too.
        for channel_id, value in values.items():
            if channel_id not in doubtful:
                self._remember(channel_id, value, now)
        for channel_id in [c for c in doubtful if not self._believed(c, raws[c], now)]:
            causes[channel_id] = "power_on"
            del values[channel_id]
        for channel_id in doubtful:
            if channel_id in values:
                self._remember(channel_id, values[channel_id], now)
        self._suspect({channel_id: raws[channel_id].value for channel_id in values}, now)
        return {
            channel_id: self._reading(channel_id, values.get(channel_id), causes.get(channel_id))
            for channel_id in raws
        }

    def _reading(self, channel_id: str, value: float | None, cause: str | None) -> Reading:
        if cause is not None:
            return Reading(None, f"bad:{cause}")
        suspect = self._memory[channel_id].suspect
        return Reading(value, f"suspect:{suspect}" if suspect else "ok")

    def _remember(self, channel_id: str, value: float, now: float) -> None:
        memory = self._memory[channel_id]
        if not memory.suspect:
            memory.good, memory.good_mono = value, now

    def _believed(self, channel_id: str, raw: Raw, now: float) -> bool:
        """Whether a power-on value is a true one.

        85.00 needs a witness: this probe, another of its kettle on this node, or the kettle's
        reference said a value within 2.0 K at most 10 s ago. So does 25.00 of a part whose bytes
        look like a clone's; of any other part it is disbelieved only if all witnesses contradict.
        """
        assert raw.value is not None
        value = self._rules[channel_id].true(raw.value)
        witnesses = self._witnesses(channel_id, now)
        if any(abs(value - witness) <= WITNESS_K for witness in witnesses):
            return True
        return raw.value == CLONE_POWER_ON_C and bool(raw.genuine) and not witnesses

    def _witnesses(self, channel_id: str, now: float) -> list[float]:
        memory = self._memory[channel_id]
        known = [memory, *(self._memory[other] for other in memory.neighbours)]
        found = [m.good for m in known if m.good is not None and now - m.good_mono <= WITNESS_S]
        reference = self._references.get(self._rules[channel_id].kettle_id or "")
        if reference is not None and now - reference[1] <= WITNESS_S:
            found.append(reference[0])
        return found

    def _suspect(self, raws: Mapping[str, float | None], now: float) -> None:
        """Look for probes that stand still or echo each other, among those with a value."""
        here = {c: value for c, value in raws.items() if value is not None}
        echoing: set[str] = set()
        for (a, b), echo in self._echoes.items():
            if a in here and b in here:
                thirds = [here[c] for c in self._memory[a].neighbours if c in here and c != b]
                if echo.hears(here[a], here[b], thirds, now):
                    echoing |= {a, b}
        for channel_id, value in here.items():
            memory = self._memory[channel_id]
            evidence = [
                follower.stands_still(value, here[other], now)
                for other, follower in memory.neighbours.items()
                if other in here
            ]
            told = [stands for stands in evidence if stands is not None]
            if channel_id in echoing:
                memory.suspect = "cross_talk"
            elif told and all(told):
                memory.suspect = "frozen"
            else:
                memory.suspect = ""


def _cause(rule: Rule, raw: float, age_s: float) -> str | None:
    """Why a value is bad by itself, or None."""
    if age_s > rule.stale_s:
        return "stale"
    if rule.one_wire and raw == NO_POWER_C:
        return "no_power"
    if raw == DISCONNECTED_C:
        return "disconnected"
    low, high = rule.limits
    return None if low <= rule.true(raw) <= high else "range"


def _neighbours(rule: Rule, other: Rule) -> bool:
    return other is not rule and rule.kettle_id is not None and other.kettle_id == rule.kettle_id
