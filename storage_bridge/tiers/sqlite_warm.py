"""The warm tier in the store file."""

from typing import TYPE_CHECKING, override

from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.records import sqlite_rows as records
from storage_bridge.records.base import WarmRecords
from storage_bridge.records.model import Refused
from storage_bridge.records.sqlite import SqliteRecords

from . import sqlite_rows
from .base import Bucket, Conflict, Role, SeriesHour, Span, WarmTier, Written
from .conflicts import conflict_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from .sqlite_store import SqliteStore


class SqliteWarm(WarmTier):
    """Rows of the store file, with the minutes they add up to beside them."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    @property
    @override
    def role(self) -> Role:
        return "warm"

    @property
    @override
    def records(self) -> WarmRecords:
        return SqliteRecords(self._store)

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
        return await self._store.read(
            lambda connection: sqlite_rows.select(connection, series, start, end, limit)
        )

    @override
    async def series(self) -> list[str]:
        return await self._store.read(lambda connection: sqlite_rows.series(connection, 0))

    @override
    async def span(self, series: str) -> Span | None:
        return await self._store.read(lambda connection: sqlite_rows.span(connection, series, 0))

    @override
    async def count(self) -> int:
        return await self._store.read(lambda connection: sqlite_rows.count(connection, 0))

    @override
    async def aggregate(self, series: str, start: int, end: int, bucket_ms: int) -> list[Bucket]:
        if start % bucket_ms or end % bucket_ms:
            raise ValueError(f"The range {start} to {end} is not whole buckets of {bucket_ms} ms.")
        return await self._store.read(
            lambda connection: sqlite_rows.aggregate(connection, series, start, end, bucket_ms)
        )

    @override
    async def hours_before(self, t: int, limit: int) -> list[SeriesHour]:
        def find(connection: sqlite3.Connection) -> list[SeriesHour]:
            end = t - t % HOUR_MS
            found = connection.execute(
                "SELECT DISTINCT s.name, m.t / ?1 * ?1 AS hour"
                " FROM series s JOIN minute m ON m.sid = s.id AND m.t < ?2"
                " ORDER BY hour, s.name LIMIT ?3",
                (HOUR_MS, end, limit),
            )
            return [SeriesHour(*row) for row in found]

        return await self._store.read(find)

    @override
    async def delete_exact(self, samples: Sequence[Sample]) -> int:
        if not samples:
            return 0
        gone = await self._store.write(
            lambda connection: sqlite_rows.delete(self._store, connection, samples)
        )
        await self._store.give_back()
        return gone

    @override
    async def keep_conflicts(self, conflicts: Iterable[Conflict]) -> None:
        await self._store.write(
            lambda connection: sqlite_rows.keep_conflicts(connection, conflicts)
        )

    @override
    async def conflicts(self, limit: int) -> list[Conflict]:
        found = await self._store.read(
            lambda connection: records.find(connection, Refused, None, None, None, None, limit)
        )
        return [conflict_of(record) for record in found]
