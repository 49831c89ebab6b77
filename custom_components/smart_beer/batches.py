"""Events of the `smart_beer/samples` subscription: one node's samples, serialised once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from homeassistant.helpers.json import json_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .models import SamplesPage

MAX_SAMPLES: Final = 1000
MAX_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """One event: the samples of a spool after a cursor up to `next`; `payload` is its JSON."""

    spool_id: str
    next: int
    count: int
    payload: bytes


def make_batch(
    node_id: str,
    pages: list[SamplesPage],
    after: int,
    *,
    max_samples: int = MAX_SAMPLES,
    max_bytes: int = MAX_BYTES,
) -> Batch | None:
    """The first samples of `pages`, which follow on each other and on `after`; None if empty.

    At most `max_samples`, and at most `max_bytes` of JSON unless one sample alone is larger.
    A gap is always at the start of an event: a later page that has one waits for the next.
    """
    limit = max_samples
    while True:
        event = _event(node_id, pages, after, limit)
        rows = event["samples"]
        if not rows:
            return None
        payload = json_bytes(event)
        if len(payload) <= max_bytes or len(rows) == 1:
            return Batch(event["spool_id"], event["next"], len(rows), payload)
        limit = len(rows) // 2


def _event(node_id: str, pages: list[SamplesPage], after: int, limit: int) -> dict[str, Any]:
    series: dict[str, int] = {}
    batches: dict[str, int] = {}
    rows: list[list[Any]] = []
    gap: dict[str, int] | None = None
    holes: list[list[int]] = []
    for page in pages:
        if len(rows) == limit or (rows and page.gap):
            break
        gap = gap or page.gap
        holes = page.holes
        for seq, t, index, value, quality, batch in page.samples[: limit - len(rows)]:
            rows.append(
                [
                    seq,
                    t,
                    series.setdefault(page.series[index], len(series)),
                    value,
                    quality,
                    None if batch is None else _index(batches, page.batches[batch]),
                ]
            )
    until = rows[-1][0] if rows else after
    return {
        "node_id": node_id,
        "spool_id": pages[0].spool_id if pages else "",
        "series": list(series),
        "batches": list(batches),
        "samples": rows,
        "next": until,
        "gap": gap,
        "holes": _between(holes, after, until),
    }


def _index(table: dict[str, int], name: str) -> int:
    return table.setdefault(name, len(table))


def _between(holes: Iterable[list[int]], after: int, until: int) -> list[list[int]]:
    return [hole for hole in holes if hole[1] > after and hole[0] <= until]
