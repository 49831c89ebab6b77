"""Records as rows of the store file."""

import json
import sqlite3
from typing import TYPE_CHECKING, Final, Literal

from .model import Record, merged

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA: Final = """
CREATE TABLE record (
  kind TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL, subject TEXT NOT NULL, batch TEXT,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE INDEX record_at ON record (kind, at, key);
CREATE INDEX record_subject ON record (kind, subject, at, key);
CREATE INDEX record_batch ON record (kind, batch, at, key) WHERE batch IS NOT NULL;
"""
# `cold` is the seal of the archive that holds a record as it is now, empty when none does.
ARCHIVE_SCHEMA: Final = """
ALTER TABLE record ADD COLUMN cold TEXT NOT NULL DEFAULT '';
CREATE INDEX record_cold ON record (kind, cold);
CREATE TABLE archived_record (
  kind TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL, subject TEXT NOT NULL, batch TEXT,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE INDEX archived_record_at ON archived_record (kind, at, key);
CREATE INDEX archived_record_batch ON archived_record (kind, batch, at, key)
  WHERE batch IS NOT NULL
"""
_UNARCHIVED: Final = """
SELECT body FROM record WHERE kind = ?1 AND cold < ?2
UNION ALL SELECT body FROM record WHERE kind = ?1 AND cold > ?2 LIMIT ?3
"""

type Table = Literal["record", "archived_record"]


def put(connection: sqlite3.Connection, records: Sequence[Record], table: Table = "record") -> int:
    """Merge records into what there is; how many brought anything new."""
    new = 0
    for record in merged(records):
        body = _body(connection, type(record), record.key, table)
        known = None if body is None else type(record).of(body)
        after = record if known is None else known.merge(record)
        if after == known:
            continue
        # What a newer version of the bridge added stays in it.
        text = json.dumps({**(body or {}), **after.body()}, ensure_ascii=False)
        row = (after.kind, after.key, after.at, after.subject, after.batch, text)
        # Replaced as a whole: what has changed is not archived.
        connection.execute(
            f"INSERT OR REPLACE INTO {table} (kind, key, at, subject, batch, body)"  # noqa: S608 - two fixed tables
            " VALUES (?, ?, ?, ?, ?, ?)",
            row,
        )
        new += 1
    return new


def get[R: Record](
    connection: sqlite3.Connection, kind: type[R], key: str, table: Table = "record"
) -> R | None:
    """The record with that key."""
    body = _body(connection, kind, key, table)
    return None if body is None else kind.of(body)


def find[R: Record](
    connection: sqlite3.Connection,
    kind: type[R],
    start: int | None,
    end: int | None,
    subject: str | None,
    batch: str | None,
    limit: int,
    table: Table = "record",
) -> list[R]:
    """See `Records.find`."""
    every = {"at >= ?": start, "at < ?": end, "subject = ?": subject, "batch = ?": batch}
    asked = {clause: value for clause, value in every.items() if value is not None}
    where = "".join(f" AND {clause}" for clause in asked)
    found = connection.execute(
        f"SELECT body FROM {table} WHERE kind = ?{where} ORDER BY at, key LIMIT ?",  # noqa: S608 - fixed text
        (kind.kind, *asked.values(), limit),
    )
    return [kind.of(json.loads(body)) for (body,) in found]


def unarchived[R: Record](
    connection: sqlite3.Connection, kind: type[R], seal: str, limit: int
) -> list[R]:
    """See `WarmRecords.unarchived`."""
    found = connection.execute(_UNARCHIVED, (kind.kind, seal, limit))
    return [kind.of(json.loads(body)) for (body,) in found]


def set_archived(connection: sqlite3.Connection, records: Sequence[Record], seal: str) -> int:
    """See `WarmRecords.set_archived`."""
    count = 0
    for record in records:
        if get(connection, type(record), record.key) == record:
            count += connection.execute(
                "UPDATE record SET cold = ?1 WHERE kind = ?2 AND key = ?3 AND cold <> ?1",
                (seal, record.kind, record.key),
            ).rowcount
    return count


def _body(
    connection: sqlite3.Connection, kind: type[Record], key: str, table: Table
) -> dict[str, object] | None:
    found = connection.execute(
        f"SELECT body FROM {table} WHERE kind = ? AND key = ?",  # noqa: S608 - two fixed tables
        (kind.kind, key),
    ).fetchone()
    if found is None:
        return None
    body: dict[str, object] = json.loads(found[0])
    return body
