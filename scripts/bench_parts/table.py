"""What a benchmark found: a table for people, JSON for machines."""

import json
import math
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_HEAD: Final = ("what", "measured", "target", "peer", "verdict")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `verdict` is empty where there is no target."""

    what: str
    measured: str
    target: str = ""
    peer: str = ""
    verdict: str = ""


@dataclass(slots=True)
class Report:
    """Rows for people, the same as plain numbers in `figures`, and what has to be said of them."""

    rows: list[Row] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(
        self, what: str, measured: str, *, target: str = "", peer: str = "", met: bool | None = None
    ) -> None:
        """Append a row; `met` is whether the target was, None where there is none."""
        verdict = "" if met is None else ("met" if met else "not met")
        self.rows.append(Row(what, measured, target, peer, verdict))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def spread(values: Sequence[float], unit: str = "ms") -> str:
    """`p50 / p95 / max unit`."""
    p50, p95 = percentile(values, 50), percentile(values, 95)
    return f"{p50:.1f} / {p95:.1f} / {max(values):.1f} {unit}"


def render(title: str, report: Report) -> str:
    """The table as text."""
    lines = [_HEAD, *((r.what, r.measured, r.target, r.peer, r.verdict) for r in report.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    shown = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    shown.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(
        [f"\n{title}", "", *(f"  {line}" for line in shown), *(f"  * {n}" for n in report.notes)]
    )


def store(path: Path, name: str, title: str, report: Report) -> None:
    """Write everything as JSON."""
    body = {"name": name, "title": title, "at": datetime.now(UTC).isoformat(), **asdict(report)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=1) + "\n", "utf-8")
