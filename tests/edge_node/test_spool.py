import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from edge_node.model import Sample
from edge_node.spool import Entry, Spool, SpoolError, read_file
from edge_node.spool_file import SpoolFile
from edge_node.spool_numbering import CEILING_AHEAD
from edge_node.spool_stamp import Stamping

UTC = 1_800_000_000_000
LIMIT_S = 30.0

Opened = Callable[..., Awaitable[Spool]]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    spools: list[Spool] = []

    async def open_spool(*, boot: str = "boot-1", max_bytes: int = 2**26) -> Spool:
        spool = Spool(tmp_path / "spool.db", max_bytes=max_bytes, kernel_boot=boot)
        await spool.open()
        spools.append(spool)
        return spool

    yield open_spool
    for spool in spools:
        await spool.close()


def tick(second: int, *values: float | None, batch: str | None = None) -> list[Entry]:
    return [
        Entry(
            UTC + second * 1000,
            second * 1000,
            f"n/{number}",
            value,
            "ok" if value is not None else "bad:crc",
            batch,
        )
        for number, value in enumerate(values)
    ]


def timeless(second: int, value: float) -> list[Entry]:
    return [Entry(None, second * 1000, "n/0", value, "ok")]


async def until(spool: Spool, last_seq: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        while spool.last_seq < last_seq:
            await spool.wait(spool.last_seq, 1)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


def crashed(path: Path) -> Path:
    """A copy of the spool as a kill leaves it: with its log, which nobody has folded in."""
    target = path.parent / "crashed"
    target.mkdir()
    for suffix in ("", "-wal"):
        (target / f"spool.db{suffix}").write_bytes(path.with_name(path.name + suffix).read_bytes())
    return target / "spool.db"


async def test_samples_come_back_as_they_were_with_names_interned(opened: Opened) -> None:
    spool = await opened()
    spool.submit(tick(0, 20.5, None))
    spool.submit(tick(1, 21.0, 5, batch="B001-LAGER"))
    await until(spool, 4)

    page = await spool.read(0, 100)
    assert page.series == ["n/0", "n/1"]
    assert page.batches == ["B001-LAGER"]
    assert page.samples == [
        [1, UTC, 0, 20.5, "ok", None],
        [2, UTC, 1, None, "bad:crc", None],
        [3, UTC + 1000, 0, 21.0, "ok", 0],
        [4, UTC + 1000, 1, 5.0, "ok", 0],
    ]
    assert page.next == 4
    assert list(read_file(spool.path))[3] == Sample(4, UTC + 1000, "n/1", 5.0, "ok", "B001-LAGER")
    described = spool.describe()
    assert described.pop("bytes") > 0
    assert described == {
        "spool_id": spool.spool_id,
        "first_seq": 1,
        "last_seq": 4,
        "holes": [],
        "rows": 4,
        "max_bytes": 2**26,
    }


async def test_pages_follow_the_cursor(opened: Opened) -> None:
    spool = await opened()
    for second in range(10):
        spool.submit(tick(second, 1.0))
        await until(spool, second + 1)
    first = await spool.read(0, 4)
    assert [row[0] for row in first.samples] == [1, 2, 3, 4]
    assert [row[0] for row in (await spool.read(first.next, 100)).samples] == [5, 6, 7, 8, 9, 10]
    empty = await spool.read(10, 100)
    assert (empty.next, empty.samples, empty.series) == (10, [], [])


async def test_a_wait_ends_with_the_first_sample_or_in_vain(opened: Opened) -> None:
    spool = await opened()
    await spool.wait(0, 0.01)
    assert spool.last_seq == 0
    waiting = asyncio.create_task(spool.wait(0, LIMIT_S))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    spool.submit(tick(0, 1.0))
    async with asyncio.timeout(LIMIT_S / 2):
        await waiting
    assert spool.last_seq == 1


async def test_a_clean_end_goes_on_without_a_hole_even_after_a_reboot(opened: Opened) -> None:
    spool = await opened()
    spool.submit(tick(0, 1.0, 2.0))
    await until(spool, 2)
    await spool.close()
    again = await opened(boot="boot-2")
    assert (again.spool_id, again.last_seq, again.holes) == (spool.spool_id, 2, [])
    again.submit(tick(1, 1.0))
    await until(again, 3)
    assert [row[0] for row in (await again.read(0, 10)).samples] == [1, 2, 3]


async def test_closing_commits_what_was_handed_over(opened: Opened) -> None:
    spool = await opened()
    spool.submit(tick(0, 1.0, 2.0))
    await spool.close()
    assert len(list(read_file(spool.path))) == 2


async def test_after_a_power_cut_seq_goes_on_above_the_ceiling_and_the_hole_is_listed(
    opened: Opened,
) -> None:
    spool = await opened()
    spool.submit(tick(0, 1.0, 2.0))
    await until(spool, 2)
    path = crashed(spool.path)

    killed = SpoolFile(path, max_bytes=2**26, kernel_boot="boot-1")
    assert (killed.numbering.last, killed.numbering.holes) == (2, ())
    killed.abandon()

    after = Spool(path, max_bytes=2**26, kernel_boot="boot-2")
    await after.open()
    ceiling = 2 + CEILING_AHEAD
    assert (after.last_seq, after.holes, after.rows) == (ceiling, [(3, ceiling)], 2)
    after.submit(tick(1, 5.0))
    await until(after, ceiling + 1)
    assert [row[0] for row in (await after.read(2, 10)).samples] == [ceiling + 1]
    await after.close()

    once_more = SpoolFile(path, max_bytes=2**26, kernel_boot="boot-2")
    assert once_more.numbering.holes == ((3, ceiling),)
    once_more.close()


async def test_a_power_cut_that_takes_the_whole_log_still_never_brings_a_seq_back(
    opened: Opened,
) -> None:
    spool = await opened()
    for second in range(20):
        spool.submit(tick(second, 1.0))
        await until(spool, second + 1)
    # What is durable at the least: the file itself and the log up to the ceiling's commit.
    path = crashed(spool.path)
    wal = path.with_name("spool.db-wal")
    log = wal.read_bytes()
    frame = 24 + int.from_bytes(log[8:12], "big")
    for frames in range((len(log) - 32) // frame + 1):
        wal.write_bytes(log[: 32 + frames * frame])
        if _ceiling(path) > 0:
            break
    wal.write_bytes(log[: 32 + frames * frame])
    after = SpoolFile(path, max_bytes=2**26, kernel_boot="boot-2")
    assert after.numbering.rows < 20
    assert after.numbering.last >= 20
    after.close()


def _ceiling(path: Path) -> int:
    """The seq ceiling in a copy of the spool, 0 where there is none yet."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "spool.db"
        for suffix in ("", "-wal"):
            shutil.copy(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
        with contextlib.closing(sqlite3.connect(copy)) as database:
            try:
                row = database.execute("SELECT value FROM meta WHERE key = 'ceiling'").fetchone()
            except sqlite3.DatabaseError:
                return 0
    return int(row[0]) if row else 0


async def test_what_waits_for_the_clock_is_not_served_and_then_comes_in_order(
    opened: Opened,
) -> None:
    spool = await opened()
    for second in range(3):
        spool.submit(timeless(second, float(second)))
    await eventually(lambda: spool.pending == 3)
    assert (spool.last_seq, spool.rows) == (0, 0)
    assert list(read_file(spool.path)) == []

    spool.clock_known(Stamping("boot-1", UTC + 300, 2))
    spool.submit([Entry(UTC + 4_002, 4_000, "n/0", 4.0, "ok")])
    await until(spool, 4)
    assert [row[:2] + row[3:5] for row in (await spool.read(0, 10)).samples] == [
        [1, UTC + 2, 0.0, "ok"],
        [2, UTC + 1_002, 1.0, "ok"],
        [3, UTC + 2_002, 2.0, "ok"],
        [4, UTC + 4_002, 4.0, "ok"],
    ]
    assert spool.pending == 0


async def test_samples_of_a_boot_that_ended_unknown_go_out_as_suspect(opened: Opened) -> None:
    first = await opened(boot="boot-1")
    first.submit([Entry(None, 1000, "n/0", 1.0, "ok"), Entry(None, 1000, "n/1", None, "bad:crc")])
    await eventually(lambda: first.pending == 2)
    await first.close()

    second = await opened(boot="boot-2")
    assert second.last_seq == 0
    second.submit([Entry(None, 1000, "n/0", 2.0, "ok")])
    second.clock_known(Stamping("boot-2", UTC, 0))
    await until(second, 3)
    rows = (await second.read(0, 10)).samples
    assert [row[4] for row in rows] == ["suspect:clock", "bad:crc", "ok"]
    assert rows[0][1] <= UTC < rows[2][1] == UTC + 1000


async def test_a_stamp_never_repeats_in_a_series(opened: Opened) -> None:
    spool = await opened()
    spool.submit(tick(0, 1.0, 1.0))
    spool.submit(tick(0, 2.0))
    spool.submit([Entry(UTC, 0, "n/0", 3.0, "ok", periodic=False)])
    await until(spool, 4)
    assert [(row[1] - UTC, row[2]) for row in (await spool.read(0, 10)).samples] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (2, 0),
    ]


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
    assert spool.first_seq > 10_000
    assert spool.rows == 30_000 - spool.first_seq + 1
    assert spool.rows > 5_000, "most of the limit must be used"
    # Rows up to 5,000 had been read, the others that are gone had not.
    assert 0 < spool.dropped_unread < spool.first_seq - 1
    await eventually(lambda: not spool._queue and not spool._in_flight)
    await asyncio.sleep(0.1)
    page = await spool.read(0, 1)
    assert page.samples[0][0] == spool.first_seq
    first, last, dropped = spool.first_seq, spool.last_seq, spool.dropped_unread
    await spool.close()
    again = await opened(max_bytes=limit)
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


async def test_a_busy_writer_loses_nothing(opened: Opened) -> None:
    spool = await opened()
    for second in range(300):
        spool.submit(tick(second, 1.0))
    await until(spool, 300)
    assert (spool.lost, spool.holes) == (0, [])


async def test_a_reader_never_passes_a_dropped_row_without_being_told(opened: Opened) -> None:
    spool = await opened(max_bytes=2**20)
    after = 0
    for second in range(80):
        spool.submit(tick(second, *[float(n) for n in range(500)]))
        while spool.last_seq < 500 * (second + 1):
            page = await spool.read(after, 50)
            first = spool.first_seq
            for row in page.samples:
                assert row[0] == after + 1 or after + 1 < first <= row[0]
                after = row[0]
            await spool.wait(spool.last_seq, 0.001)
    assert spool.first_seq > 1
