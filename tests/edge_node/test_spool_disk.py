"""The spool's file: its limit, a full disk, and what to do with a file that is broken or gone."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from edge_node.spool import Entry, Spool, SpoolError, read_file
from edge_node.spool_file import SpoolFile
from tests.edge_node.spools import LIMIT_S, UTC, Opened, eventually, tick, until


async def test_the_oldest_go_first_and_the_file_stays_within_its_limit(opened: Opened) -> None:
    limit = 2**20
    spool = await opened(max_bytes=limit)
    largest = 0
    sent = 0
    for second in range(60):
        spool.submit(tick(second, *[float(n) for n in range(500)]))
        sent += 500
        await until(spool, sent)
        files = [spool.path, spool.path.with_name("spool.db-wal")]
        largest = max(largest, sum(file.stat().st_size for file in files))
        if second == 20:
            await spool.read(5_000, 1)
    assert largest <= limit
    assert spool.bytes <= limit
    await spool.close()  # until then it may be making room
    assert spool.first_seq > 10_000
    assert spool.rows == 30_000 - spool.first_seq + 1
    assert spool.rows > 5_000, "most of the limit must be used"
    # Rows up to 5,000 had been read, the others that are gone had not.
    assert 0 < spool.dropped_unread < spool.first_seq - 1
    first, last, dropped = spool.first_seq, spool.last_seq, spool.dropped_unread
    again = await opened(max_bytes=limit)
    assert (await again.read(0, 1)).samples[0][0] == first
    assert (again.first_seq, again.last_seq, again.dropped_unread) == (first, last, dropped)


async def test_a_lowered_limit_gives_the_room_back(opened: Opened) -> None:
    spool = await opened(max_bytes=2**24)
    for second in range(40):
        spool.submit(tick(second, *[float(n) for n in range(1000)]))
        await until(spool, 1000 * (second + 1))
    await spool.close()
    assert spool.path.stat().st_size > 3 * 2**19
    small = await opened(max_bytes=2**20)
    small.submit(tick(1000, 1.0))
    await until(small, 40_001)
    await small.close()
    assert small.path.stat().st_size <= 2**20


async def test_samples_without_a_time_are_bounded_as_well(opened: Opened) -> None:
    spool = await opened(max_bytes=2**20)
    for second in range(60):
        spool.submit([Entry(None, second * 1000, f"n/{n}", 1.0, "ok") for n in range(1000)])
        if second % 5 == 4:
            await eventually(lambda: not spool._queue and not spool._in_flight)
    await eventually(lambda: spool.dropped_unread > 0)
    assert spool.bytes <= 2**20
    assert spool.pending > 5_000


@pytest.mark.parametrize("content", [b"this is no database" * 1000, b"\0" * 4096])
async def test_a_broken_file_is_moved_aside_and_a_new_spool_begun(
    opened: Opened, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "spool.db").write_bytes(content)
    spool = await opened()
    await eventually(lambda: spool.problem is None and spool.replaced is not None)
    assert (tmp_path / "spool.db.broken-1").read_bytes() == content
    assert spool.replaced is not None
    assert "spool.db.broken-1" in spool.replaced
    spool.submit(tick(0, 1.0))
    await until(spool, 1)


async def test_a_file_that_breaks_under_way_is_replaced_under_a_new_id(
    opened: Opened, tmp_path: Path
) -> None:
    spool = await opened()
    for second in range(10):
        spool.submit(tick(second, *[float(n) for n in range(400)]))
        await until(spool, 400 * (second + 1))
    await spool.close()
    path = tmp_path / "spool.db"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    broken = await opened()
    waiting = asyncio.create_task(broken.wait(broken.last_seq, LIMIT_S))
    broken.submit(tick(1000, 1.0))
    await eventually(lambda: broken.replaced is not None and broken.problem is None)
    await waiting
    broken.submit(tick(1001, 1.0))
    await eventually(lambda: broken.last_seq >= 1)
    assert broken.spool_id != spool.spool_id
    assert (tmp_path / "spool.db.broken-1").exists()


async def test_a_deleted_file_means_another_spool(opened: Opened) -> None:
    first = await opened()
    first.submit(tick(0, 1.0))
    await first.close()
    first.path.unlink()
    second = await opened()
    assert second.spool_id != first.spool_id
    assert second.last_seq == 0


async def test_a_spool_of_a_later_release_is_not_touched_but_kept(
    opened: Opened, tmp_path: Path
) -> None:
    database = sqlite3.connect(tmp_path / "spool.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    spool = await opened()
    await eventually(lambda: spool.replaced is not None)
    assert spool.replaced is not None
    assert "schema version 99" in spool.replaced


async def test_a_folder_that_is_not_there_costs_only_what_does_not_fit_in_memory(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "later"
    spool = Spool(folder / "spool.db", max_bytes=2**24, kernel_boot="boot-1")
    await spool.open()
    assert "cannot be written" in str(spool.problem)
    for second in range(15):
        spool.submit(tick(second, 1.0, 2.0))
    assert spool.lost == 10
    folder.mkdir()
    await until(spool, 30)
    await eventually(lambda: spool.problem is None)
    assert (spool.holes, spool.lost, spool.rows) == ([(1, 10)], 10, 20)
    assert [row[1] for row in (await spool.read(0, 1)).samples] == [UTC + 5_000]
    await spool.close()


async def test_a_full_database_is_told_as_a_full_disk_and_recovers(opened: Opened) -> None:
    spool = await opened()
    spool.submit(tick(0, 1.0))
    await until(spool, 1)
    assert spool._file is not None
    database = spool._file._db
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    second = 1
    async with asyncio.timeout(LIMIT_S):
        while spool.problem is None:
            spool.submit(tick(second, *[float(n) for n in range(50)]))
            second += 1
            await asyncio.sleep(0.02)
    assert spool.disk_full
    last = spool.last_seq
    # What is there is still served.
    assert (await spool.read(0, 1)).samples[0][0] == 1
    database.execute("PRAGMA max_page_count = 1000000").fetchall()
    await until(spool, last + 50)
    await eventually(lambda: spool.problem is None)
    assert not spool.disk_full


async def test_a_defect_of_the_writer_is_told_and_costs_no_sample(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = await opened()

    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(SpoolFile, "append", broken)
    spool.submit(tick(0, 1.0))
    await eventually(lambda: spool.problem is not None)
    assert "see the log" in str(spool.problem)
    assert not spool.disk_full
    monkeypatch.undo()
    await until(spool, 1)
    await eventually(lambda: spool.problem is None)
    assert spool.lost == 0


async def test_a_reader_says_when_the_file_cannot_be_read(opened: Opened) -> None:
    spool = await opened()
    spool.submit(tick(0, 1.0))
    await until(spool, 1)
    spool.path.rename(spool.path.with_name("elsewhere"))
    with pytest.raises(SpoolError, match="cannot be read"):
        await spool.read(0, 10)
    spool.path.with_name("elsewhere").rename(spool.path)
    assert len((await spool.read(0, 10)).samples) == 1


def test_a_missing_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_file(tmp_path / "spool.db"))


def test_a_file_that_is_only_being_made_has_no_samples_yet(tmp_path: Path) -> None:
    (tmp_path / "spool.db").touch()
    assert list(read_file(tmp_path / "spool.db")) == []


async def test_a_reader_never_passes_a_dropped_row_without_being_told(opened: Opened) -> None:
    spool = await opened(max_bytes=2**20)
    after = 0
    for second in range(80):
        spool.submit(tick(second, *[float(n) for n in range(500)]))
        async with asyncio.timeout(LIMIT_S):
            while spool.last_seq < 500 * (second + 1):
                page = await spool.read(after, 50)
                first = spool.first_seq
                for row in page.samples:
                    assert row[0] == after + 1 or row[0] <= first
                    after = row[0]
                await spool.wait(spool.last_seq, 0.001)
    assert spool.first_seq > 1
