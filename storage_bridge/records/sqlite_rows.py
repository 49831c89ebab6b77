"""Records as rows of the store file."""

import json
import sqlite3
from typing import TYPE_CHECKING, Final

from .model import KINDS, Record, merged

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
_PUT: Final = """
INSERT INTO record (kind, key, at, subject, batch, body) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, key) DO UPDATE SET
  at = excluded.at, subject = excluded.subject, batch = excluded.batch, body = excluded.body
"""


def put(connection: sqlite3.Connection, records: Sequence[Record]) -> int:
    """Merge records into what there is; how many brought anything new."""
    new = 0
    for kind in KINDS:
        wanted = merged([record for record in records if type(record) is kind])
        for key, record in wanted.items():
            body = _body(connection, kind, key)
            known = None if body is None else kind.of(body)
            after = record if known is None else known.merge(record)
            if after == known:
                continue
            # What a newer version of the bridge added stays in it.
            text = json.dumps({**(body or {}), **after.body()}, ensure_ascii=False)
            row = (kind.kind, key, after.at, after.subject, after.batch, text)
            connection.execute(_PUT, row)
            new += 1
    return new


def get[R: Record](connection: sqlite3.Connection, kind: type[R], key: str) -> R | None:
    """The record with that key."""
    body = _body(connection, kind, key)
    return None if body is None else kind.of(body)


def find[R: Record](
    connection: sqlite3.Connection,
    kind: type[R],
    start: int | None,
    end: int | None,
    subject: str | None,
    batch: str | None,
    limit: int,
) -> list[R]:
    """See `Records.find`."""
    asked = [
        (clause, value)
        for clause, value in (
            ("at >= ?", start),
            ("at < ?", end),
            ("subject = ?", subject),
            ("batch = ?", batch),
        )
        if value is not None
    ]
    where = "".join(f" AND {clause}" for clause, _ in asked)
    found = connection.execute(
        f"SELECT body FROM record WHERE kind = ?{where} ORDER BY at, key LIMIT ?",  # noqa: S608 - fixed clauses
        (kind.kind, *(value for _, value in asked), limit),
    )
    return [kind.of(json.loads(body)) for (body,) in found]


def _body(connection: sqlite3.Connection, kind: type[Record], key: str) -> dict[str, object] | None:
    found = connection.execute(
        "SELECT body FROM record WHERE kind = ? AND key = ?", (kind.kind, key)
    ).fetchone()
    if found is None:
        return None
    body: dict[str, object] = json.loads(found[0])
    return body
