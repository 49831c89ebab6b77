"""Is everything here? Coverage against the nodes' spools, and the tiers against the coverage."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .coverage import Span, size, subtract, text, union


@dataclass(frozen=True, slots=True)
class Report:
    """Sentences: `missing` is what should be here and is not, `notes` what is good to know."""

    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


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
    """By node: numbers taken in, and how many of them need not be in the tiers (yet)."""

    covered: Mapping[str, int]
    waiting: Mapping[str, int]
    set_aside: Mapping[str, int]


def check_tiers(
    expected: Expected, covered_after: Mapping[str, int], stored: Counter[str]
) -> Report:
    """Distinct samples in the tiers by node, against what was taken in.

    `expected` is from before the tiers were read, `covered_after` from after: while samples keep
    coming, the truth lies between the two, and without new ones the check is exact.
    """
    report = Report()
    for node_id in sorted({*expected.covered, *stored}):
        covered = expected.covered.get(node_id, 0)
        waiting = expected.waiting.get(node_id, 0)
        aside = expected.set_aside.get(node_id, 0)
        lacking = covered - waiting - aside - stored[node_id]
        line = f"Node {node_id}: {covered} samples taken in, {stored[node_id]} in the tiers"
        line += f", {waiting} waiting in the outbox" if waiting else ""
        line += f", {aside} set aside" if aside else ""
        if lacking > 0:
            report.missing.append(f"{line}: {lacking} are missing from the tiers")
        else:
            report.notes.append(line)
        extra = stored[node_id] - covered_after.get(node_id, 0)
        if extra > 0:
            report.notes.append(
                f"Node {node_id}: {extra} samples in the tiers were not taken in by this outbox "
                "(another bridge, an import, or an outbox that was replaced)"
            )
    return report
