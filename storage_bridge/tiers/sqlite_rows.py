"""Samples as rows of the store file, and the minutes they add up to."""

import sqlite3
from typing import TYPE_CHECKING

from storage_bridge.model import MINUTE_MS, OK, Sample, is_number, problem
from storage_bridge.records import sqlite_rows as records

from .base import Bucket, Conflict, Span, TierRejectedError, Written
from .conflicts import refused_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .sqlite_store import SqliteStore

type _Row = tuple[int, int, float | None, int | None, int | None]

_INSERT = "INSERT INTO sample (sid, t, value, quality, batch) VALUES (?, ?, ?, ?, ?)"
_SELECT = """
SELECT s.t, s.value, coalesce(q.text, 'ok'), b.text FROM sample s
LEFT JOIN label q ON q.id = s.quality LEFT JOIN label b ON b.id = s.batch
WHERE s.sid = (SELECT id FROM series WHERE name = ?) AND s.t >= ? AND s.t < ?
ORDER BY s.t LIMIT ?
"""
_ADD_MINUTE = """
INSERT INTO minute (sid, t, rows, n, low, high, total, first, last)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sid, t) DO UPDATE SET
  rows = rows + excluded.rows, n = n + excluded.n,
  low = min(coalesce(low, excluded.low), coalesce(excluded.low, low)),
  high = max(coalesce(high, excluded.high), coalesce(excluded.high, high)),
  total = total + excluded.total,
  first = min(first, excluded.first), last = max(last, excluded.last)
"""
_FROM_MINUTES = """
SELECT t / :bucket * :bucket, sum(rows), sum(n), min(low), max(high), sum(total),
  min(t + first), max(t + last)
FROM minute WHERE sid = (SELECT id FROM series WHERE name = :series) AND t >= :start AND t < :end
GROUP BY 1 ORDER BY 1
"""
_FROM_SAMPLES = """
SELECT s.t / :bucket * :bucket, count(*), count(v), min(v), max(v), sum(v), min(t), max(t)
FROM (
  SELECT s.t, CASE WHEN q.text LIKE 'bad%' THEN NULL ELSE s.value END AS v
  FROM sample s LEFT JOIN label q ON q.id = s.quality
  WHERE s.sid = (SELECT id FROM series WHERE name = :series) AND s.t >= :start AND s.t < :end
) s GROUP BY 1 ORDER BY 1
"""


def insert(
    store: SqliteStore, connection: sqlite3.Connection, samples: Sequence[Sample]
) -> Written:
    """Store samples; the first content of a key stays, others go to `conflict`.

    A value of -0.0 comes back as 0.0, its equal: SQLite stores whole reals as integers.
    """
    fresh: dict[tuple[str, int], Sample] = {}
    again: list[Sample] = []
    for sample in samples:
        reason = problem(sample)
        if reason is not None:
            raise TierRejectedError(reason)
        key = (sample.series, sample.t)
        if key in fresh:
            again.append(sample)
        else:
            fresh[key] = sample
    new = list(fresh.values())
    connection.execute("SAVEPOINT fresh")
    try:
        connection.executemany(_INSERT, [_row(store, connection, sample) for sample in new])
    except sqlite3.IntegrityError:
        # Some are here already: a replay, the other bridge, or a fault. One by one then.
        connection.execute("ROLLBACK TO fresh")
        store.forget_ids()
        again, new = new + again, []
    connection.execute("RELEASE fresh")
    same = 0
    conflicts: list[Conflict] = []
    for sample in again:
        row = _row(store, connection, sample)
        kept = _stored(connection, row, sample)
        if kept is None:
            connection.execute(_INSERT, row)
            new.append(sample)
        elif kept == sample:
            same += 1
        else:
            conflicts.append(Conflict(kept, sample))
    _add_minutes(store, connection, new)
    keep_conflicts(connection, conflicts)
    return Written(len(new), same, tuple(conflicts))


def select(
    connection: sqlite3.Connection, series: str, start: int, end: int, limit: int | None
) -> list[Sample]:
    """Samples with `start <= t < end` (ms), by rising `t`."""
    found = connection.execute(_SELECT, (series, start, end, -1 if limit is None else limit))
    return [Sample(series, *row) for row in found]


def aggregate(
    connection: sqlite3.Connection, series: str, start: int, end: int, bucket_ms: int
) -> list[Bucket]:
    """Buckets from the minutes, or from the samples when they are finer than a minute."""
    query = _FROM_SAMPLES if bucket_ms % MINUTE_MS else _FROM_MINUTES
    found = connection.execute(
        query, {"series": series, "start": start, "end": end, "bucket": bucket_ms}
    )
    # A sum of nothing, or one beyond a double, comes as null.
    return [
        Bucket(t, rows, n, low, high, total or 0.0, first, last)
        for t, rows, n, low, high, total, first, last in found
    ]


def delete(store: SqliteStore, connection: sqlite3.Connection, samples: Sequence[Sample]) -> int:
    """Remove those samples, of one series, that are stored with this content; how many."""
    rows = [_row(store, connection, sample) for sample in samples]
    before = connection.total_changes
    connection.executemany(
        "DELETE FROM sample WHERE sid = ? AND t = ? AND value IS ? AND quality IS ? AND batch IS ?",
        rows,
    )
    gone = connection.total_changes - before
    if gone:
        times = [sample.t for sample in samples]
        start, end = min(times), max(times) + MINUTE_MS
        start -= start % MINUTE_MS
        end -= end % MINUTE_MS
        connection.execute(
            "DELETE FROM minute WHERE sid = ? AND t >= ? AND t < ?", (rows[0][0], start, end)
        )
        left = select(connection, samples[0].series, start, end, None)
        _add_minutes(store, connection, left)
    return gone


def series(connection: sqlite3.Connection, since: int) -> list[str]:
    """Names of the series with samples in or after the minute `since` (ms), sorted."""
    found = connection.execute(
        "SELECT name FROM series s WHERE EXISTS"
        " (SELECT 1 FROM sample WHERE sid = s.id AND t >= ?) ORDER BY name",
        (since,),
    )
    return [name for (name,) in found]


def span(connection: sqlite3.Connection, name: str, since: int) -> Span | None:
    """First and last time (ms) of a series from `since` on."""
    first, last = connection.execute(
        "SELECT (SELECT min(t) FROM sample WHERE sid = s.id AND t >= ?1),"
        " (SELECT max(t) FROM sample WHERE sid = s.id AND t >= ?1)"
        " FROM (SELECT (SELECT id FROM series WHERE name = ?2) AS id) s",
        (since, name),
    ).fetchone()
    return None if first is None else Span(first, last)


def count(connection: sqlite3.Connection, since: int) -> int:
    """The number of samples in or after the minute `since` (ms)."""
    (rows,) = connection.execute(
        "SELECT sum((SELECT sum(rows) FROM minute WHERE sid = s.id AND t >= ?)) FROM series s",
        (since,),
    ).fetchone()
    return rows or 0


def keep_conflicts(connection: sqlite3.Connection, conflicts: Iterable[Conflict]) -> None:
    """Keep each refused content once."""
    records.put(connection, [refused_of(conflict) for conflict in conflicts])


def _row(store: SqliteStore, connection: sqlite3.Connection, sample: Sample) -> _Row:
    return (
        store.intern(connection, "series", sample.series),
        sample.t,
        None if sample.value is None else float(sample.value),
        None if sample.quality == OK else store.intern(connection, "label", sample.quality),
        None if sample.batch is None else store.intern(connection, "label", sample.batch),
    )


def _stored(connection: sqlite3.Connection, row: _Row, sample: Sample) -> Sample | None:
    found = connection.execute(
        "SELECT value, quality, batch FROM sample WHERE sid = ? AND t = ?", row[:2]
    ).fetchone()
    if found is None:
        return None
    if found == row[2:]:
        return sample
    return select(connection, sample.series, sample.t, sample.t + 1, None)[0]


def _add_minutes(
    store: SqliteStore, connection: sqlite3.Connection, samples: Iterable[Sample]
) -> None:
    minutes: dict[tuple[str, int], list[Sample]] = {}
    for sample in samples:
        minutes.setdefault((sample.series, sample.t - sample.t % MINUTE_MS), []).append(sample)
    rows = []
    for (name, minute), group in minutes.items():
        numbers = [s.value for s in group if s.value is not None and is_number(s.value, s.quality)]
        times = [sample.t - minute for sample in group]
        rows.append(
            (
                store.intern(connection, "series", name),
                minute,
                len(group),
                len(numbers),
                min(numbers, default=None),
                max(numbers, default=None),
                float(sum(numbers)),
                min(times),
                max(times),
            )
        )
    connection.executemany(_ADD_MINUTE, rows)
