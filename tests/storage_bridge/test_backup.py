"""Backup and restore: everything comes back, into any stores, or nothing is said to."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from storage_bridge.app import Bridge
from storage_bridge.backup import back_up
from storage_bridge.backup_file import BackupError, Contents
from storage_bridge.cli import main
from storage_bridge.codec import encode
from storage_bridge.config import BridgeConfig, load
from storage_bridge.data_dir import DataDirError
from storage_bridge.keeper import DAY_MS
from storage_bridge.model import HOUR_MS, Last, Sample
from storage_bridge.outbox import Outbox
from storage_bridge.outbox_offline import read_covered, read_expected, read_figures, read_status
from storage_bridge.records.model import KINDS, Note, Record
from storage_bridge.records.sqlite import SqliteRecords
from storage_bridge.restore import Restore, unfinished
from storage_bridge.stored import open_store, stored_samples
from storage_bridge.tiers import Tiers, tiers_of
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.sqlite_cold import SqliteCold
from storage_bridge.tiers.sqlite_warm import SqliteWarm
from storage_bridge.verify import Held, check_tiers

from .bridge_files import write_config
from .events import batch
from .fake_home_assistant import FakeHomeAssistant, FakeNode
from .generated import damaged, probe_hour
from .records.contract import ONE_OF_EACH
from .waiting import until

NOW = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS
OLD = NOW - 40 * DAY_MS
NEW = NOW - 2 * HOUR_MS
NOTES = [Note(f"many-{n}", 9000, "mash-tun", "Ann", f"note {n}", 9000) for n in range(1200)]
URL = "ws://127.0.0.1:8123/api/websocket"
# By the seconds of an hour: what is archived, came late for it, is warm, and only hot.
ARCHIVED = [s for hour in range(30) for s in probe_hour(OLD + hour * HOUR_MS, hour, step_ms=60_000)]
LATE = [sample._replace(t=sample.t + 500) for sample in ARCHIVED[:100]]
WARM = [s for hour in range(2) for s in probe_hour(NEW + hour * HOUR_MS, hour, step_ms=10_000)]
OTHER = [Sample("mash-b/t", NEW + second * 1000, None, "bad:crc", None) for second in range(50)]
HOT = [Sample("mash-b/t", NEW + 60_000 + n, float(n), "suspect:frozen", "b") for n in range(50)]
LAST = {"mash-b/t": Last(HOT[-1].t, 49.0, "suspect:frozen", "b", "spool", 99)}


class Everything(NamedTuple):
    samples: list[Sample]
    records: list[Record]
    newest: dict[str, Last]
    outbox: dict[str, Any]
    batches: str


@asynccontextmanager
async def opened(config: BridgeConfig) -> AsyncIterator[Tiers]:
    config.data_dir.mkdir(parents=True, exist_ok=True)
    tiers = tiers_of(config.tiers, config.store_path)
    await tiers.open()
    try:
        yield tiers
    finally:
        await tiers.close()


async def fill(config: BridgeConfig) -> None:
    async with opened(config) as tiers:
        for start in range(0, len(ARCHIVED), 60):
            await tiers.cold.write_chunk(encode(ARCHIVED[start : start + 60]))
        await tiers.warm.write(LATE + WARM + OTHER)
        if tiers.hot.shares_rows:
            await tiers.warm.write(HOT)
        else:
            await tiers.hot.write(HOT)
        await tiers.hot.write_last(LAST)
        records = tiers.warm.records
        await records.open()
        await records.put([*ONE_OF_EACH, *NOTES])
        await records.close()
    outbox = Outbox(config.outbox_path, max_bytes=1 << 30)
    parsed, blob = batch(1, 200)
    assert await outbox.append(parsed, blob, live=True)
    await outbox.close()
    config.batches_path.write_text("{}")


async def everything(config: BridgeConfig) -> Everything:
    async with open_store(config) as tiers:
        newest = await tiers.hot.newest()
        records = tiers.warm.records
        await records.open()
        found = [record for kind in KINDS for record in await records.find(kind, limit=5000)]
        await records.close()
    samples = [sample async for sample in stored_samples(config)]
    outbox = read_status(config.outbox_path)
    outbox["outbox"].pop("bytes")
    return Everything(samples, found, newest, outbox, config.batches_path.read_text())


def configured(folder: Path, **tiers: Any) -> BridgeConfig:
    return load(write_config(folder, URL, tiers=tiers))


async def backed_up(config: BridgeConfig, output: Path) -> Contents:
    async with open_store(config) as tiers:
        return await back_up(config, tiers, output, version="1")


async def restored(config: BridgeConfig, source: Path) -> Contents:
    async with opened(config) as tiers:
        return await Restore(config, tiers, source, settle_s=0).run()


async def test_everything_comes_back(tmp_path: Path) -> None:
    one, two = configured(tmp_path / "one"), configured(tmp_path / "two")
    await fill(one)
    before = await everything(one)
    assert before.samples == sorted([*ARCHIVED, *LATE, *WARM, *OTHER, *HOT])
    assert before.newest == LAST
    assert before.outbox["outbox"]["samples"] == 200
    assert len(before.records) == len(ONE_OF_EACH) + len(NOTES)
    contents = await backed_up(one, tmp_path / "backup")
    assert contents.samples == len(before.samples)
    assert contents.records == len(before.records)
    assert contents.damaged == []
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup"]
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    assert await everything(one) == before
    assert await restored(two, tmp_path / "backup") == contents
    assert await everything(two) == before
    async with open_store(two) as tiers:
        assert await tiers.cold.count() == len(ARCHIVED) + len(LATE)
    assert {path.name for path in two.data_dir.iterdir()} >= {"outbox.db", "batches.json"}
    assert not [path for path in two.data_dir.iterdir() if "restoring" in path.name]


@pytest.mark.slow
@pytest.mark.parametrize("stores", [("redis", "mongo", "cassandra")], indirect=True, ids="+".join)
async def test_from_one_file_to_real_stores_and_back(
    stores: dict[str, Any], tmp_path: Path
) -> None:
    one, real = configured(tmp_path / "one"), configured(tmp_path / "real", **stores)
    last = configured(tmp_path / "last")
    await fill(one)
    before = await everything(one)
    await backed_up(one, tmp_path / "backup")
    await restored(real, tmp_path / "backup")
    assert await everything(real) == before
    assert not real.store_path.exists()
    second = await backed_up(real, tmp_path / "backup of real stores")
    assert second.samples == len(before.samples)
    await restored(last, tmp_path / "backup of real stores")
    assert await everything(last) == before
    with pytest.raises(BackupError, match="exists: a bridge has run here"):
        await restored(real, tmp_path / "backup")
    real.outbox_path.unlink()
    with pytest.raises(BackupError, match="not empty"):
        await restored(real, tmp_path / "backup")


async def test_a_hot_tier_of_its_own_is_in_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage_bridge.backup._ROWS", 20)
    one, two = configured(tmp_path / "one"), configured(tmp_path / "two")
    await fill(one)
    async with open_store(one) as tiers, opened(two) as other:
        # Hot with rows of its own, as beside a MongoDB.
        alone = tiers._replace(hot=other.hot)
        other.hot._shares_rows = False  # type: ignore[attr-defined]
        more = probe_hour(NEW - HOUR_MS, series="mash-c/t", step_ms=100_000)
        more += probe_hour(NEW, series="mash-c/t", step_ms=100_000)
        await other.hot.write(more)
        contents = await back_up(one, alone, tmp_path / "backup", version="1")
    assert contents.samples == len([*ARCHIVED, *LATE, *WARM, *OTHER, *HOT, *more])


async def test_stores_that_hold_anything_are_left_alone(tmp_path: Path) -> None:
    one, two = configured(tmp_path / "one"), configured(tmp_path / "two")
    await fill(one)
    await backed_up(one, tmp_path / "backup")
    async with opened(two) as tiers:
        await tiers.warm.write(OTHER)
    with pytest.raises(BackupError, match="they hold samples of 'mash-b/t'"):
        await restored(two, tmp_path / "backup")
    async with opened(two) as tiers:
        await tiers.warm.delete_exact(OTHER)
        records = tiers.warm.records
        await records.open()
        await records.put(NOTES[:1])
        await records.close()
    with pytest.raises(BackupError, match="they hold records"):
        await restored(two, tmp_path / "backup")
    assert not unfinished(two.data_dir)


async def test_a_restore_that_was_cut_short_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = configured(tmp_path / "one"), configured(tmp_path / "two")
    await fill(one)
    await backed_up(one, tmp_path / "backup")
    await backed_up(one, tmp_path / "another")
    written = 0
    write = SqliteWarm.write

    async def away(self: SqliteWarm, samples: list[Sample]) -> Any:
        nonlocal written
        written += 1
        if written > 2:
            raise TierUnavailableError("The store is away.")
        return await write(self, samples)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteWarm, "write", away)
        with pytest.raises(TierUnavailableError):
            await restored(two, tmp_path / "backup")
    assert not two.outbox_path.exists()
    with pytest.raises(DataDirError, match="has not finished"):
        await Bridge(two).start()
    with pytest.raises(BackupError, match="was cut short here"):
        await restored(two, tmp_path / "another")
    await restored(two, tmp_path / "backup")
    assert await everything(two) == await everything(one)
    assert unfinished(two.data_dir) is None


async def test_what_the_stores_do_not_give_back_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = configured(tmp_path / "one"), configured(tmp_path / "two")
    await fill(one)
    await backed_up(one, tmp_path / "backup")
    write = SqliteWarm.write

    async def forgetful(self: SqliteWarm, samples: list[Sample]) -> Any:
        return await write(self, samples[:-1])

    monkeypatch.setattr(SqliteWarm, "write", forgetful)
    with pytest.raises(BackupError, match="do not give back what was restored"):
        await restored(two, tmp_path / "backup")
    assert not two.outbox_path.exists()


async def test_a_record_that_does_not_come_back_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = configured(tmp_path / "one"), configured(tmp_path / "two")
    await fill(one)
    await backed_up(one, tmp_path / "backup")
    put = SqliteRecords.put

    async def forgetful(self: SqliteRecords, records: list[Record]) -> int:
        return await put(self, records[1:])

    monkeypatch.setattr(SqliteRecords, "put", forgetful)
    with pytest.raises(BackupError, match="do not give back the record"):
        await restored(two, tmp_path / "backup")


async def test_what_is_taken_in_meanwhile_is_not_said_to_be_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = configured(tmp_path / "one"), configured(tmp_path / "two")
    await fill(one)
    heads = SqliteCold.heads

    async def meanwhile(self: SqliteCold, *question: Any) -> Any:
        monkeypatch.undo()
        outbox = Outbox(one.outbox_path, max_bytes=1 << 30)
        parsed, blob = batch(1, 100, node="mash-z")
        await outbox.append(parsed, blob, live=True)
        for sink in ("hot", "warm"):  # as if every tier had it
            outbox.advance(sink, outbox.status()["last_row"])
        await outbox.close()
        return await heads(self, *question)

    monkeypatch.setattr(SqliteCold, "heads", meanwhile)
    await backed_up(one, tmp_path / "backup")
    assert "mash-z" in read_covered(one.outbox_path)
    await restored(two, tmp_path / "backup")
    assert set(read_covered(two.outbox_path)) == {"mash-a"}


async def test_a_backup_beside_a_running_bridge_lacks_nothing_that_it_says_it_has(
    tmp_path: Path,
) -> None:
    node = FakeNode("n", 40_000)
    async with FakeHomeAssistant(node) as ha:
        one = load(write_config(tmp_path / "one", ha.url))
        two = load(write_config(tmp_path / "two", ha.url))
        bridge = Bridge(one)
        await bridge.start()
        try:
            await until(lambda: bridge.outbox.status()["last_row"] > 3, "some have come")
            contents = await back_up(one, bridge.tiers, tmp_path / "backup", version="1")
        finally:
            await bridge.stop()
        await restored(two, tmp_path / "backup")
        expected = read_expected(two.outbox_path)
        assert expected.covered["n"] > 0
        held = Held(expected.waiting)
        stored = 0
        async for sample in stored_samples(two):
            held.add(sample)
            stored += 1
        assert stored == contents.samples
        assert check_tiers(expected, read_figures(two.outbox_path), held).missing == []
        bridge = Bridge(two)
        await bridge.start()
        try:
            await until(ha.acked_all, "all acknowledged")
            await until(lambda: all(f.idle for f in bridge.feeders.values()), "all stored")
        finally:
            await bridge.stop()
        assert {(s.series, s.t) async for s in stored_samples(two)} == node.keys()
        assert (
            await asyncio.to_thread(
                main, ["verify", "--offline", "--config", str(tmp_path / "two" / "bridge.yaml")]
            )
            == 0
        ), "the figures by series were restored as well"


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = configured(tmp_path / "one"), configured(tmp_path / "two")
    output = str(tmp_path / "backup")
    here, there = ("--config", str(one.path)), ("--config", str(two.path))
    assert main(["backup", "--output", output, *here]) == 2
    assert "no bridge has stored anything there yet" in capsys.readouterr().err
    asyncio.run(fill(one))
    assert main(["backup", "--output", output, *here]) == 0
    told = capsys.readouterr()
    total = len([*ARCHIVED, *LATE, *WARM, *OTHER, *HOT])
    assert f"{output} holds {total} samples in 33 hours, 1208 records" in told.out
    assert "2 of 2 series done" in told.err
    assert main(["backup", "--output", output, *here]) == 2
    assert "exists and is not overwritten" in capsys.readouterr().err
    assert main(["restore", output, "--check", *there]) == 0
    assert "is whole" in capsys.readouterr().out
    assert not two.data_dir.exists()
    assert main(["restore", output, *there]) == 0
    told = capsys.readouterr()
    assert f"Restored {total} samples" in told.out
    assert asyncio.run(everything(two)) == asyncio.run(everything(one))
    assert main(["restore", output, *there]) == 2
    assert "a bridge has run here" in capsys.readouterr().err
    (tmp_path / "backup").write_bytes((tmp_path / "backup").read_bytes()[:-9])
    assert main(["restore", output, "--check", *there]) == 2
    assert "is damaged" in capsys.readouterr().err


def test_an_hour_that_is_damaged_is_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = configured(tmp_path / "one"), configured(tmp_path / "two")
    asyncio.run(fill(one))
    bad = encode(probe_hour(OLD - HOUR_MS, step_ms=60_000))

    async def spoil() -> None:
        async with opened(one) as tiers:
            await tiers.cold.write_chunk(damaged(bad))

    asyncio.run(spoil())
    output = str(tmp_path / "backup")
    assert main(["backup", "--output", output, "--config", str(one.path)]) == 1
    assert f"in the hour {bad.head.hour} is damaged" in capsys.readouterr().err
    assert main(["restore", output, "--config", str(two.path)]) == 1
    assert "LEFT OUT" in capsys.readouterr().err
    samples = asyncio.run(everything(two)).samples
    assert samples == sorted([*ARCHIVED, *LATE, *WARM, *OTHER, *HOT])


async def test_a_backup_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = configured(tmp_path / "one")
    await fill(one)

    async def away(*_: object) -> None:
        raise TierUnavailableError("The store is away.")

    monkeypatch.setattr(SqliteWarm, "aggregate", away)
    with pytest.raises(TierUnavailableError):
        await backed_up(one, tmp_path / "backup")
    assert not list(tmp_path.glob("backup*"))
