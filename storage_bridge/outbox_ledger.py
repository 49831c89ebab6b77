"""What one outbox transaction may change. Runs in the writer's thread, inside its transaction."""

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from .coverage import Span, add, subtract, touching
from .outbox_pack import pack
from .outbox_schema import (
    ASIDE,
    ASIDE_STAGES,
    MADE_UP,
    PASSED,
    read_counters,
    read_newest_spools,
    read_spans,
)
from .outbox_taken import add_taken, new_samples

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from .outbox_batch import BadRecord, Batch

LOGGER = logging.getLogger(__name__)

KEEP_LETTERS: Final = 100_000  # dead letters that may wait: a channel's of a day; all are counted
PACK_ROWS: Final = 64
PACK_BYTES: Final = 2 << 20  # plain bytes in one packed row: what a feeder unpacks into memory
DROP_ROWS: Final = 500  # delivered rows deleted per transaction, so that none takes long
PASS_ROWS: Final = 8  # no more than needed: packed, they are some hundred messages
CACHES: Final = frozenset({"hot"})  # what these lack can come from the other sinks

_ABSENCES: Final = ("gap", "hole")


class Ledger:
    """The outbox's tables with the small ones mirrored in memory.

    After a rollback the mirror is wrong: call `load()`.
    """

    def __init__(self, db: sqlite3.Connection, sinks: tuple[str, ...]) -> None:
        self.db = db
        self.sinks = sinks
        self.load()

    def load(self) -> None:
        """Read the small tables again, without cursors of sinks that are no longer configured."""
        self.cursors = dict.fromkeys(self.sinks, 0)
        for sink, row_id in self.db.execute("SELECT sink, id FROM cursor").fetchall():
            if sink in self.cursors:
                self.cursors[sink] = row_id
        self.coverage = read_spans(self.db)
        self.absences = {kind: read_spans(self.db, kind) for kind in _ABSENCES}
        self.newest_spool = read_newest_spools(self.db)
        self.counters = read_counters(self.db)
        self.latency: dict[int, int] = dict(
            self.db.execute("SELECT bucket, n FROM latency").fetchall()
        )
        self.rows, self.samples, self.last_id = self.db.execute(
            "SELECT COUNT(*), COALESCE(SUM(samples), 0), COALESCE(MAX(id), 0) FROM batch"
        ).fetchone()
        self.letters: int = self.db.execute("SELECT COUNT(*) FROM dead_letter").fetchone()[0]

    def append(self, batch: Batch, blob: bytes) -> bool:
        """Take a batch in: row, coverage, absences, dead letters; False if nothing was new."""
        key = (batch.node_id, batch.spool_id)
        if self.newest_spool.get(batch.node_id) != batch.spool_id:
            self._turn_to_spool(batch.node_id, batch.spool_id)
        covered = self.coverage.get(key, [])
        new = subtract(batch.spans, covered)
        if batch.gap is not None:
            # What arrived before the node dropped it is not lost.
            for span in subtract([batch.gap], covered):
                self._add_absence("gap", key, span)
        for span in batch.holes:
            self._add_absence("hole", key, span)
        if not new:
            if batch.spans:
                self.count("duplicate_batches", 1)
            return False
        for span in new:
            self._cover(key, span)
        for record in batch.bad:
            self.dead_letter("source", batch.node_id, record)
        if batch.samples:
            cursor = self.db.execute(
                "INSERT INTO batch (packed, samples, blob) VALUES (0, ?, ?)",
                (len(batch.samples), blob),
            )
            self.last_id = cursor.lastrowid or self.last_id
            self.rows += 1
            self.samples += len(batch.samples)
            add_taken(self.db, new_samples(batch, blob, new))
        self.count("samples", len(batch.samples))
        return True

    def dead_letter(self, stage: str, node_id: str, bad: BadRecord) -> None:
        """Keep a record that nothing can store, with the reason, until it is a document.

        While KEEP_LETTERS wait, others are counted and not kept (`dead_letters_dropped`).
        """
        self.count("dead_letters", 1)
        if self.letters >= KEEP_LETTERS:
            self.count("dead_letters_dropped", 1)
            self._count_aside([(stage, node_id)])
            return
        self.db.execute(
            "INSERT INTO dead_letter (at, stage, node_id, reason, record) VALUES (?, ?, ?, ?, ?)",
            (time.time_ns() // 1_000_000, stage, node_id, bad.reason, bad.record),
        )
        self.letters += 1
        if self.letters == KEEP_LETTERS:
            LOGGER.error(
                "%d dead letters wait for the warm tier: until it takes them, further ones are "
                "counted and not kept",
                KEEP_LETTERS,
            )

    def let_go_letters(self, row_id: int) -> None:
        """Those up to this row are documents now; `verify` goes on counting them."""
        gone = self.db.execute(
            "DELETE FROM dead_letter WHERE id <= ? RETURNING stage, node_id", (row_id,)
        ).fetchall()
        self.letters -= len(gone)
        self._count_aside(gone)

    def move_cursor(self, sink: str, row_id: int) -> None:
        """A sink holds everything up to and including this row, and nothing is known beyond."""
        self.cursors[sink] = row_id
        self.db.execute(
            "INSERT INTO cursor (sink, id) VALUES (?, ?) ON CONFLICT (sink) DO UPDATE "
            "SET id = excluded.id",
            (sink, self.cursors[sink]),
        )

    def drop_delivered(self) -> bool:
        """Delete some of the rows that every sink holds; True if there may be more."""
        return len(self._drop(min(self.cursors.values()), DROP_ROWS)) == DROP_ROWS

    def pass_caches(self) -> int:
        """Delete some of the oldest rows that every sink but a cache holds; how many samples.

        They count as passed by the caches that do not hold them, until `made_up`.
        """
        truths = [row_id for sink, row_id in self.cursors.items() if sink not in CACHES]
        gone = self._drop(min(truths), PASS_ROWS) if truths else []
        for sink in CACHES & self.cursors.keys():
            passed = sum(samples for row_id, samples in gone if row_id > self.cursors[sink])
            if passed:
                self.count(f"{PASSED}{sink}", passed)
        return sum(samples for _, samples in gone)

    def made_up(self, sink: str, passed: int) -> None:
        """A cache holds, from another sink, all that had passed it when it was so many samples."""
        known = self.counters.get(f"{MADE_UP}{sink}", 0)
        self.count(f"{MADE_UP}{sink}", max(0, passed - known))

    def _drop(self, low: int, limit: int) -> list[tuple[int, int]]:
        """Delete the first rows up to `low`: their ids and numbers of samples."""
        gone: list[tuple[int, int]] = self.db.execute(
            "DELETE FROM batch WHERE id IN (SELECT id FROM batch WHERE id <= ? ORDER BY id "
            "LIMIT ?) RETURNING id, samples",
            (low, limit),
        ).fetchall()
        self.rows -= len(gone)
        self.samples -= sum(samples for _, samples in gone)
        return gone

    def pack_oldest(self) -> bool:
        """Compress the oldest rows still as received into one; False if there are too few.

        The packed row takes the id of its last message: a sink whose cursor is inside gets some
        of it again, which its idempotent write makes harmless.
        """
        taken: list[tuple[int, int, bytes]] = []
        plain = 0
        for row in self.db.execute(
            "SELECT id, samples, blob FROM batch WHERE packed = 0 AND id > ? ORDER BY id LIMIT ?",
            (self._last_packed(), PACK_ROWS),
        ):
            plain += len(row[2])
            if taken and plain > PACK_BYTES:
                break
            taken.append(row)
        if len(taken) < 2:
            return False
        first, last = taken[0][0], taken[-1][0]
        self.db.execute("DELETE FROM batch WHERE id BETWEEN ? AND ?", (first, last))
        self.db.execute(
            "INSERT INTO batch (id, packed, samples, blob) VALUES (?, 1, ?, ?)",
            (last, sum(samples for _, samples, _ in taken), pack(blob for _, _, blob in taken)),
        )
        self.rows -= len(taken) - 1
        return True

    def count(self, name: str, n: int) -> None:
        """Add to a durable counter."""
        self.counters[name] = self.counters.get(name, 0) + n
        self.db.execute(
            "INSERT INTO counter (name, n) VALUES (?, ?) ON CONFLICT (name) DO UPDATE "
            "SET n = excluded.n",
            (name, self.counters[name]),
        )

    def count_latency(self, bucket: int, n: int) -> None:
        """Add to the durable histogram."""
        self.latency[bucket] = self.latency.get(bucket, 0) + n
        self.db.execute(
            "INSERT INTO latency (bucket, n) VALUES (?, ?) ON CONFLICT (bucket) DO UPDATE "
            "SET n = excluded.n",
            (bucket, self.latency[bucket]),
        )

    def _count_aside(self, letters: Iterable[tuple[str, str]]) -> None:
        aside = Counter(node_id for stage, node_id in letters if stage in ASIDE_STAGES)
        for node_id, n in aside.items():
            self.count(f"{ASIDE}{node_id}", n)

    def _last_packed(self) -> int:
        found = self.db.execute(
            "SELECT id FROM batch WHERE packed = 1 ORDER BY id DESC LIMIT 1"
        ).fetchone()
        return int(found[0]) if found else 0

    def _turn_to_spool(self, node_id: str, spool_id: str) -> None:
        self.newest_spool[node_id] = spool_id
        self.db.execute(
            "INSERT OR REPLACE INTO spool (node_id, spool_id, rank) "
            "SELECT ?, ?, COALESCE(MAX(rank), 0) + 1 FROM spool",
            (node_id, spool_id),
        )

    def _cover(self, key: tuple[str, str], span: Span) -> None:
        spans = self.coverage.get(key, [])
        merged = spans[touching(spans, span)]
        self.db.executemany(
            "DELETE FROM coverage WHERE node_id = ? AND spool_id = ? AND seq_from = ?",
            [(*key, low) for low, _ in merged],
        )
        self.coverage[key] = spans = add(spans, span)
        added = spans[touching(spans, span)][0]
        self.db.execute("INSERT INTO coverage VALUES (?, ?, ?, ?)", (*key, *added))

    def _add_absence(self, kind: str, key: tuple[str, str], span: Span) -> None:
        spans = self.absences[kind].get(key, [])
        if not subtract([span], spans):
            return
        merged = spans[touching(spans, span)]
        self.db.executemany(
            "DELETE FROM absence WHERE node_id = ? AND spool_id = ? AND kind = ? AND seq_from = ?",
            [(*key, kind, low) for low, _ in merged],
        )
        self.absences[kind][key] = spans = add(spans, span)
        added = spans[touching(spans, span)][0]
        self.db.execute("INSERT INTO absence VALUES (?, ?, ?, ?, ?)", (*key, kind, *added))
