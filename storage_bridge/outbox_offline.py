"""An outbox read from its file alone, beside a running bridge or without one."""

from collections import Counter
from pathlib import Path
from typing import Any

from . import outbox_latency
from .coverage import size
from .outbox import read_ledger
from .outbox_batch import parse_message
from .outbox_pack import unpack
from .outbox_schema import bytes_used, connect_read_only, read_counters, read_set_aside
from .verify import Expected


def read_status(path: Path) -> dict[str, Any]:
    """`{outbox, coverage}` as a running bridge would show them; raises OutboxError."""
    db = connect_read_only(path)
    try:
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
    finally:
        db.close()


def read_covered(path: Path) -> dict[str, int]:
    """By node: how many numbers were ever taken in."""
    db = connect_read_only(path)
    try:
        ledger = read_ledger(db)
    finally:
        db.close()
    return {
        node_id: sum(size(spool["coverage"]) for spool in spools)
        for node_id, spools in ledger.items()
    }


def read_expected(path: Path) -> Expected:
    """What `verify` compares the tiers with."""
    covered = read_covered(path)
    db = connect_read_only(path)
    try:
        cursor = db.execute(
            "SELECT COALESCE(MAX(id), 0) FROM cursor WHERE sink = 'warm'"
        ).fetchone()
        waiting: Counter[str] = Counter()
        for packed, blob in db.execute(
            "SELECT packed, blob FROM batch WHERE id > ? ORDER BY id", cursor
        ):
            for message in unpack(blob) if packed else (blob,):
                batch = parse_message(message)
                waiting[batch.node_id] += len(batch.samples)
        aside = read_set_aside(db)
    finally:
        db.close()
    return Expected(covered=covered, waiting=waiting, set_aside=aside)
