"""Reading a spool: pages for a cursor, and every row of a file from outside."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edge_node.model import OK, Sample


@dataclass(frozen=True, slots=True)
class SpoolPage:
    """One answer for a cursor: rows `[seq, t, series_index, value, quality, batch_index|null]`."""

    next: int
    series: list[str]
    batches: list[str]
    samples: list[list[Any]]


class SpoolReader:
    """A second connection to a spool file, which sees only what is committed."""

    def __init__(self, path: Path) -> None:
        """Open for reading; sqlite3.Error."""
        self._db = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, check_same_thread=False
        )
        self._db.execute("PRAGMA busy_timeout = 2000")
        self._names: dict[int, str] = {0: OK}

    def page(self, after: int, last: int, limit: int) -> SpoolPage:
        """At most `limit` rows with after < seq <= last."""
        rows = self._db.execute(
            "SELECT seq, t, series, value, quality, batch FROM sample"
            " WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
            (after, last, limit),
        ).fetchall()
        series: dict[int, int] = {}
        batches: dict[int, int] = {}
        samples = [
            [
                seq,
                t,
                series.setdefault(series_id, len(series)),
                value,
                self._name(quality),
                None if batch is None else batches.setdefault(batch, len(batches)),
            ]
            for seq, t, series_id, value, quality, batch in rows
        ]
        return SpoolPage(
            next=samples[-1][0] if samples else after,
            series=[self._name(key) for key in series],
            batches=[self._name(key) for key in batches],
            samples=samples,
        )

    def samples(self) -> Iterator[Sample]:
        """Every row, by seq; none of a file that is only being made."""
        if self._db.execute("PRAGMA user_version").fetchone() == (0,):
            return
        for seq, t, series, value, quality, batch in self._db.execute(
            "SELECT seq, t, series, value, quality, batch FROM sample ORDER BY seq"
        ):
            yield Sample(
                seq,
                t,
                self._name(series),
                value,
                self._name(quality),
                None if batch is None else self._name(batch),
            )

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def _name(self, key: int) -> str:
        if key not in self._names:
            self._names.update(self._db.execute("SELECT id, text FROM name"))
        return self._names[key]


def read_file(path: Path) -> Iterator[Sample]:
    """Every servable row of a spool file by seq, read-only, also of a running or killed node.

    FileNotFoundError, or sqlite3.Error if it is no spool.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no spool {path}")
    reader = SpoolReader(path)
    try:
        yield from reader.samples()
    finally:
        reader.close()
