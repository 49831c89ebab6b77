"""One SQLite file: its schema, its one writer thread and its readers."""

import asyncio
import contextlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from .base import TierRejectedError, TierUnavailableError
from .sqlite_schema import migrate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_READERS = 2
_BUSY_S = 10.0
# Give pages back only when a tenth of a file of some size is free: new rows reuse them anyway.
_VACUUM_PAGES = 1024
_VACUUM_STEP = 256


class SqliteStore:
    """A store file shared by the tiers in it, and by other processes.

    Open while at least one user is. Writes run one after the other on one thread, each a
    transaction that is on disk when it returns; reads run beside them on threads of their own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._users: set[str] = set()
        self._lock = asyncio.Lock()
        self._writer: ThreadPoolExecutor | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._local = threading.local()
        self._reading: list[sqlite3.Connection] = []
        self._ids: dict[tuple[str, str], int] = {}

    async def open(self, user: str) -> None:
        """Open the file for that user, made if it is missing; raises TierUnavailableError."""
        async with self._lock:
            if self._users:
                self._users.add(user)
                return
            writer = ThreadPoolExecutor(1, "smart-beer-store-write")
            try:
                self._connection = await asyncio.get_running_loop().run_in_executor(
                    writer, self._create
                )
            except (sqlite3.Error, OSError) as error:
                writer.shutdown(wait=False)
                raise self._unavailable(error) from error
            except BaseException:
                writer.shutdown(wait=False)
                raise
            self._writer = writer
            self._readers = ThreadPoolExecutor(_READERS, "smart-beer-store-read")
            self._users.add(user)

    async def close(self, user: str) -> None:
        """The last user closes the file, once what runs on it has ended."""
        async with self._lock:
            if user not in self._users:
                return
            self._users.discard(user)
            if not self._users:
                await asyncio.to_thread(self._shut)

    async def write[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction of its own; raises TierError, having changed nothing."""
        if self._writer is None:
            raise TierUnavailableError(f"The store {self.path} is not open.")
        return await asyncio.get_running_loop().run_in_executor(
            self._writer, self._transaction, work
        )

    async def read[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on one consistent view of the file; raises TierUnavailableError."""
        if self._readers is None:
            raise TierUnavailableError(f"The store {self.path} is not open.")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._view, work)

    def intern(self, connection: sqlite3.Connection, table: str, text: str) -> int:
        """The id of a text in `series` or `label`, given on first use; within a write only."""
        known = self._ids.get((table, text))
        if known is not None:
            return known
        column = "name" if table == "series" else "text"
        connection.execute(f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", (text,))  # noqa: S608 - two fixed tables
        found = connection.execute(
            f"SELECT id FROM {table} WHERE {column} = ?",  # noqa: S608 - two fixed tables
            (text,),
        ).fetchone()
        self._ids[table, text] = found[0]
        return int(found[0])

    def forget_ids(self) -> None:
        """Ids given in work that is undone must not be used again."""
        self._ids.clear()

    async def give_back(self) -> None:
        """Shrink the file a step when much of it is free; cheap when not."""

        def shrink(connection: sqlite3.Connection) -> None:
            free = connection.execute("PRAGMA freelist_count").fetchone()[0]
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            if free > _VACUUM_PAGES and free * 10 > pages:
                connection.execute(f"PRAGMA incremental_vacuum({_VACUUM_STEP})").fetchall()

        await self.write(shrink)

    def _create(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            # Before the first table, or it has no effect.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            # The outbox forgets a sample once it is here: it must be on disk by then.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            migrate(connection, self.path)
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def _shut(self) -> None:
        for pool in (self._readers, self._writer):
            if pool is not None:
                pool.shutdown(wait=True)
        for connection in self._reading:
            connection.close()
        if self._connection is not None:
            self._connection.close()
        self._writer = self._readers = self._connection = None
        self._reading.clear()
        self._local = threading.local()
        self._ids.clear()

    def _transaction[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        if connection is None:
            raise TierUnavailableError(f"The store {self.path} is not open.")
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            self.forget_ids()
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):  # the first error is the one to tell
                    connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._unavailable(error) from error
            if isinstance(error, OverflowError):
                raise TierRejectedError(
                    f"The store {self.path} cannot hold a number it was given."
                ) from error
            raise
        return result

    def _view[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
            if connection is None:
                connection = sqlite3.connect(
                    self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
                )
                connection.execute("PRAGMA query_only = 1")
                self._local.connection = connection
                self._reading.append(connection)
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> TierUnavailableError:
        return TierUnavailableError(f"The store {self.path} cannot be used: {error}.")
