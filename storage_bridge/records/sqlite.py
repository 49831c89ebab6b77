"""Records in the store file."""

from typing import TYPE_CHECKING, ClassVar, Unpack, override

from . import sqlite_rows
from .base import Records, WarmRecords

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage_bridge.tiers.sqlite_store import SqliteStore

    from .model import Record
    from .where import Where


class SqliteTable(Records):
    """Rows of the file that the embedded tiers are in as well: what both its tables can do."""

    table: ClassVar[sqlite_rows.Table]

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    @override
    async def open(self) -> None:
        await self._store.open(self.table)

    @override
    async def close(self) -> None:
        await self._store.close(self.table)

    @override
    async def put(self, records: Sequence[Record]) -> int:
        return await self._store.write(
            lambda connection: sqlite_rows.put(connection, records, self.table)
        )

    @override
    async def get[R: Record](self, kind: type[R], key: str) -> R | None:
        return await self._store.read(
            lambda connection: sqlite_rows.get(connection, kind, key, self.table)
        )

    @override
    async def find[R: Record](
        self, kind: type[R], *, limit: int = 1000, **where: Unpack[Where]
    ) -> list[R]:
        return await self._store.read(
            lambda connection: sqlite_rows.find(
                connection,
                kind,
                where.get("start"),
                where.get("end"),
                where.get("subject"),
                where.get("batch"),
                limit,
                self.table,
            )
        )


class SqliteRecords(SqliteTable, WarmRecords):
    """Records of the warm tier."""

    table = "record"

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
