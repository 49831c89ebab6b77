"""`archive`, as a person runs it."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from storage_bridge.cli import main
from storage_bridge.codec import CodecError
from storage_bridge.config import load
from storage_bridge.keeper import DAY_MS
from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.records.model import Batch, Event, Record
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.base import TierRejectedError
from storage_bridge.tiers.sqlite_cold_records import SqliteColdRecords

from .bridge_files import write_config
from .generated import SERIES, probe_hour

NOW = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS
OLD = [
    sample
    for hour in range(3)
    for sample in probe_hour(NOW - 31 * DAY_MS + hour * HOUR_MS, hour, step_ms=60_000)
]
RECORDS: list[Record] = [
    Batch("B001", "mash-tun", NOW, None, "B001", "", 0),
    Event("switch.pump", NOW, "on"),
]
NEW = probe_hour(NOW - DAY_MS, step_ms=60_000)


def counts(path: Path) -> tuple[int, int]:
    async def ask(tiers: Tiers) -> tuple[int, int]:
        await tiers.open()
        try:
            return await tiers.warm.count(), await tiers.cold.count()
        finally:
            await tiers.close()

    return asyncio.run(ask(embedded(path)))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = write_config(tmp_path, "ws://127.0.0.1:8123/api/websocket")
    store = load(path).store_path
    store.parent.mkdir()

    async def feed(tiers: Tiers) -> None:
        await tiers.open()
        await tiers.warm.write(OLD + NEW)
        await tiers.warm.records.put(RECORDS)
        await tiers.close()

    asyncio.run(feed(embedded(store)))
    return path


def test_what_is_due_is_told_and_then_moved(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = load(config).store_path
    assert main(["archive", "--config", str(config)]) == 0
    told = capsys.readouterr()
    assert "3 hours are older than 30 days" in told.out
    assert "2 records are not in the archive" in told.out
    assert counts(store) == (len(OLD + NEW), 0)
    assert main(["archive", "--now", "--settle", "0", "--config", str(config)]) == 0
    told = capsys.readouterr()
    assert "3 hours copied, 180 samples moved, 0 hours failed" in told.out
    assert "2 records copied, 0 records failed" in told.out
    assert "2 records are looked at once more in 0 s" in told.err
    assert "3 of 3 hours done" in told.err
    assert counts(store) == (len(NEW), len(OLD))
    command = ["archive", "--now", "--settle", "0", "--older-than", "0", "--config", str(config)]
    assert main(command) == 0
    assert "0 records copied, 0 records failed" in capsys.readouterr().out
    assert counts(store) == (0, len(OLD + NEW))
    assert main(["archive", "--config", str(config)]) == 0
    assert "\n0 records are not in the archive" in capsys.readouterr().out


def test_an_hour_that_cannot_be_moved_is_told(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage_bridge.mover.encode", _refuse)
    assert main(["archive", "--now", "--settle", "0", "--config", str(config)]) == 1
    told = capsys.readouterr()
    assert "0 hours copied, 0 samples moved, 3 hours failed" in told.out
    assert f"{SERIES} is not encoded" in told.err
    assert counts(load(config).store_path) == (len(OLD + NEW), 0)


def _refuse(samples: list[Sample]) -> None:

    raise CodecError(f"{samples[0].series} is not encoded")


def test_a_record_that_cannot_be_archived_is_told(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put = SqliteColdRecords.put

    async def refuse(self: SqliteColdRecords, records: Sequence[Record]) -> int:
        if RECORDS[1] in records:
            raise TierRejectedError("The archive takes no events.")
        return await put(self, records)

    monkeypatch.setattr(SqliteColdRecords, "put", refuse)
    assert main(["archive", "--now", "--settle", "0", "--config", str(config)]) == 1
    told = capsys.readouterr()
    assert "1 records copied, 1 records failed" in told.out
    assert told.err.count("takes no events") == 1
    assert '["switch.pump",' in told.err


@pytest.mark.parametrize("argument", ["--settle=-1", "--settle=x", "--older-than=-3"])
def test_nonsense_is_refused(config: Path, argument: str) -> None:
    with pytest.raises(SystemExit):
        main(["archive", "--now", argument, "--config", str(config)])
