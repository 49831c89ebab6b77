"""Archived records in the store file, one row for each: transactions merge them."""

import uuid
from typing import TYPE_CHECKING, Final, override

from storage_bridge.records import sqlite_rows
from storage_bridge.records.base import ColdRecords

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from storage_bridge.records.model import Record

    from .sqlite_store import SqliteStore

_USER: Final = "archived records"
_TABLE: Final = "archived_record"


class SqliteColdRecords(ColdRecords):
    """Rows beside the encoded hours."""

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
        return await self._store.write(
            lambda connection: sqlite_rows.put(connection, records, _TABLE)
        )

    @override
    async def get[R: Record](self, kind: type[R], key: str) -> R | None:
        return await self._store.read(
            lambda connection: sqlite_rows.get(connection, kind, key, _TABLE)
        )

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
            lambda connection: sqlite_rows.find(
                connection, kind, start, end, subject, batch, limit, _TABLE
            )
        )

    @override
    async def seal(self) -> str:
        def put(connection: sqlite3.Connection) -> str:
            connection.execute(
                "INSERT OR IGNORE INTO meta VALUES ('archive seal', ?)", (uuid.uuid4().hex,)
            )
            found = connection.execute("SELECT value FROM meta WHERE key = 'archive seal'")
            return str(found.fetchone()[0])

        return await self._store.write(put)

    @override
    async def held(self, records: Sequence[Record]) -> list[bytes | None]:
        def look(connection: sqlite3.Connection) -> list[bytes | None]:
            marks: list[bytes | None] = []
            for record in records:
                known = sqlite_rows.get(connection, type(record), record.key, _TABLE)
                whole = known is not None and known.merge(record) == known
                marks.append(b"" if whole else None)  # what is acknowledged is on the disk
            return marks

        return await self._store.read(look)
