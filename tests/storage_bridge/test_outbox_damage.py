"""An outbox whose file is spoiled, strange or of a newer version, on a disk without room."""

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from storage_bridge import doctor, outbox_writer
from storage_bridge.cli import main
from storage_bridge.config import load
from storage_bridge.feeder import Feeder
from storage_bridge.outbox import Outbox
from storage_bridge.outbox_offline import read_covered, read_expected, read_figures, read_status
from storage_bridge.outbox_schema import OutboxError
from storage_bridge.preflight import Level

from .bridge_files import write_config
from .events import batch, keys
from .feeding import QUICK
from .test_feeder import _Failing
from .waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import OpenOutbox

URL = "ws://127.0.0.1:9/api/websocket"
READERS = [read_status, read_covered, read_figures, read_expected]


async def _fill(outbox: Outbox, batches: int) -> None:
    for first in range(1, batches * 1000, 1000):
        parsed, blob = batch(first, first + 999)
        await outbox.append(parsed, blob, live=False)


def _spoil(path: Path, blob: bytes, where: str) -> int:
    """Put a blob in the place of that of one row; the row's id."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        (row_id,) = db.execute(f"SELECT id FROM batch WHERE {where} LIMIT 1").fetchone()
        db.execute("UPDATE batch SET blob = ? WHERE id = ?", (blob, row_id))
    return int(row_id)


@pytest.mark.parametrize(
    ("where", "blob"),
    [
        ("packed = 0", b"\xffno message"),
        ("packed = 1", b"\xffno frame"),
        ("packed = 1", b""),
        ("packed = 1", bytes.fromhex("28b52ffd2004210000ffffffff")),  # lengths that are none
    ],
)
async def test_a_row_that_cannot_be_read_any_more_stops_no_other(
    open_outbox: OpenOutbox, tmp_path: Path, where: str, blob: bytes
) -> None:
    path = tmp_path / "outbox.db"
    outbox = open_outbox(max_bytes=1 << 20)
    await _fill(outbox, 30)  # half is packed, half is not
    await outbox.close()
    last = 30_000
    row_id = _spoil(path, blob, where)
    expected = read_expected(path)
    assert 0 < sum(map(len, expected.waiting.values())) < last, "the others wait, and it is told"
    outbox = open_outbox(max_bytes=1 << 30)
    sink = _Failing(lambda _: None)
    feeder = Feeder(sink, outbox, retry=QUICK)
    task = asyncio.create_task(feeder.run())
    try:
        await until(lambda: feeder.idle or task.done(), "everything else is delivered")
        assert not task.done(), task
        await until(lambda: outbox.snapshot.letters > 0, "what was there is kept")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    held = {(sample.series, sample.t) for sample in sink.held}
    assert held < keys(batch(1, last)[0])
    assert len(held) >= sum(map(len, expected.waiting.values()))
    assert outbox.snapshot.cursors["warm"] >= row_id
    [kept] = await outbox.letters(0, 10)
    assert kept.letter.record == blob.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


async def test_pages_that_cannot_be_given_back_end_nothing(
    open_outbox: OpenOutbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the disk is full that cannot be done either."""
    outbox = open_outbox()
    await _fill(outbox, 20)
    for sink in outbox.sinks:
        outbox.advance(sink, outbox.status()["last_row"])
    await until(lambda: outbox.snapshot.rows == 0, "there are pages to give back")
    writer = outbox._writer._db
    writer.execute("PRAGMA query_only=1")  # what SQLite says then is as fatal as of a full disk
    (free,) = writer.execute("PRAGMA freelist_count").fetchone()
    monkeypatch.setattr(outbox_writer, "RETURN_PAGES", free // 2)
    await until(lambda: "given back" in caplog.text or outbox._dead.done(), "it was tried")
    writer.execute("PRAGMA query_only=0")
    await _fill(outbox, 1)
    assert not outbox._dead.done()
    await until(
        lambda: writer.execute("PRAGMA freelist_count").fetchone()[0] <= free // 2, "it is done"
    )
    assert caplog.text.count("given back") == 1, "and told of once"


@pytest.mark.parametrize("name", ["100% #1? ü", "a b"])
async def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "outbox.db"
    path.parent.mkdir()
    outbox = Outbox(path, max_bytes=1 << 30)
    await _fill(outbox, 1)
    await outbox.close()
    assert read_covered(path) == {"mash-a": 1000}


async def _outbox_of(folder: Path) -> Path:
    """A configuration with an outbox."""
    config = load(write_config(folder, URL))
    config.data_dir.mkdir()
    outbox = Outbox(config.outbox_path, max_bytes=1 << 30)
    await _fill(outbox, 3)
    await outbox.close()
    assert [path.name for path in config.data_dir.iterdir()] == ["outbox.db"], "one file is all"
    return config.outbox_path


def _garble(path: Path) -> None:
    """Spoil every page but the first."""
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xaa" * (len(data) - 4096)
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(b"this is no database, but it is long enough" * 1000)


def _renew(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [(_garble, "malformed"), (_cut, "not a database"), (_renew, "schema 99")],
)
async def test_a_file_that_cannot_be_used_is_named_in_a_sentence(
    tmp_path: Path, spoil: Any, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = await _outbox_of(tmp_path)
    spoil(path)
    with pytest.raises(OutboxError, match=rf"outbox\.db .*{says}"):
        Outbox(path, max_bytes=1 << 30)
    for read in READERS:
        with pytest.raises(OutboxError, match=rf"outbox\.db .*{says}"):
            read(path)
    config = tmp_path / "bridge.yaml"
    found = {one.part: one async for one in doctor.examine(load(config))}
    assert found["outbox"].level is Level.STOP
    assert says in found["outbox"].text
    for command in (["status"], ["letters"], ["verify", "--offline", "--wait", "0"]):
        arguments = [*command, "--config", str(config)]
        assert await asyncio.to_thread(main, arguments) == 2, command
        assert says in capsys.readouterr().err
