"""Batches are recorded from the samples that carry them: exact, whatever stops in between."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from storage_bridge.app import Bridge
from storage_bridge.backoff import Backoff
from storage_bridge.batch_changes import Change, changes
from storage_bridge.batch_log import BatchLog
from storage_bridge.config import load
from storage_bridge.kettles import Kettles
from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.records.base import Records
from storage_bridge.records.merged import MergedRecords
from storage_bridge.records.model import Batch, BatchSeries
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.mongo_client import Mongo
from storage_bridge.tiers.mongo_settings import MongoSettings
from storage_bridge.tiers.mongo_warm import MongoWarm
from storage_bridge.tiers.sqlite_cold_records import SqliteColdRecords

from .bridge_files import write_config
from .events import EPOCH
from .fake_home_assistant import FakeHomeAssistant, FakeNode
from .servers.mongo import drop
from .waiting import until

QUICK = Backoff(base=0.01, cap=0.05)
T = 1_790_000_000_000


def stream(series: str, plan: str, start: int = 0) -> list[Sample]:
    """A sample a second; each letter is the batch of one, `.` is none."""
    return [
        Sample(series, T + (start + place) * 1000, 20.0, "ok", None if c == "." else c)
        for place, c in enumerate(plan)
    ]


def at(second: int) -> int:
    return T + second * 1000


def told(kettles: dict[str, str]) -> Kettles:
    made = Kettles()
    made.learn({"series": [{"series": s, "kettle_id": k} for s, k in kettles.items()]})
    return made


@asynccontextmanager
async def logging(folder: Path, tiers: Tiers, kettles: Kettles) -> AsyncIterator[BatchLog]:
    log = BatchLog(
        folder / "batches.json", tiers, kettles, retry=QUICK, ask_s=0.02,
    )  # fmt: skip
    task = asyncio.create_task(log.run())
    try:
        yield log
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(params=["sqlite", "mongo"])
async def tiers(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Tiers]:
    made = embedded(tmp_path / "store.db")
    url: str | None = None
    database = f"smart_beer_test_{random.randrange(10**12)}"
    if request.param != "sqlite":
        url = request.getfixturevalue("mongo_url")
        settings = MongoSettings(url=url, driver="pymongo", database=database)
        made = made._replace(warm=MongoWarm(Mongo(settings)))
    await made.open()
    yield made
    await made.warm.records.close()
    await made.close()
    if url is not None:
        drop(url, database)


async def feed(log: BatchLog, tiers: Tiers, samples: list[Sample]) -> None:
    await tiers.warm.write(samples)
    await log.note(samples)


async def written(log: BatchLog) -> None:
    await until(lambda: log.status()["waiting"] == 0, "recorded")


async def shown(records: Records) -> list[tuple[str, str, int, int | None]]:
    return [(b.batch_id, b.kettle_id, b.started, b.ended) for b in await records.find(Batch)]


def test_changes_are_found_where_they_are() -> None:
    carried: dict[str, str] = {}
    samples = stream("n/t", "..AAB.C") + stream("n/u", ".A")
    assert changes(carried, samples) == [
        Change("n/t", "A", at(2), began=True),
        Change("n/t", "A", at(4), began=False),
        Change("n/t", "B", at(4), began=True),
        Change("n/t", "B", at(5), began=False),
        Change("n/t", "C", at(6), began=True),
        Change("n/u", "A", at(1), began=True),
    ]
    assert carried == {"n/t": "C", "n/u": "A"}


async def test_a_batch_opens_with_its_first_sample_and_ends_with_its_last(
    tmp_path: Path, tiers: Tiers
) -> None:
    kettles = told({"n/t": "mash-tun", "m/t": "mash-tun", "n/f": "fermenter"})
    async with logging(tmp_path, tiers, kettles) as log:
        await feed(log, tiers, stream("n/t", "..AAA"))
        await written(log)
        assert await shown(tiers.warm.records) == [("A", "mash-tun", at(2), None)]
        # The other node of the kettle was named the batch later, and forgets it later.
        await feed(log, tiers, stream("m/t", "...AAAAAA."))
        await feed(log, tiers, stream("n/t", "AA..", 5))
        # The beer goes on in another kettle.
        await feed(log, tiers, stream("n/f", "AA.", 20))
        await written(log)
        assert await shown(tiers.warm.records) == [
            ("A", "mash-tun", at(2), at(8)),
            ("A", "fermenter", at(20), at(21)),
        ]
        series = await tiers.warm.records.find(BatchSeries, batch="A")
        assert [(s.series, s.kettle_id, s.first, s.last) for s in series] == [
            ("n/t", "mash-tun", at(2), at(6)),
            ("m/t", "mash-tun", at(3), at(8)),
            ("n/f", "fermenter", at(20), at(21)),
        ]


async def test_a_node_that_was_off_ends_its_batch_with_what_it_took_last(
    tmp_path: Path, tiers: Tiers
) -> None:
    async with logging(tmp_path, tiers, told({"n/t": "k"})) as log:
        await feed(log, tiers, stream("n/t", "AAA"))
        await feed(log, tiers, stream("n/t", ".", 40 * HOUR_MS // 1000))
        await written(log)
        assert await shown(tiers.warm.records) == [("A", "k", at(0), at(2))]


@pytest.mark.parametrize("seed", range(6))
async def test_restarts_and_samples_that_come_again_change_nothing(
    tmp_path: Path, seed: int
) -> None:
    """A bridge is stopped anywhere, and its feeder gives the last samples again."""
    dice = random.Random(seed)
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    plan = "".join(c * dice.randrange(1, 30) for c in ".AB.C.D.")
    samples = stream("n/t", plan) + stream("n/u", plan)
    samples.sort(key=lambda sample: sample.t)
    done = 0
    while done < len(samples):
        async with logging(tmp_path, tiers, told({"n/t": "k", "n/u": "k"})) as log:
            for _ in range(dice.randrange(1, 4)):
                again = max(0, done - dice.randrange(40))
                done = min(len(samples), done + dice.randrange(1, 60))
                await feed(log, tiers, samples[again:done])
                if dice.random() < 0.5:
                    await written(log)
    async with logging(tmp_path, tiers, told({"n/t": "k", "n/u": "k"})) as log:
        await written(log)
    assert await shown(tiers.warm.records) == [
        (b, "k", at(plan.index(b)), at(plan.rindex(b))) for b in "ABCD"
    ]
    await tiers.close()


async def test_a_store_that_is_away_and_a_restart_forget_no_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    records = type(tiers.warm.records)

    async def away(*_args: object) -> int:
        raise TierUnavailableError("The store is away.")

    with monkeypatch.context() as patch:
        patch.setattr(records, "put", away)
        async with logging(tmp_path, tiers, told({"n/t": "k"})) as log:
            await feed(log, tiers, stream("n/t", ".AA."))
            await until(lambda: log.problem == "The store is away.", "it says so")
            assert log.status()["waiting"] == 2
    async with logging(tmp_path, tiers, told({"n/t": "k"})) as log:
        await written(log)
        assert await shown(tiers.warm.records) == [("A", "k", at(1), at(2))]
        assert log.problem is None
    await tiers.close()


async def test_the_kettle_is_waited_for_until_home_assistant_was_asked(tmp_path: Path) -> None:
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    kettles = Kettles()
    async with logging(tmp_path, tiers, kettles) as log:
        await feed(log, tiers, stream("n/t", "A") + stream("gone/t", "A"))
        await until(kettles.wanted.is_set, "asked for")
        await until(lambda: log.problem is not None, "it says what it waits for")
        kettles.learn({"series": []})  # a brewery that has not started
        await asyncio.sleep(0.1)
        assert await shown(tiers.warm.records) == []
        kettles.learn({"series": [{"series": "n/t", "kettle_id": "k"}, "x", {"series": 1}]})
        await written(log)
        assert sorted(await shown(tiers.warm.records)) == [
            ("A", "gone", at(0), None),
            ("A", "k", at(0), None),
        ]
    await tiers.close()


@pytest.mark.parametrize("spoiled", [False, True])
async def test_without_its_file_it_goes_on_with_what_the_records_say(
    tmp_path: Path, spoiled: bool
) -> None:
    """A bridge that was set up anew, or restored, on a store in which a batch runs."""
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    file = tmp_path / "batches.json"
    async with logging(tmp_path, tiers, told({"n/t": "k"})) as log:
        await feed(log, tiers, stream("n/t", "A.BB"))
        await written(log)
        assert file.stat().st_mode & 0o777 == 0o600
    file.unlink()
    if spoiled:
        file.write_text("{spoiled")
    async with logging(tmp_path, tiers, told({"n/t": "k"})) as log:
        await feed(log, tiers, stream("n/t", "B..", 4))
        await written(log)
        assert await shown(tiers.warm.records) == [
            ("A", "k", at(0), at(0)),
            ("B", "k", at(2), at(4)),
        ]
    await tiers.close()


@pytest.mark.parametrize("away", [False, True])
async def test_a_batch_that_only_the_archive_has_ends_too_unless_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    """A bridge that was set up anew beside a warm tier that came back empty."""
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    await tiers.warm.write(stream("n/t", ".AA"))
    await tiers.cold.records.put(
        [Batch("A", "k", at(1), None, "A", "", 0), BatchSeries("A", "n/t", "k", at(1), None)]
    )

    async def gone(*_args: object, **_more: object) -> None:
        raise TierUnavailableError("The archive has gone.")

    with monkeypatch.context() as patch:
        if away:
            patch.setattr(SqliteColdRecords, "find", gone)
        async with logging(tmp_path, tiers, told({"n/t": "k"})) as log:
            await feed(log, tiers, stream("n/t", "..B", 3))
            await written(log)
    ended = (
        [("B", "k", at(5), None)] if away else [("A", "k", at(2), at(2)), ("B", "k", at(5), None)]
    )
    assert await shown(tiers.warm.records) == ended
    assert [(b.batch_id, b.started) for b in await MergedRecords(tiers).find(Batch)] == [
        ("A", at(1)), ("B", at(5)),
    ]  # fmt: skip
    await tiers.close()


async def test_the_bridge_records_the_batches_of_what_it_takes_in(tmp_path: Path) -> None:
    node = FakeNode("n", 600, channels=1)
    async with FakeHomeAssistant(node) as ha:
        ha.kettles = {"n/t0": "mash-tun"}
        bridge = Bridge(load(write_config(tmp_path, ha.url)))
        await bridge.start()
        try:
            await until(lambda: bridge.feeders["warm"].written == 600, "stored")
            await until(lambda: bridge.following.batches.status()["waiting"] == 0, "recorded")
            # Every other sample of the made up node carries it.
            assert await shown(bridge.tiers.warm.records) == [
                ("b1", "mash-tun", EPOCH + 1000, EPOCH + 599_000)
            ]
            assert (await bridge.status())["following"]["batches"]["problem"] is None
        finally:
            await bridge.stop()
