"""Records in the store file."""

from typing import TYPE_CHECKING, Final, override

from . import sqlite_rows
from .base import WarmRecords

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage_bridge.tiers.sqlite_store import SqliteStore

    from .model import Record

_USER: Final = "records"


class SqliteRecords(WarmRecords):
    """Rows of the file that the embedded tiers are in as well."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    @override
    async def open(self) -> None:
        await self._store.open(_USER)

    @override
    async def close(self) -> None:
        await self._store.close(_USER)

    @override
    async def put(self, records: Sequence[Record]) -> int:
        return await self._store.write(lambda connection: sqlite_rows.put(connection, records))

    @override
    async def get[R: Record](self, kind: type[R], key: str) -> R | None:
        return await self._store.read(lambda connection: sqlite_rows.get(connection, kind, key))

    @override
    async def find[R: Record](
        self,
        kind: type[R],
        *,
        start: int | None = None,
        end: int | None = None,
        subject: str | None = None,
        batch: str | None = None,
        limit: int = 1000,
    ) -> list[R]:
        return await self._store.read(
            lambda connection: sqlite_rows.find(connection, kind, start, end, subject, batch, limit)
        )

    @override
    async def unarchived[R: Record](self, kind: type[R], seal: str, limit: int) -> list[R]:
        return await self._store.read(
            lambda connection: sqlite_rows.unarchived(connection, kind, seal, limit)
        )

    @override
    async def set_archived(self, records: Sequence[Record], seal: str) -> int:
        return await self._store.write(
            lambda connection: sqlite_rows.set_archived(connection, records, seal)
        )
