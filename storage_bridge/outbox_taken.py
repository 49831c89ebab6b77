"""What was taken in, by series and time: few numbers that tell whether a tier holds the same."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from .model import Sample

if TYPE_CHECKING:
    import sqlite3

    from .coverage import Span
    from .outbox_batch import Batch

PERIOD_MS: Final = 30 * 86_400_000
_MASK: Final = 4611686018427387903  # 2^62 - 1: two of them fit into 64 bits

# Beside the schema: an outbox of before has none, and its figures begin when it gets one.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS taken (
  series TEXT NOT NULL, period INTEGER NOT NULL, n INTEGER NOT NULL, total INTEGER NOT NULL,
  PRIMARY KEY (series, period)
) WITHOUT ROWID
"""


class Key(NamedTuple):
    """A series, and the number of a PERIOD_MS since 1970."""

    series: str
    period: int


class Figure(NamedTuple):
    """How many samples, and the sum of their times (ms) modulo 2^62."""

    n: int = 0
    total: int = 0


def figures(samples: Iterable[Sample]) -> dict[Key, Figure]:
    """The figures of samples, each counted as often as it is given."""
    found: dict[tuple[str, int], list[int]] = {}
    for series, t, *_ in samples:
        figure = found.setdefault((series, t // PERIOD_MS), [0, 0])
        figure[0] += 1
        figure[1] += t
    return {Key(*key): Figure(n, total & _MASK) for key, (n, total) in found.items()}


def both(some: Mapping[Key, Figure], others: Mapping[Key, Figure]) -> dict[Key, Figure]:
    """The figures of all samples that these are the figures of."""
    found = dict(some)
    for key, (n, total) in others.items():
        before = found.get(key, Figure())
        found[key] = Figure(before.n + n, (before.total + total) & _MASK)
    return found


def new_samples(batch: Batch, blob: bytes, new: Sequence[Span]) -> Sequence[Sample]:
    """Those samples of a message whose numbers lie in `new`."""
    if new == batch.spans:
        return batch.samples
    event = orjson.loads(blob)["event"]
    keys = {
        (event["series"][row[2]], row[1])
        for row in event["samples"]
        if _is_row(row, event["series"]) and any(low <= row[0] <= high for low, high in new)
    }
    return [sample for sample in batch.samples if (sample.series, sample.t) in keys]


def add_taken(db: sqlite3.Connection, samples: Iterable[Sample]) -> None:
    """Count samples, in the transaction that takes them in."""
    db.executemany(
        "INSERT INTO taken (series, period, n, total) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
        "SET n = n + excluded.n, total = (total + excluded.total) & ?",
        [(*key, *figure, _MASK) for key, figure in figures(samples).items()],
    )


def read_taken(db: sqlite3.Connection) -> Mapping[Key, Figure]:
    """All figures; none in an outbox of before there were any."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'taken'").fetchone():
        return {}
    rows = db.execute("SELECT series, period, n, total FROM taken").fetchall()
    return {Key(series, period): Figure(n, total) for series, period, n, total in rows}


def _is_row(row: object, series: Sequence[str]) -> bool:
    return (
        isinstance(row, list)
        and len(row) == 6
        and all(type(part) is int for part in row[:3])
        and 0 <= row[2] < len(series)
    )
