"""PURE: what counts as a kettle's process value, and who is to be believed when two disagree.

The reference, if it is at most 5 s old and made of at least two good probes; else the node's own
good probe, unless the leader says that the kettle's probes contradict each other; else nothing, and
nothing means off.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from edge_node.safety.rules import KettleRules, ProbeValue, ProcessValue, Reference

MAX_AGE_MS: Final = 5_000
OUTLIER_AFTER_MS: Final = 60_000
AGREE_SHARE: Final = 0.75  # of the limit: heat that comes and goes at it would never be judged
_TWO: Final = 2  # probes that make a reference, or a proof against one


@dataclass(frozen=True, slots=True)
class Judged:
    """What one look gave: `values` are all that are not bad, the reference's among them.

    `own` is the good own process probe that is believed. `disagree`: contradictory, whoever lies.
    """

    process: ProcessValue | None
    disagree: bool
    values: tuple[float, ...]
    own: ProbeValue | None
    reference: Reference | None
    outliers: frozenset[str]


@dataclass(slots=True)
class ProcessJudge:
    """The judge of one kettle; `now` never goes back.

    A contradiction stands until the two agree again, the own probe is proven wrong, or a new
    authority starts afresh (`forget`): the reference going away does not make the own probe true.
    """

    rules: KettleRules
    _since: dict[str, int] = field(default_factory=dict)  # disagrees without a break
    _contradicted: set[str] = field(default_factory=set)
    _outliers: dict[str, int | None] = field(default_factory=dict)  # agrees again since

    def forget(self) -> None:
        """A new lease or a person at the kettle: unproven contradictions are judged anew."""
        self._since.clear()
        self._contradicted.clear()

    def look(self, now: int, own: Sequence[ProbeValue], reference: Reference | None) -> Judged:
        """Judge what is there at `now`."""
        # Whoever sees all probes sees that they contradict each other: then no own one is believed.
        contradiction = (
            reference is not None and reference.value is None and _fresh(reference.mono_ms, now)
        )
        if not _usable(reference, now):
            reference = None
        good = [probe for probe in own if probe.process and is_good(probe, now)]
        for probe in good:
            self._compare(probe, reference, now)
        for series in [s for s in self._since if all(p.series != s for p in good)]:
            del self._since[series]
        believed = [probe for probe in good if probe.series not in self._outliers]
        return Judged(
            process=self._process(believed, reference),
            disagree=contradiction or self._disagree(believed, reference),
            values=_values(own, reference, now),
            own=believed[0] if believed else None,
            reference=reference,
            outliers=frozenset(self._outliers),
        )

    def _process(
        self, believed: Sequence[ProbeValue], reference: Reference | None
    ) -> ProcessValue | None:
        if reference is not None:
            assert reference.value is not None
            return ProcessValue(reference.value, "reference", reference.mono_ms)
        if self.rules.reference_required or not believed:
            return None
        value = believed[0].value
        assert value is not None
        return ProcessValue(value, "own", believed[0].mono_ms)

    def _disagree(self, believed: Sequence[ProbeValue], reference: Reference | None) -> bool:
        if any(probe.series in self._contradicted for probe in believed):
            return True
        if reference is not None:
            return False  # they were compared with it, each
        values = [probe.value for probe in believed if probe.value is not None]
        return bool(values) and max(values) - min(values) > self.rules.disagree_limit

    def _compare(self, probe: ProbeValue, reference: Reference | None, now: int) -> None:
        """Learn from a good own probe; without a reference there is nothing to learn."""
        series = probe.series
        if reference is None or reference.value is None or probe.value is None:
            self._since.pop(series, None)
            if series in self._outliers:
                self._outliers[series] = None
            return
        limit = self.rules.disagree_limit
        if series in self._contradicted or series in self._outliers:
            limit *= AGREE_SHARE
        if abs(probe.value - reference.value) <= limit:
            self._since.pop(series, None)
            self._contradicted.discard(series)
            self._agree(series, now)
            return
        if series in self._outliers:
            self._outliers[series] = None
            return
        self._contradicted.add(series)
        since = self._since.setdefault(series, now)
        others = {other for other in reference.probes if other != series}
        if now - since >= OUTLIER_AFTER_MS and len(others) >= _TWO:
            self._outliers[series] = None
            self._contradicted.discard(series)
            del self._since[series]

    def _agree(self, series: str, now: int) -> None:
        """An outlier that agrees for as long as it took to prove it wrong is believed again."""
        if series not in self._outliers:
            return
        since = self._outliers[series]
        if since is None:
            self._outliers[series] = now
        elif now - since >= OUTLIER_AFTER_MS:
            del self._outliers[series]


def is_good(probe: ProbeValue, now: int) -> bool:
    """Whether a probe's value is `ok`, a number, and neither older than 5 s nor from the future."""
    return probe.quality == "ok" and _is_number(probe.value) and _fresh(probe.mono_ms, now)


def is_present(probe: ProbeValue, now: int) -> bool:
    """Whether a probe has a value now that is not bad; it may be suspect."""
    fresh = _fresh(probe.mono_ms, now)
    return fresh and _is_number(probe.value) and not probe.quality.startswith("bad")


def _usable(reference: Reference | None, now: int) -> bool:
    return (
        reference is not None
        and _is_number(reference.value)
        and _fresh(reference.mono_ms, now)
        and len(set(reference.probes)) >= _TWO
    )


def _values(own: Sequence[ProbeValue], reference: Reference | None, now: int) -> tuple[float, ...]:
    """All present values that are not bad, suspect ones and outliers too."""
    values = [probe.value for probe in own if probe.value is not None and is_present(probe, now)]
    if reference is not None and reference.value is not None:
        values.append(reference.value)
    return tuple(values)


def _fresh(mono_ms: int, now: int) -> bool:
    return 0 <= now - mono_ms <= MAX_AGE_MS


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
