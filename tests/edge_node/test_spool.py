import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path

from edge_node.model import Sample
from edge_node.spool import Entry, Spool, read_file
from edge_node.spool_file import SpoolFile
from edge_node.spool_numbering import CEILING_AHEAD
from edge_node.spool_stamp import Stamping
from tests.edge_node.spools import LIMIT_S, UTC, Opened, eventually, tick, until


def timeless(second: int, value: float) -> list[Entry]:
    return [Entry(None, second * 1000, "n/0", value, "ok")]


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


async def test_a_busy_writer_loses_nothing(opened: Opened) -> None:
    spool = await opened()
    for second in range(300):
        spool.submit(tick(second, 1.0))
    await until(spool, 300)
    assert (spool.lost, spool.holes) == (0, [])
