"""Is everything here? Coverage against the nodes' spools, and the tiers against the coverage."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

from .coverage import Span, size, subtract, text, union
from .model import Sample
from .outbox_taken import PERIOD_MS, Figure, Key, both, figures

_SHOWN: Final = 5  # series named in one sentence
_PAGE: Final = 10_000  # samples summed up at once
_NONE: Final[set[int]] = set()


@dataclass(frozen=True, slots=True)
class Report:
    """Sentences: `missing` is what should be here and is not, `notes` what is good to know.

    `unproven` is where that cannot be told.
    """

    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it is proven that nothing is missing."""
        return not (self.missing or self.unproven)


def check_coverage(
    ledger: Mapping[str, Sequence[Mapping[str, Any]]], spools: Mapping[str, Mapping[str, Any]]
) -> Report:
    """What the nodes' spools hold (`smart_beer/spools`) and the outbox never took in."""
    report = Report()
    for node_id, spool in sorted(spools.items()):
        spool_id, first, last = (spool.get(key) for key in ("spool_id", "first_seq", "last_seq"))
        if not isinstance(spool_id, str) or type(first) is not int or type(last) is not int:
            report.notes.append(f"Node {node_id}: Home Assistant has not heard of its spool yet")
            continue
        if not spool.get("connected"):
            report.notes.append(f"Node {node_id} is not connected: compared with the last known")
        known = next((s for s in ledger.get(node_id, ()) if s["spool_id"] == spool_id), None)
        covered: list[Span] = known["coverage"] if known else []
        holes = [(low, high) for low, high in spool.get("holes", [])]
        absent = [*known["gaps"], *known["holes"]] if known else []
        held = subtract([(max(first, 1), last)] if last >= max(first, 1) else [], union(holes))
        lacking = subtract(held, union([*covered, *absent]))
        if lacking:
            report.missing.append(
                f"Node {node_id}: {size(lacking)} samples of its spool {spool_id} were never "
                f"taken in: seq {text(lacking)}"
            )
        else:
            report.notes.append(
                f"Node {node_id}: all {size(held)} samples of its spool were taken in"
            )
    for node_id, known_spools in sorted(ledger.items()):
        for spool in known_spools:
            if spool["gaps"]:
                report.notes.append(
                    f"Node {node_id}: {size(spool['gaps'])} samples of spool {spool['spool_id']} "
                    f"were dropped by the node before they were read: seq {text(spool['gaps'])}"
                )
    return report


@dataclass(frozen=True, slots=True)
class Expected:
    """What was taken in, and what of it need not be in the tiers (yet).

    By node `covered` numbers, of which so many are `set_aside`; `taken` is what has figures by
    series; by series the times of the samples that are `waiting` for warm.
    """

    covered: Mapping[str, int]
    taken: Mapping[Key, Figure]
    waiting: Mapping[str, set[int]]
    set_aside: Mapping[str, int]


class Held:
    """What the tiers hold, or is on its way there, or met another content; each key once."""

    def __init__(self, waiting: Mapping[str, set[int]]) -> None:
        self._waiting = {series: set(times) for series, times in waiting.items()}
        self._figures: dict[Key, Figure] = {}
        self._page: list[Sample] = []
        self.refused: Counter[Key] = Counter()
        self.stored: Counter[str] = Counter()

    def add(self, sample: Sample) -> None:
        """A sample that is in a tier."""
        self._waiting.get(sample.series, _NONE).discard(sample.t)
        self.stored[node_of(sample.series)] += 1
        self._page.append(sample)
        if len(self._page) == _PAGE:
            self._figures = both(self._figures, figures(self._page))
            self._page.clear()

    def refuse(self, series: str, t: int) -> None:
        """A content that met another one under its key, and was taken in nevertheless."""
        self.refused[Key(series, t // PERIOD_MS)] += 1

    def figures(self) -> dict[Key, Figure]:
        """Those that were added and those that still wait."""
        waiting = (
            Sample(series, t, None, "", None)
            for series, times in self._waiting.items()
            for t in times
        )
        return both(self._figures, figures(chain(self._page, waiting)))

    def waiting(self) -> Counter[str]:
        """By node: how many still wait."""
        found: Counter[str] = Counter()
        for series, times in self._waiting.items():
            found[node_of(series)] += len(times)
        return found


def check_tiers(expected: Expected, taken_after: Mapping[Key, Figure], held: Held) -> Report:
    """Distinct samples in the tiers, series by series, against what was taken in.

    `expected` is from before the tiers were read, `taken_after` from after: while samples keep
    coming, the truth lies between the two, and without new ones the check is exact. What is there
    beyond what was taken in proves nothing, least of all that something else is not lost.
    """
    report = Report()
    present, waiting = held.figures(), held.waiting()
    nodes = {*expected.covered, *(node_of(key.series) for key in (*expected.taken, *present))}
    by_node: dict[str, set[Key]] = {node_id: set() for node_id in nodes}
    for key in (*expected.taken, *present):
        by_node[node_of(key.series)].add(key)
    for node_id in sorted(nodes):
        covered = expected.covered.get(node_id, 0)
        aside = expected.set_aside.get(node_id, 0)
        line = f"Node {node_id}: {covered} samples taken in, {held.stored[node_id]} in the tiers"
        line += f", {waiting[node_id]} waiting in the outbox" if waiting[node_id] else ""
        line += f", {aside} set aside" if aside else ""
        known = sum(expected.taken[key].n for key in by_node[node_id] & expected.taken.keys())
        if known + aside < covered:
            total = sum(present[key].n for key in by_node[node_id] & present.keys())
            if total + aside < covered:
                report.missing.append(f"{line}: {covered - aside - total} are missing from them")
            else:
                report.unproven.append(
                    f"{line}: {covered - aside - known} of them were taken in by a version that "
                    "did not count them by series"
                )
            continue
        # Numbers that were no samples were set aside before they could be counted by series.
        allowed = max(0, aside - (covered - known))
        lacking: list[tuple[Key, int]] = []
        for key in sorted(by_node[node_id]):
            before = expected.taken.get(key, Figure())
            here, after = present.get(key, Figure()), taken_after.get(key, Figure())
            lost = before.n - here.n - held.refused[key]
            extra = here.n - after.n
            if lost > 0:
                lacking.append((key, lost))
            elif extra > 0 and after.n:
                report.unproven.append(
                    f"{_shown(key)}: {extra} samples more in the tiers than were taken in by this "
                    "outbox (another bridge, an import, or an outbox that was replaced); as many "
                    "of those that were may be missing"
                )
            elif extra > 0:
                report.notes.append(
                    f"{_shown(key)}: none of the {extra} samples in the tiers was taken in by this "
                    "outbox (another bridge, an import, or an outbox that was replaced)"
                )
            elif before == after and here.n == after.n and here.total != after.total:
                report.missing.append(
                    f"{_shown(key)}: as many samples in the tiers as were taken in, {here.n}, but "
                    "not the same"
                )
        lost = sum(n for _, n in lacking)
        if lost > allowed:
            worst = ", ".join(f"{n} of {_shown(key)}" for key, n in lacking[:_SHOWN])
            more = ", ..." if len(lacking) > _SHOWN else ""
            report.missing.append(
                f"{line}: {lost - allowed} are missing from the tiers ({worst}{more})"
            )
        else:
            report.notes.append(line)
    return report


def node_of(series: str) -> str:
    """The node that a series is of."""
    return series.partition("/")[0]


def _shown(key: Key) -> str:
    start, end = (
        datetime.fromtimestamp(period * PERIOD_MS // 1000, UTC).date()
        for period in (key.period, key.period + 1)
    )
    return f"{key.series} from {start} to {end}"
