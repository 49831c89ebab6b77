"""The cold tier in the store file."""

from typing import TYPE_CHECKING, override

from storage_bridge.codec import Chunk, ChunkHead
from storage_bridge.model import hour_of

from .base import ColdTier, Role, Span
from .sqlite_cold_records import SqliteColdRecords

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from storage_bridge.records.base import ColdRecords

    from .sqlite_store import SqliteStore

_HEAD = "c.hour, c.gen, c.codec, c.rows, c.n, c.t0, c.t1, c.low, c.high, c.total, c.crc"
_WHERE = """
WHERE c.sid = (SELECT id FROM series WHERE name = ?) AND c.hour >= ? AND c.hour < ?
ORDER BY c.hour, c.gen
"""


class SqliteCold(ColdTier):
    """Encoded hours in the store file."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._records = SqliteColdRecords(store)

    @property
    @override
    def role(self) -> Role:
        return "cold"

    @property
    @override
    def records(self) -> ColdRecords:
        return self._records

    @override
    async def open(self) -> None:
        await self._store.open(self.role)

    @override
    async def close(self) -> None:
        await self._store.close(self.role)

    @override
    async def series(self) -> list[str]:
        def find(connection: sqlite3.Connection) -> list[str]:
            found = connection.execute(
                "SELECT name FROM series s WHERE EXISTS"
                " (SELECT 1 FROM chunk WHERE sid = s.id) ORDER BY name"
            )
            return [name for (name,) in found]

        return await self._store.read(find)

    @override
    async def span(self, series: str) -> Span | None:
        def find(connection: sqlite3.Connection) -> Span | None:
            # Hours do not overlap: the first and the last one hold the first and last sample.
            first, last = connection.execute(
                "SELECT (SELECT min(t0) FROM chunk WHERE sid = s.id AND hour ="
                " (SELECT min(hour) FROM chunk WHERE sid = s.id)),"
                " (SELECT max(t1) FROM chunk WHERE sid = s.id AND hour ="
                " (SELECT max(hour) FROM chunk WHERE sid = s.id))"
                " FROM (SELECT (SELECT id FROM series WHERE name = ?) AS id) s",
                (series,),
            ).fetchone()
            return None if first is None else Span(first, last)

        return await self._store.read(find)

    @override
    async def count(self) -> int:
        def find(connection: sqlite3.Connection) -> int:
            (rows,) = connection.execute("SELECT sum(rows) FROM chunk").fetchone()
            return rows or 0

        return await self._store.read(find)

    @override
    async def write_chunk(self, chunk: Chunk) -> None:
        await self.write_chunks([chunk])

    async def write_chunks(self, chunks: Iterable[Chunk]) -> None:
        """Store many chunks in one transaction, for loading an archive."""

        def put(connection: sqlite3.Connection) -> None:
            for chunk in chunks:
                self._put(connection, chunk)

        await self._store.write(put)

    @override
    async def heads(self, series: str, start: int, end: int) -> list[ChunkHead]:
        def find(connection: sqlite3.Connection) -> list[ChunkHead]:
            found = connection.execute(
                f"SELECT {_HEAD} FROM chunk c {_WHERE}",  # noqa: S608 - fixed text
                (series, hour_of(start), end),
            )
            return [ChunkHead(series, *row) for row in found]

        return await self._store.read(find)

    @override
    async def chunks(self, series: str, start: int, end: int) -> list[Chunk]:
        def find(connection: sqlite3.Connection) -> list[Chunk]:
            found = connection.execute(
                f"SELECT {_HEAD}, d.data FROM chunk c JOIN chunk_data d ON d.id = c.blob {_WHERE}",  # noqa: S608 - fixed text
                (series, hour_of(start), end),
            )
            return [Chunk(ChunkHead(series, *row[:-1]), row[-1]) for row in found]

        return await self._store.read(find)

    @override
    async def mark(self, series: str, hour: int) -> bytes:
        return b""

    def _put(self, connection: sqlite3.Connection, chunk: Chunk) -> None:
        head = chunk.head
        sid = self._store.intern(connection, "series", head.series)
        found = connection.execute(
            "SELECT blob FROM chunk WHERE sid = ? AND hour = ? AND gen = ?",
            (sid, head.hour, head.gen),
        ).fetchone()
        blob = None if found is None else found[0]
        written = connection.execute(
            "INSERT OR REPLACE INTO chunk_data (id, data) VALUES (?, ?)", (blob, chunk.data)
        )
        connection.execute(
            "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (sid, *head[1:], written.lastrowid if blob is None else blob),
        )
