"""Batches from the archive: when warm was replaced by an empty one, and when it is away."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from storage_bridge.batches import (
    NoSuchBatchError,
    add_note,
    batch_samples,
    describe,
    list_batches,
)
from storage_bridge.cli import main
from storage_bridge.config import load
from storage_bridge.mover import Mover
from storage_bridge.reader import Reader
from storage_bridge.records.archive import RecordArchiver
from storage_bridge.records.model import Batch, Note
from storage_bridge.stored import StoreError
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.mongo_settings import MongoSettings
from storage_bridge.tiers.sqlite_cold_records import SqliteColdRecords
from storage_bridge.tiers.sqlite_store import SqliteStore
from storage_bridge.tiers.sqlite_warm import SqliteWarm

from .bridge_files import write_config
from .servers import free_port
from .test_batches import END, RECORDS, B, T, brew

NOTE = Note("n1", T + 7, "mash-tun", "Ann", "Iodine test negative", T + 7, B)
LATER = END + 10 * 3_600_000


async def archived(folder: Path) -> Tiers:
    """Everything moved and copied, in a folder of its own; not closed."""
    tiers = embedded(folder / "store.db")
    await tiers.open()
    for series in ("m/t", "m/u"):
        await tiers.warm.write(brew(series))
    await tiers.warm.records.put([*RECORDS, NOTE])
    mover = Mover(tiers.warm, tiers.cold, keep_ms=0, settle_s=0)
    archiver = RecordArchiver(tiers.warm.records, tiers.cold.records, settle_s=0)
    for _ in range(2):
        await mover.run_pass(LATER)
        await archiver.run_pass()
    await tiers.warm.records.close()
    assert await tiers.warm.count() == 0
    return tiers


@pytest.fixture
async def before(tmp_path: Path) -> AsyncIterator[Tiers]:
    tiers = await archived(tmp_path / "data")
    yield tiers
    await tiers.close()


@pytest.fixture
async def after(before: Tiers, tmp_path: Path) -> AsyncIterator[Tiers]:
    """The same archive beside an empty warm tier."""
    warm = SqliteWarm(SqliteStore(tmp_path / "new.db"))
    await warm.open()
    yield before._replace(warm=warm)
    await warm.close()


async def exported(tiers: Tiers, batch_id: str = B) -> list[Any]:
    return [
        sample async for page in batch_samples(tiers, Reader(*tiers), batch_id) for sample in page
    ]


async def test_batches_and_their_notes_outlive_the_warm_tier(before: Tiers, after: Tiers) -> None:
    listed = await list_batches(after, None, None, None, 10)
    assert listed == await list_batches(before, None, None, None, 10)
    assert [batch["batch_id"] for batch in listed["batches"]] == [B, "B002"]
    assert listed["partial"] == []
    told = await describe(after, Reader(*after), B)
    assert told == await describe(before, Reader(*before), B)
    assert [note["text"] for note in told["notes"]] == [NOTE.text]
    assert (len(told["alarms"]), len(told["acknowledgements"])) == (1, 1)
    whole = [s for series in ("m/t", "m/u") for s in brew(series) if s.batch == B]
    assert await exported(after) == whole


async def test_what_is_written_anew_joins_what_the_archive_has(after: Tiers) -> None:
    await after.warm.records.put([Batch(B, "mash-tun", T + 50, END + 50, "Export", "", 9)])
    made = await add_note(after, B, by="Bo", text="Fine", now=T + 9)
    assert made.kettle_id == "mash-tun"
    told = await describe(after, Reader(*after), B)
    assert (told["name"], told["started"], told["ended"]) == ("Export", T, END + 50)
    assert [note["text"] for note in told["notes"]] == [NOTE.text, "Fine"]
    listed = await list_batches(after, T + 1, None, None, 10)
    assert [batch["batch_id"] for batch in listed["batches"]] == ["B002"], "it began before"


async def test_a_warm_tier_that_is_away_makes_it_partial(before: Tiers, tmp_path: Path) -> None:
    away = before._replace(warm=SqliteWarm(SqliteStore(tmp_path / "closed.db")))
    listed = await list_batches(away, None, None, None, 10)
    assert [batch["batch_id"] for batch in listed["batches"]] == [B, "B002"]
    assert [missing["tier"] for missing in listed["partial"]] == ["warm"]
    told = await describe(away, Reader(*away), B)
    assert [note["text"] for note in told["notes"]] == [NOTE.text]
    assert [missing["tier"] for missing in told["partial"]] == ["warm"]
    with pytest.raises(StoreError, match="the warm tier"):
        await exported(away)
    with pytest.raises(TierUnavailableError):  # it may well be there
        await describe(away, Reader(*away), "B999")
    with pytest.raises(NoSuchBatchError):
        await describe(before, Reader(*before), "B999")


async def test_a_cold_tier_that_is_away_makes_it_partial_and_both_an_error(
    before: Tiers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_args: Any, **_more: Any) -> Any:
        raise TierUnavailableError("The archive has gone.")

    monkeypatch.setattr(SqliteColdRecords, "find", away)
    listed = await list_batches(before, None, None, None, 10)
    assert [batch["batch_id"] for batch in listed["batches"]] == [B, "B002"]
    assert listed["partial"] == [{"tier": "cold", "error": "The archive has gone."}]
    closed = before._replace(warm=SqliteWarm(SqliteStore(tmp_path / "closed.db")))
    with pytest.raises(TierUnavailableError, match="has gone"):
        await list_batches(closed, None, None, None, 10)


async def test_the_command_line_lists_them_without_warm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = partial(MongoSettings, timeout_s=1.0)
    monkeypatch.setattr("storage_bridge.config_tiers.MongoSettings", hasty)
    url = f"mongodb://127.0.0.1:{free_port()}"
    warm = {"driver": "pymongo", "url": url, "database": "gone"}
    path = write_config(tmp_path, "ws://127.0.0.1:9/api/websocket", tiers={"warm": warm})
    config = load(path)
    config.data_dir.mkdir()
    tiers = await archived(config.data_dir)
    await tiers.close()
    assert config.store_path.exists()
    assert await asyncio.to_thread(main, ["batches", "--config", str(path)]) == 1
    told = capsys.readouterr()
    assert f" mash-tun {B}\n" in told.out
    assert told.err.count("Partial: the warm tier: ") == 1
