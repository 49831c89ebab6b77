"""Archived records in the store file, one row for each: transactions merge them."""

import uuid
from typing import TYPE_CHECKING, override

from storage_bridge.records import sqlite_rows
from storage_bridge.records.base import ColdRecords
from storage_bridge.records.sqlite import SqliteTable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from storage_bridge.records.model import Record


class SqliteColdRecords(SqliteTable, ColdRecords):
    """Rows beside the encoded hours."""

    table = "archived_record"

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
                known = sqlite_rows.get(connection, type(record), record.key, self.table)
                whole = known is not None and known.merge(record) == known
                marks.append(b"" if whole else None)  # what is acknowledged is on the disk
            return marks

        return await self._store.read(look)
