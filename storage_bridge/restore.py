"""A backup into empty stores, whatever they are.

The whole file is proven first. Then hours go to the tier that their age belongs in, records to
warm, from where they are archived, and what was written is read back and compared, once cold has
had time to make its yes durable (see the mover); the outbox, which says what need not be sent
again, comes last. All writes are repeatable: what was cut short is run again, and only then may a
bridge start. It may be run again into other stores: those are to be empty as well.
"""

import asyncio
import json
import logging
import os
import sqlite3
import time
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, Final

from .backup_file import BackupError, Contents, Frame, Kind, check, chunk_of, read_frames
from .codec import Chunk, CodecError, verified
from .data_dir import write_private
from .keeper import DAY_MS
from .model import HOUR_MS, Last, Sample
from .mover import SETTLE_S
from .outbox_schema import SCHEMA_VERSION
from .record_rows import records_of
from .records.model import KINDS
from .side_by_side import side_by_side

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine
    from pathlib import Path

    from .config import BridgeConfig
    from .config_tiers import TiersConfig
    from .records.base import Records
    from .tiers import Tiers
    from .tiers.base import Role, Tier

LOGGER = logging.getLogger(__name__)

RESTORING: Final = "restoring.json"
_AT_ONCE: Final = 4

type Progress = Callable[[int, int, int], None]


def unfinished(data_dir: Path) -> str | None:
    """The backup that is only partly restored here, None where nothing is."""
    try:
        return str(json.loads((data_dir / RESTORING).read_text("utf-8"))["backup"])
    except FileNotFoundError:
        return None


class Restore:
    """`run` puts the backup `source` into open, empty `tiers` and the data_dir.

    Hours that warm need not keep any longer go to cold. `progress(done, all, samples)` is called
    now and then, the first two in bytes, of which all are read twice. Cassandra gets `settle_s`
    seconds, counted by `sleep`, between the writing and the comparing.
    """

    def __init__(
        self,
        config: BridgeConfig,
        tiers: Tiers,
        source: Path,
        *,
        progress: Progress = lambda *_: None,
        settle_s: float = SETTLE_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._tiers = tiers
        self._stores = _stores(config.tiers)
        self._outbox = config.outbox_path
        self._batches = config.batches_path
        self._marker = config.data_dir / RESTORING
        self._archived_before = time.time_ns() // 1_000_000 - config.tiers.warm_days * DAY_MS
        self._progress = progress
        # What the embedded cold tier has said yes to is on the disk.
        self._settle_s = settle_s if config.tiers.cold is not None else 0.0
        self._sleep = sleep
        self._archived = False
        self._size = source.stat().st_size
        self._samples = 0

    async def run(self) -> Contents:
        """Restore everything; raises BackupError, TierError, OSError."""
        contents = check(self._source)
        await self._begin(contents)
        records = self._tiers.warm.records
        await records.open()
        try:
            await self._each(lambda frame: self._write(frame, records), 0)
            await self._settle()
            await self._each(lambda frame: self._compare(frame, records), self._size)
        finally:
            await records.close()
        self._put_outbox()
        self._marker.unlink()
        return contents

    async def _begin(self, contents: Contents) -> None:
        """Refuse to mix; note what is being restored."""
        before: dict[str, str] = {}
        if self._marker.exists():
            # No bridge starts here until it is gone: an outbox is there by this restore only.
            begun = json.loads(self._marker.read_text("utf-8"))
            if begun["sha256"] != contents.sha256:
                raise BackupError(
                    f"The restore of {begun['backup']} was cut short here: run that again, or "
                    f"empty the stores and remove {self._marker}"
                )
            before = begun.get("stores", {})
        elif self._outbox.exists():
            raise BackupError(
                f"{self._outbox} exists: a bridge has run here; give the restored one a data_dir "
                "and stores of its own"
            )
        # Those that this restore was begun with hold what it put there.
        others = {role for role, store in self._stores.items() if before.get(role) != store}
        if not others:
            return
        if held := await _content(self._tiers, others):
            again = ", ".join(
                f"{role} in {before[role]}" for role in sorted(others & before.keys())
            )
            raise BackupError(
                f"The configured stores are not empty, they hold {held}: nothing is overwritten; "
                "name another file, database, keyspace or prefix in the configuration"
                + (f", or those that this restore was begun with: {again}" if again else "")
            )
        note = {
            "backup": str(self._source.absolute()),
            "sha256": contents.sha256,
            "stores": self._stores,
        }
        write_private(self._marker, json.dumps(note))

    async def _each(
        self, work: Callable[[Frame], Coroutine[object, object, None]], done: int
    ) -> None:
        """Give every frame to `work`, some at once."""
        frames = read_frames(self._source)

        async def worker() -> None:
            for frame in frames:
                await work(frame)
                self._progress(done + frame.end, 2 * self._size, self._samples)

        await side_by_side(_AT_ONCE, worker)

    async def _write(self, frame: Frame, records: Records) -> None:
        if frame.kind is Kind.CHUNK:
            chunk = chunk_of(frame)
            if chunk.head.hour + HOUR_MS <= self._archived_before:
                await self._tiers.cold.write_chunk(chunk)
                self._archived = True
            else:
                await self._tiers.warm.write(await _samples_in(chunk))
            self._samples += chunk.head.rows
        elif frame.kind is Kind.RECORDS:
            await records.put(records_of(json.loads(frame.body)))
        elif frame.kind is Kind.NEWEST:
            newest = json.loads(frame.body)
            await self._tiers.hot.write_last({name: Last(*row) for name, row in newest.items()})
        elif frame.kind is Kind.BATCHES:
            write_private(self._batches, frame.body.decode())

    async def _settle(self) -> None:
        """Let cold die first, if it will: then comparing finds what it has forgotten."""
        if self._archived and self._settle_s:
            # A level that every command shows: a minute in which nothing moves looks like a fault.
            LOGGER.warning(
                "All is written, to be compared: waiting %g s until Cassandra has it on its disk",
                self._settle_s,
            )
            await self._sleep(self._settle_s)

    async def _compare(self, frame: Frame, records: Records) -> None:
        if frame.kind is Kind.CHUNK:
            head = (chunk := chunk_of(frame)).head
            start, end = head.hour, head.hour + HOUR_MS
            rows = {row.t: row for row in await self._tiers.warm.read(head.series, start, end)}
            chunks = await self._tiers.cold.chunks(head.series, start, end)
            try:
                rows |= {row.t: row for row in chain.from_iterable(map(verified, chunks))}
            except CodecError as err:
                raise BackupError(f"What was restored cannot be read back: {err}") from err
            # By value: not every store keeps the sign of a zero, which a chunk is named by.
            if [rows[t] for t in sorted(rows)] != await _samples_in(chunk):
                raise BackupError(
                    f"The stores do not give back what was restored of {head.series!r} in the "
                    f"hour {head.hour}; run the restore again"
                )
        elif frame.kind is Kind.RECORDS:
            for record in records_of(json.loads(frame.body)):
                if await records.get(type(record), record.key) != record:
                    raise BackupError(
                        f"The stores do not give back the record {record.key} of {record.kind}; "
                        "run the restore again"
                    )

    def _put_outbox(self) -> None:
        part = self._outbox.with_name(f"{self._outbox.name}.part")
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            for frame in read_frames(self._source):
                if frame.kind is Kind.OUTBOX:
                    file.write(frame.body)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        if size:
            _check_outbox(part)
            for remains in ("-wal", "-shm"):
                # SQLite would take the log of an outbox that was removed for that of this one.
                self._outbox.with_name(self._outbox.name + remains).unlink(missing_ok=True)
            part.rename(self._outbox)
        else:
            part.unlink()


def _check_outbox(path: Path) -> None:
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise BackupError(
                f"The outbox in the backup has schema {version}, this version knows "
                f"{SCHEMA_VERSION}: restore it with the version of the bridge that wrote it"
            )
        if (found := db.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise BackupError(f"The outbox in the backup is damaged: {found}")


async def _samples_in(chunk: Chunk) -> list[Sample]:
    try:
        return await asyncio.to_thread(verified, chunk)
    except CodecError as err:
        raise BackupError(f"An hour in the backup cannot be read: {err}") from err


def _stores(config: TiersConfig) -> dict[Role, str]:
    """Which store each tier is in; other text is another store, and none of it is secret."""
    hot, warm, cold = config.hot, config.warm, config.cold
    embedded = "a file in the data_dir"
    return {
        "hot": f"Redis at {hot.url} (prefix {hot.prefix})" if hot else embedded,
        "warm": warm.place if warm else embedded,
        "cold": f"Cassandra at {', '.join(cold.hosts)}, port {cold.port} (keyspace {cold.keyspace})"
        if cold
        else embedded,
    }


async def _content(tiers: Tiers, roles: Collection[Role]) -> str | None:
    """An example of what some of the tiers hold, None when they are empty."""
    every: tuple[Tier, ...] = tuple(tiers)
    for tier in every:
        if tier.role not in roles or (tier is tiers.hot and tiers.hot.shares_rows):
            continue
        if names := await tier.series():
            return f"samples of {names[0]!r}"
    await tiers.warm.records.open()
    try:
        for kind in KINDS:
            if "warm" in roles and await tiers.warm.records.find(kind, limit=1):
                return "records"
            if "cold" in roles and await tiers.cold.records.find(kind, limit=1):
                return "records"
        return None
    finally:
        await tiers.warm.records.close()
