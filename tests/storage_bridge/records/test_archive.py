"""Records are archived, again when they change, and never only said to be."""

import asyncio
import random
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import override

import pytest

from storage_bridge.records.archive import Archived, RecordArchiver, RecordsPass
from storage_bridge.records.base import ColdRecords, WarmRecords
from storage_bridge.records.merged import MergedRecords
from storage_bridge.records.model import KINDS, Batch, BatchSeries, Event, Note, Record
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.cassandra_cold import CassandraCold
from storage_bridge.tiers.mongo_client import Mongo
from storage_bridge.tiers.mongo_settings import MongoSettings
from storage_bridge.tiers.mongo_warm import MongoWarm
from storage_bridge.tiers.sqlite_cold_records import SqliteColdRecords
from storage_bridge.tiers.sqlite_store import SqliteStore
from tests.storage_bridge.servers.cassandra import Address
from tests.storage_bridge.servers.mongo import drop
from tests.storage_bridge.tiers.cassandra_help import plain_session, settings_of
from tests.storage_bridge.waiting import answered

from .contract import BATCH, ONE_OF_EACH

SETTLE = 60.0
type Client = Callable[[], Tiers]
type Step = Callable[[], Awaitable[None]]


@pytest.fixture(params=["file", "mongo+cassandra"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    """Clients, not yet open, of empty stores."""
    if request.param == "file":
        yield lambda: embedded(tmp_path / "store.db")
        return
    address: Address = request.getfixturevalue("cassandra_address")
    url: str = request.getfixturevalue("mongo_url")
    name = f"test_{uuid.uuid4().hex[:8]}"
    yield lambda: embedded(tmp_path / "store.db")._replace(
        warm=MongoWarm(Mongo(MongoSettings(url=url, driver="pymongo", database=name))),
        cold=CassandraCold(settings_of(address, name)),
    )
    drop(url, name)
    with plain_session(address) as session:
        session.execute(f"DROP KEYSPACE IF EXISTS {name}", timeout=60)


@pytest.fixture
async def tiers(client: Client) -> AsyncIterator[Tiers]:
    made = client()
    await answered(made.open)
    await made.warm.records.open()
    yield made
    await made.warm.records.close()
    await made.close()


class Archiving:
    """An archiver and its clock."""

    def __init__(self, warm: WarmRecords, cold: ColdRecords, per_pass: int = 1000) -> None:
        self.warm = warm
        self.cold = cold
        self.clock = 0.0
        self._archiver = RecordArchiver(
            warm, cold, settle_s=SETTLE, per_pass=per_pass, clock=lambda: self.clock
        )

    @property
    def archived(self) -> Archived:
        return self._archiver.archived

    async def once(self, later: float = 0.0) -> RecordsPass:
        self.clock += later
        return await self._archiver.run_pass()

    async def all(self) -> None:
        """Passes until nothing is left to do."""
        for _ in range(60):
            done = await self.once(SETTLE)
            if not (done.copied or done.archived or done.waiting):
                return
        raise AssertionError(f"still not archived: {done}")

    async def due(self) -> list[Record]:
        seal = await self.cold.seal()
        return [one for kind in KINDS for one in await self.warm.unarchived(kind, seal, 5000)]

    async def check(self, records: Sequence[Record]) -> None:
        """Cold holds exactly these, and warm knows it."""
        assert await self.due() == []
        for kind in {type(record) for record in records}:
            found = await self.cold.find(kind, limit=5000)
            wanted = [record for record in records if type(record) is kind]
            assert found == sorted(wanted, key=lambda record: (record.at, record.key))


async def test_new_records_are_copied_settle_and_are_then_left_alone(tiers: Tiers) -> None:
    archiving = Archiving(tiers.warm.records, tiers.cold.records)
    assert await archiving.once() == (0, 0, 0, (), False)
    await tiers.warm.records.put(ONE_OF_EACH)
    number = len(ONE_OF_EACH)
    assert await archiving.once() == (number, 0, number, (), False)
    assert await archiving.once(SETTLE - 1) == (0, 0, number, (), False), "not settled yet"
    assert len(await archiving.due()) == number
    assert await archiving.once(1) == (0, number, 0, (), False)
    await archiving.check(ONE_OF_EACH)
    assert await archiving.once() == (0, 0, 0, (), False)


async def test_what_changes_or_comes_late_is_copied_and_nothing_else(tiers: Tiers) -> None:
    warm = tiers.warm.records
    archiving = Archiving(warm, tiers.cold.records)
    await warm.put(ONE_OF_EACH)
    await archiving.all()
    ended = replace(BATCH, started=5, ended=9000)
    late = Event("switch.pump", 3, "off")
    await warm.put([*ONE_OF_EACH, ended, late])
    assert await archiving.due() == [ended, late]
    assert (await archiving.once()).copied == 2
    again = replace(ended, ended=9999)
    await warm.put([again])  # while it settles
    assert (await archiving.once(SETTLE)).archived == 1
    assert await archiving.due() == [again]
    await archiving.all()
    await archiving.check([again, *ONE_OF_EACH[1:], late])


async def test_a_change_in_the_very_moment_is_not_said_to_be_archived(tiers: Tiers) -> None:
    warm, seal = tiers.warm.records, await tiers.cold.records.seal()
    await warm.put([BATCH])
    assert await warm.set_archived([replace(BATCH, ended=1)], seal) == 0
    assert await warm.unarchived(Batch, seal, 9) == [BATCH]
    assert await warm.set_archived([BATCH], seal) == 1
    assert await warm.set_archived([BATCH], seal) == 0
    assert await warm.unarchived(Batch, seal, 9) == []
    assert await warm.unarchived(Batch, seal[:-1], 9) == [BATCH], "another archive"
    assert await warm.unarchived(Batch, seal + "0", 9) == [BATCH]


async def test_many_go_a_pass_at_a_time(tiers: Tiers) -> None:
    events: list[Record] = [Event("switch.a", n, "on") for n in range(25)]
    await tiers.warm.records.put(events)
    archiving = Archiving(tiers.warm.records, tiers.cold.records, per_pass=10)
    assert (await archiving.once())[:3] == (10, 0, 10)
    assert await archiving.once(SETTLE) == (0, 10, 0, (), True)
    await archiving.all()
    await archiving.check(events)


async def test_it_counts_what_it_archived_and_what_the_last_whole_pass_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    archiving = Archiving(tiers.warm.records, tiers.cold.records)
    assert archiving.archived == (0, 0, 0)
    await tiers.warm.records.put(ONE_OF_EACH)
    number = len(ONE_OF_EACH)
    await archiving.once()
    assert archiving.archived == (0, number, 0), "copied, but it has not settled"
    await archiving.once(SETTLE)
    assert archiving.archived == (number, 0, 0)
    await tiers.warm.records.put([replace(BATCH, ended=5)])
    await archiving.once()
    await tiers.warm.records.put([Event("switch.a", 1, "on")])
    with monkeypatch.context() as patch:
        patch.setattr(SqliteColdRecords, "seal", Away.seal)
        with pytest.raises(TierUnavailableError):
            await archiving.once(SETTLE)
    assert archiving.archived == (number, 1, 0), "it has not seen what there is now"
    await archiving.all()
    assert archiving.archived == (number + 2, 0, 0)
    await tiers.warm.records.close()
    await tiers.close()


async def test_two_archivers_at_once_and_late_merges_end_in_one_archive(
    tiers: Tiers, client: Client
) -> None:
    other = client()
    await answered(other.open)
    try:
        both = [
            Archiving(store.warm.records, store.cold.records, per_pass=9)
            for store in (tiers, other)
        ]
        events: list[Record] = [Event(f"switch.{n}", n, "on") for n in range(20)]
        await tiers.warm.records.put([*ONE_OF_EACH, *events])

        async def change() -> None:
            for n in range(10):
                await tiers.warm.records.put([replace(BATCH, started=900 - n, ended=n, changed=n)])

        await asyncio.gather(*(one.all() for one in both), change())
        for one in both:
            await one.all()
        want = replace(BATCH, started=891, ended=9, changed=9)
        pump = next(record for record in ONE_OF_EACH if isinstance(record, Event))
        rest = [one for one in ONE_OF_EACH if one not in (BATCH, pump)]
        await both[0].check([want, *rest, pump, *events])
        assert await both[1].due() == []
    finally:
        await other.warm.records.close()
        await other.close()


async def test_an_archive_that_is_not_the_one_of_before_gets_everything(
    tiers: Tiers, tmp_path: Path
) -> None:
    await tiers.warm.records.put(ONE_OF_EACH)
    await Archiving(tiers.warm.records, tiers.cold.records).all()
    new = embedded(tmp_path / "new.db").cold
    await new.open()
    archiving = Archiving(tiers.warm.records, new.records)
    assert (await archiving.once()).copied == len(ONE_OF_EACH)
    await archiving.all()
    await archiving.check(ONE_OF_EACH)
    await new.close()


async def test_a_warm_tier_that_was_emptied_is_answered_for_by_cold(tiers: Tiers) -> None:
    """And what it is told anew is part of what there was."""
    events: list[Record] = [Event("switch.a", n, "on") for n in range(20)]
    await tiers.cold.records.put([replace(BATCH, started=50, ended=70), *events])
    rest = [replace(BATCH, started=60, ended=80), Note("n", 9, "k", "a", "x", 1, BATCH.batch_id)]
    await tiers.warm.records.put(rest)
    merged = MergedRecords(tiers)
    want = replace(BATCH, started=50, ended=80)
    for question in ({}, {"batch": BATCH.batch_id}, {"subject": "mash-tun"}, {"end": 55}):
        assert await merged.find(Batch, **question) == [want], question
    assert await merged.find(Batch, start=55) == [], "its time is another one"
    assert await merged.find(Event, limit=7) == events[:7]
    assert await merged.find(Event, start=15) == events[15:]
    assert await merged.find(Note) == rest[1:]
    assert merged.partial == []


class Killed(BaseException):
    """The process is gone."""


class SteppedCold(SqliteColdRecords):
    """An archive with something done before and after each call."""

    def __init__(self, store: SqliteStore, step: Step) -> None:
        super().__init__(store)
        self._step = step

    @override
    async def put(self, records: Sequence[Record]) -> int:
        await self._step()
        new = await super().put(records)
        await self._step()
        return new

    @override
    async def held(self, records: Sequence[Record]) -> list[bytes | None]:
        await self._step()
        marks = await super().held(records)
        await self._step()
        return marks


async def test_killed_or_changed_at_any_step_the_next_one_finishes(tmp_path: Path) -> None:
    later = replace(BATCH, started=1, ended=99)
    others = [record for record in ONE_OF_EACH if isinstance(record, Event | Note)]
    for step in range(1, 100):
        for event in ("killed", "changed"):
            tiers = embedded(tmp_path / f"{step}-{event}.db")
            await tiers.open()
            warm, steps = tiers.warm.records, 0
            await warm.put([BATCH, *others])

            async def happen(
                step: int = step, event: str = event, warm: WarmRecords = warm
            ) -> None:
                nonlocal steps
                steps += 1
                if steps == step:
                    await warm.put([later])
                    if event == "killed":
                        raise Killed

            store: SqliteStore = tiers.cold._store  # type: ignore[attr-defined]
            stepped = Archiving(warm, SteppedCold(store, happen))
            try:
                await stepped.all()
            except Killed:
                await Archiving(warm, tiers.cold.records).all()
            if steps >= step:
                await stepped.check([later, *others])
            await warm.close()
            await tiers.close()
        if steps < step:
            assert step > 8
            return
    raise AssertionError("it never ended by itself")


class LosingCold(SqliteColdRecords):
    """An archive that keeps nothing of what it acknowledges."""

    @override
    async def put(self, records: Sequence[Record]) -> int:
        return len(records)


async def test_what_is_not_given_back_is_told_and_stays_due(tmp_path: Path) -> None:
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    store: SqliteStore = tiers.cold._store  # type: ignore[attr-defined]
    await tiers.warm.records.put([BATCH])
    archiving = Archiving(tiers.warm.records, LosingCold(store))
    for _ in range(2):
        done = await archiving.once(SETTLE)
        assert (done.archived, done.waiting) == (0, 0)
        (sentence,) = done.failed
        assert "did not give back" in sentence
        assert BATCH.key in sentence
        assert archiving.archived == (0, 1, 1)
    assert await archiving.due() == [BATCH]
    await tiers.warm.records.close()
    await tiers.close()


class Away(SqliteColdRecords):
    """An archive that cannot be asked."""

    @override
    async def seal(self) -> str:
        raise TierUnavailableError("The archive has gone.")


async def test_an_archive_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    store: SqliteStore = tiers.cold._store  # type: ignore[attr-defined]
    with pytest.raises(TierUnavailableError, match="has gone"):
        await Archiving(tiers.warm.records, Away(store)).once()
    await tiers.warm.records.close()
    await tiers.close()


@contextmanager
def child_on(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An archiver process on that store, killed in the end."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.storage_bridge.records.archiver_child", path],
        stdout=subprocess.PIPE,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


async def test_a_process_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(9)
    path = tmp_path / "store.db"
    tiers = embedded(path)
    await tiers.open()
    warm = tiers.warm.records
    records: dict[str, Record] = {}
    for kill in range(4):
        with child_on(path) as child:
            assert child.stdout is not None
            line = await asyncio.to_thread(child.stdout.readline)
            assert line == b"ready\n", "the archiver did not start"
            for n in range(30):
                series = BatchSeries("b", f"n/{n}", "k", 1000 - kill, n + kill)
                event = Event(f"switch.{kill}", n, "on")
                await warm.put([series, event])
                records |= {series.key: series, event.key: event}
            await asyncio.sleep(chance.random() / 10)
            assert child.poll() is None, "the archiver has died by itself"
    archiving = Archiving(warm, tiers.cold.records)
    await archiving.all()
    await archiving.check(list(records.values()))
    await warm.close()
    await tiers.close()
