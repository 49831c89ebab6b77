"""An outbox read from its file alone, beside a running bridge or without one."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from . import outbox_latency
from .coverage import size
from .model import Sample
from .outbox import read_ledger
from .outbox_batch import MalformedBatchError, parse_message
from .outbox_pack import unpack
from .outbox_schema import (
    OutboxError,
    bytes_used,
    read_counters,
    read_set_aside,
    reading,
)
from .outbox_taken import Figure, Key, read_taken
from .verify import Expected

MOST_WAITING: Final = 2_000_000  # samples: some hundred megabytes of memory


def read_status(path: Path) -> dict[str, Any]:
    """`{outbox, coverage}` as a running bridge would show them; raises OutboxError."""
    with reading(path) as db:
        rows, samples, last = db.execute(
            "SELECT COUNT(*), COALESCE(SUM(samples), 0), COALESCE(MAX(id), 0) FROM batch"
        ).fetchone()
        latency = dict(db.execute("SELECT bucket, n FROM latency").fetchall())
        return {
            "outbox": {
                "rows": rows,
                "samples": samples,
                "bytes": bytes_used(db),
                "last_row": last,
                "letters": db.execute("SELECT COUNT(*) FROM dead_letter").fetchone()[0],
                "cursors": dict(db.execute("SELECT sink, id FROM cursor").fetchall()),
                "counters": read_counters(db),
                "latency_ms": outbox_latency.summary(latency),
            },
            "coverage": read_ledger(db),
        }


def read_waiting(path: Path, sinks: Collection[str], before: int) -> int:
    """How many samples none of these sinks holds yet; raises OutboxError.

    0 as long as the first of them is not older than `before` (ms): those are on their way.
    """
    with reading(path) as db:
        cursors = dict(db.execute("SELECT sink, id FROM cursor").fetchall())
        held = max((cursors.get(sink, 0) for sink in sinks), default=0)
        first = db.execute(
            "SELECT packed, blob FROM batch WHERE id > ? ORDER BY id LIMIT 1", (held,)
        ).fetchone()
        if first is None or min((sample.t for sample in _samples_of(*first)), default=0) >= before:
            return 0
        (waiting,) = db.execute("SELECT SUM(samples) FROM batch WHERE id > ?", (held,)).fetchone()
    return int(waiting)


def read_covered(path: Path) -> dict[str, int]:
    """By node: how many numbers were ever taken in; raises OutboxError."""
    with reading(path) as db:
        ledger = read_ledger(db)
    return {
        node_id: sum(size(spool["coverage"]) for spool in spools)
        for node_id, spools in ledger.items()
    }


def read_figures(path: Path) -> Mapping[Key, Figure]:
    """By series and period: how many samples were ever taken in, and when they were.

    Raises OutboxError.
    """
    with reading(path) as db:
        return read_taken(db)


def read_expected(path: Path) -> Expected:
    """What `verify` compares the tiers with; raises OutboxError."""
    covered = read_covered(path)
    with reading(path) as db:
        db.execute("BEGIN")  # all of one moment
        taken = read_taken(db)
        cursor = db.execute(
            "SELECT COALESCE(MAX(id), 0) FROM cursor WHERE sink = 'warm'"
        ).fetchone()
        waiting: dict[str, set[int]] = {}
        count = 0
        for packed, blob in db.execute(
            "SELECT packed, blob FROM batch WHERE id > ? ORDER BY id", cursor
        ):
            for sample in _samples_of(packed, blob):
                waiting.setdefault(sample.series, set()).add(sample.t)
                count += 1
            if count > MOST_WAITING:
                raise OutboxError(
                    f"More than {MOST_WAITING} samples wait in {path} for the warm tier: the tiers "
                    "cannot be compared before it has taken them"
                )
        aside = read_set_aside(db)
    return Expected(covered=covered, taken=taken, waiting=waiting, set_aside=aside)


def _samples_of(packed: int, blob: bytes) -> Iterator[Sample]:
    for message in unpack(blob) if packed else (blob,):
        # One that is malformed no tier will get: what was in it does not wait, it is lost.
        with suppress(MalformedBatchError):
            yield from parse_message(message).samples
