"""The hot tier in the store file."""

from typing import TYPE_CHECKING, override

from storage_bridge.model import MINUTE_MS, Last, Sample

from . import sqlite_rows
from .base import HotTier, Role, Span, Standing, Written

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from .sqlite_store import SqliteStore

_FLOOR = "hot_floor"
_FILLED = "hot_filled"


class SqliteHot(HotTier):
    """The newest rows of the store file, and `last`.

    With `shares_rows` the rows are those of a warm tier in the same file: samples are stored once,
    expiry only moves the floor below which they are no longer seen here, and writing what warm
    has is a no-op. Without, the file is this tier's own and expiry deletes.
    """

    def __init__(self, store: SqliteStore, *, shares_rows: bool) -> None:
        self._store = store
        self._shares_rows = shares_rows

    @property
    @override
    def role(self) -> Role:
        return "hot"

    @property
    @override
    def shares_rows(self) -> bool:
        return self._shares_rows

    @override
    async def open(self) -> None:
        await self._store.open(self.role)

    @override
    async def close(self) -> None:
        await self._store.close(self.role)

    @override
    async def write(self, samples: Sequence[Sample]) -> Written:
        return await self._store.write(
            lambda connection: sqlite_rows.insert(self._store, connection, samples)
        )

    @override
    async def read(
        self, series: str, start: int, end: int, limit: int | None = None
    ) -> list[Sample]:
        def find(connection: sqlite3.Connection) -> list[Sample]:
            return sqlite_rows.select(
                connection, series, max(start, _floor(connection)), end, limit
            )

        return await self._store.read(find)

    @override
    async def series(self) -> list[str]:
        return await self._store.read(
            lambda connection: sqlite_rows.series(connection, _floor(connection))
        )

    @override
    async def span(self, series: str) -> Span | None:
        return await self._store.read(
            lambda connection: sqlite_rows.span(connection, series, _floor(connection))
        )

    @override
    async def count(self) -> int:
        return await self._store.read(
            lambda connection: sqlite_rows.count(connection, _floor(connection))
        )

    @property
    @override
    def settle_s(self) -> float:
        return 0.0

    @override
    async def standing(self) -> Standing:
        def find(connection: sqlite3.Connection) -> Standing:
            found = connection.execute("SELECT 1 FROM meta WHERE key = ?", (_FILLED,)).fetchone()
            return Standing("file", "empty" if found is None else "whole")

        return await self._store.read(find)

    @override
    async def begin_fill(self) -> str:
        return "file"

    @override
    async def end_fill(self, token: str) -> bool:
        def note(connection: sqlite3.Connection) -> bool:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, 1)", (_FILLED,))
            return True

        return await self._store.write(note)

    @override
    async def newest(self) -> dict[str, Last]:
        def find(connection: sqlite3.Connection) -> dict[str, Last]:
            found = connection.execute(
                "SELECT s.name, l.t, l.value, l.quality, l.batch, l.spool_id, l.seq"
                " FROM last l JOIN series s ON s.id = l.sid ORDER BY s.name"
            )
            return {name: Last(*rest) for name, *rest in found}

        return await self._store.read(find)

    @override
    async def write_last(self, last: Mapping[str, Last]) -> int:
        def move(connection: sqlite3.Connection) -> int:
            moved = 0
            for name, new in last.items():
                sid = self._store.intern(connection, "series", name)
                found = connection.execute(
                    "SELECT t, value, quality, batch, spool_id, seq FROM last WHERE sid = ?", (sid,)
                ).fetchone()
                if found is None or Last(*found).yields_to(new):
                    connection.execute(
                        "INSERT OR REPLACE INTO last VALUES (?, ?, ?, ?, ?, ?, ?)", (sid, *new)
                    )
                    moved += 1
            return moved

        return await self._store.write(move)

    @override
    async def expire(self, before: int) -> int:
        floor = before - before % MINUTE_MS

        def forget(connection: sqlite3.Connection) -> int:
            old = _floor(connection)
            if floor == old:
                return 0
            seen = sqlite_rows.count(connection, old)
            # It may fall too: a clock that was years ahead would hide all that comes until then.
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_FLOOR, floor))
            if floor < old:
                return 0
            if not self._shares_rows:
                for table in ("sample", "minute"):
                    connection.execute(
                        f"DELETE FROM {table} WHERE sid IN (SELECT id FROM series) AND t < ?",  # noqa: S608 - two fixed tables
                        (floor,),
                    )
            return seen - sqlite_rows.count(connection, floor)

        gone = await self._store.write(forget)
        if gone and not self._shares_rows:
            await self._store.give_back()
        return gone


def _floor(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT value FROM meta WHERE key = ?", (_FLOOR,)).fetchone()
    return 0 if found is None else int(found[0])
