"""A restore that is cut short at its end, over remains, into other stores, of what is not known."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from storage_bridge.app import Bridge
from storage_bridge.backup import back_up
from storage_bridge.backup_file import BackupError, Kind, Writer
from storage_bridge.cli import main
from storage_bridge.codec import Chunk, encode
from storage_bridge.config import BridgeConfig, load
from storage_bridge.data_dir import DataDirError
from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.mover import SETTLE_S
from storage_bridge.outbox import Outbox
from storage_bridge.outbox_offline import read_covered, read_figures
from storage_bridge.outbox_taken import figures
from storage_bridge.restore import Restore, unfinished
from storage_bridge.stored import open_store, stored_samples
from storage_bridge.tiers import embedded
from storage_bridge.tiers.sqlite_cold import SqliteCold
from storage_bridge.tiers.sqlite_store import SqliteStore

from .bridge_files import write_config
from .events import batch
from .generated import probe_hour
from .mover_driver import Killed
from .test_backup import NEW, OLD, URL, WARM, opened


def _configured(folder: Path) -> BridgeConfig:
    return load(write_config(folder, URL))


async def _take_in(config: BridgeConfig, first: int, last: int, node: str = "mash-a") -> Outbox:
    outbox = Outbox(config.outbox_path, max_bytes=1 << 30)
    parsed, blob = batch(first, last, node=node)
    assert await outbox.append(parsed, blob, live=False)
    return outbox


async def _backed_up(config: BridgeConfig, output: Path, rows: list[Sample]) -> None:
    async with opened(config) as tiers:
        await tiers.warm.write(rows)
    await (await _take_in(config, 1, 200)).close()
    async with open_store(config) as tiers:
        await back_up(config, tiers, output, version="1")


async def _restored(config: BridgeConfig, source: Path) -> None:
    async with opened(config) as tiers:
        await Restore(config, tiers, source).run()


def _written(output: Path, chunk: Chunk) -> None:
    """A backup of one hour."""
    with output.open("wb") as file:
        writer = Writer(file)
        writer.add_json(Kind.HEADER, {"created": 1, "bridge": "x"})
        writer.add_chunk(chunk)
        writer.finish(hours=1, samples=chunk.head.rows, records=0, damaged=[])


async def test_a_restore_that_dies_at_its_last_step_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = _configured(tmp_path / "one"), _configured(tmp_path / "two")
    await _backed_up(one, tmp_path / "backup", WARM)
    unlink = Path.unlink

    def dies(self: Path, missing_ok: bool = False) -> None:
        if self.name == "restoring.json":
            raise Killed
        unlink(self, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", dies)
        with pytest.raises(Killed):
            await _restored(two, tmp_path / "backup")
    assert two.outbox_path.exists()
    with pytest.raises(DataDirError, match="run it again"):
        await Bridge(two).start()
    await _restored(two, tmp_path / "backup")
    assert unfinished(two.data_dir) is None
    assert [sample async for sample in stored_samples(two)] == sorted(WARM)
    assert read_figures(two.outbox_path) == figures(batch(1, 200)[0].samples)


async def _cut_short(folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> BridgeConfig:
    """A backup `backup` in the folder, and a bridge whose restore of it died in the middle."""
    one, two = _configured(folder / "one"), load(write_config(folder / "two", URL, **more))
    await _backed_up(one, folder / "backup", WARM)

    async def dies(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Restore, "_compare", dies)
        with pytest.raises(Killed):
            await _restored(two, folder / "backup")
    return two


@pytest.mark.parametrize("stores", [("redis",), ("mongo",)], indirect=True, ids="+".join)
async def test_a_restore_that_is_run_again_with_other_stores_does_not_mix(
    stores: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = await _cut_short(tmp_path, monkeypatch)
    other = load(write_config(tmp_path / "two", URL, tiers=stores))
    theirs = [Sample("theirs/t", NEW + n, 1.0, "ok", None) for n in range(3)]
    async with opened(other) as tiers:
        await (tiers.hot if "hot" in stores else tiers.warm).write(theirs)
    with pytest.raises(BackupError, match=r"hold samples of 'theirs/t': .*begun with: .*a file in"):
        await _restored(other, tmp_path / "backup")
    async with opened(other) as tiers:
        assert await (tiers.hot if "hot" in stores else tiers.warm).series() == ["theirs/t"]
    assert unfinished(begun.data_dir) is not None
    await _restored(load(write_config(tmp_path / "two", URL)), tmp_path / "backup")
    assert unfinished(begun.data_dir) is None
    assert [sample async for sample in stored_samples(begun)] == sorted(WARM)


@pytest.mark.parametrize("stores", [("redis",), ("mongo",)], indirect=True, ids="+".join)
async def test_a_restore_that_is_run_again_goes_on_in_other_stores_that_are_empty(
    stores: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _cut_short(tmp_path, monkeypatch)
    other = load(write_config(tmp_path / "two", URL, tiers=stores))
    with monkeypatch.context() as patch:
        patch.setattr(Restore, "_put_outbox", _killed)
        with pytest.raises(Killed):
            await _restored(other, tmp_path / "backup")
    await _restored(other, tmp_path / "backup")  # it knows those by now
    assert unfinished(other.data_dir) is None
    assert [sample async for sample in stored_samples(other)] == sorted(WARM)
    assert read_figures(other.outbox_path) == figures(batch(1, 200)[0].samples)


@pytest.mark.parametrize("stores", [("redis",)], indirect=True, ids="+".join)
async def test_a_restore_begun_with_a_hot_store_goes_on_without_it(
    stores: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then hot has warm's rows, which this restore put there."""
    begun = await _cut_short(tmp_path, monkeypatch, tiers=stores)
    embedded = load(write_config(tmp_path / "two", URL))
    await _restored(embedded, tmp_path / "backup")
    assert unfinished(begun.data_dir) is None
    assert [sample async for sample in stored_samples(embedded)] == sorted(WARM)


def _killed(_: Restore) -> None:
    raise Killed


async def test_the_log_of_an_outbox_that_was_removed_does_not_get_into_the_restored_one(
    tmp_path: Path,
) -> None:
    one, two = _configured(tmp_path / "one"), _configured(tmp_path / "two")
    await _backed_up(one, tmp_path / "backup", WARM)
    two.data_dir.mkdir(parents=True)
    outbox = await _take_in(two, 1, 5000, node="mash-z")
    log = two.outbox_path.with_name("outbox.db-wal")
    kept = shutil.copy(log, tmp_path / "log")  # as a bridge that is killed leaves it
    await outbox.close()
    two.outbox_path.unlink()
    shutil.copy(kept, log)
    await _restored(two, tmp_path / "backup")
    assert read_covered(two.outbox_path) == {"mash-a": 200}
    assert read_figures(two.outbox_path) == figures(batch(1, 200)[0].samples)
    again = await _take_in(two, 201, 300)
    await again.close()


async def test_a_zero_below_zero_is_the_same_in_a_store_that_does_not_know_it(
    tmp_path: Path,
) -> None:
    """A probe in ice water, rounded: MongoDB keeps its sign, SQLite does not."""
    rows = [Sample("a/t", NEW + n * 1000, -0.0 if n % 2 else 0.5, "ok", None) for n in range(9)]
    _written(tmp_path / "backup", encode(rows))
    two = _configured(tmp_path / "two")
    await _restored(two, tmp_path / "backup")
    assert [sample async for sample in stored_samples(two)] == rows


@pytest.mark.parametrize("hour", [NEW, NEW - 60 * 24 * HOUR_MS])
async def test_an_hour_of_a_newer_version_is_refused_in_a_sentence(
    tmp_path: Path, hour: int, capsys: pytest.CaptureFixture[str]
) -> None:
    chunk = encode([Sample("a/t", hour, 1.0, "ok", None)])
    _written(tmp_path / "backup", chunk._replace(head=chunk.head._replace(codec=99)))
    two = _configured(tmp_path / "two")
    with pytest.raises(BackupError, match="codec 99, which this version does not know"):
        await _restored(two, tmp_path / "backup")
    assert not two.outbox_path.exists()
    arguments = ["restore", str(tmp_path / "backup"), "--config", str(two.path)]
    assert await asyncio.to_thread(main, arguments) == 2
    assert "codec 99" in capsys.readouterr().err


ARCHIVED = [s for hour in range(3) for s in probe_hour(OLD + hour * HOUR_MS, hour, step_ms=60_000)]
CASSANDRA = {"driver": "cassandra", "hosts": ["127.0.0.1"]}


async def _settled(
    config: BridgeConfig, source: Path, sleep: Callable[[SqliteCold, float], Awaitable[None]]
) -> None:
    """Restore with an archive in a file of its own, which stands for the one configured."""
    config.data_dir.mkdir(parents=True, exist_ok=True)
    cold = SqliteCold(SqliteStore(config.data_dir / "cold.db"))
    tiers = embedded(config.store_path)._replace(cold=cold)
    await tiers.open()
    try:
        await Restore(config, tiers, source, sleep=lambda s: sleep(cold, s)).run()
    finally:
        await tiers.close()


async def test_what_cassandra_forgets_before_it_is_on_its_disk_is_not_said_to_be_restored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = _configured(tmp_path / "one")
    two = load(write_config(tmp_path / "two", URL, tiers={"cold": CASSANDRA}))
    await _backed_up(one, tmp_path / "backup", ARCHIVED + WARM)
    held: list[int] = []

    async def dies(cold: SqliteCold, seconds: float) -> None:
        assert seconds == SETTLE_S
        assert not two.outbox_path.exists(), "nodes may not be told that it has their samples"
        held.append(await cold.count())
        await cold.close()
        (two.data_dir / "cold.db").unlink()
        await cold.open()

    async def settles(cold: SqliteCold, _: float) -> None:
        held.append(await cold.count())

    with pytest.raises(BackupError, match="do not give back what was restored"):
        await _settled(two, tmp_path / "backup", dies)
    assert "waiting 60 s until Cassandra has it on its disk" in caplog.text
    assert not two.outbox_path.exists()
    assert unfinished(two.data_dir) is not None
    await _settled(two, tmp_path / "backup", settles)
    assert held == [len(ARCHIVED)] * 2, "all was written before it was waited for"
    assert two.outbox_path.exists()
    assert unfinished(two.data_dir) is None


@pytest.mark.parametrize(
    ("tiers", "rows"),
    [({}, ARCHIVED + WARM), ({"cold": CASSANDRA}, WARM)],
    ids=["the archive is a file", "nothing is archived"],
)
async def test_where_nothing_has_to_settle_a_restore_does_not_wait(
    tmp_path: Path, tiers: dict[str, Any], rows: list[Sample], caplog: pytest.LogCaptureFixture
) -> None:
    one = _configured(tmp_path / "one")
    two = load(write_config(tmp_path / "two", URL, tiers=tiers))
    await _backed_up(one, tmp_path / "backup", rows)

    async def never(_: SqliteCold, seconds: float) -> None:
        raise AssertionError(f"waited {seconds} s")

    await _settled(two, tmp_path / "backup", never)
    assert two.outbox_path.exists()
    assert "Cassandra" not in caplog.text
