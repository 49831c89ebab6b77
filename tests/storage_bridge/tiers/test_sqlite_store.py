"""What is particular to the embedded store: one file, conflicts kept, kills survived."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from storage_bridge.codec import CodecError, encode
from storage_bridge.model import HOUR_MS, MINUTE_MS, Last, Sample
from storage_bridge.records.model import Refused
from storage_bridge.tiers import Tiers, embedded, iter_keys, sqlite_schema
from storage_bridge.tiers.base import Conflict, TierUnavailableError
from storage_bridge.tiers.conflicts import refused_of
from tests.storage_bridge.generated import HOUR, SERIES, damaged, probe_hour

ROW = Sample(SERIES, HOUR, 1.0, "ok", None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "store.db"


@pytest.fixture
async def tiers(path: Path) -> AsyncIterator[Tiers]:
    made = embedded(path)
    await made.open()
    yield made
    await made.close()


def ask(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


async def test_the_first_content_stays_and_others_are_kept_beside(tiers: Tiers) -> None:
    others = [
        ROW._replace(value=2.0),
        ROW._replace(value=None, quality="bad:crc"),
        ROW._replace(batch="b1"),
    ]
    first = await tiers.warm.write([ROW, others[0], ROW])
    assert first == (1, 1, (Conflict(ROW, others[0]),))
    for _ in range(2):  # a replay of the fault is not another one
        written = await tiers.warm.write([*others, ROW])
        assert written == (0, 1, tuple(Conflict(ROW, other) for other in others))
    assert await tiers.warm.read(SERIES, HOUR, HOUR + 1) == [ROW]
    assert len(await tiers.warm.conflicts(10)) == 3
    (bucket,) = await tiers.warm.aggregate(SERIES, HOUR, HOUR + MINUTE_MS, MINUTE_MS)
    assert (bucket.rows, bucket.total) == (1, 1.0)


async def test_samples_are_stored_once_for_hot_and_warm(tiers: Tiers, path: Path) -> None:
    rows = probe_hour(HOUR)
    await tiers.warm.write(rows)
    assert (await tiers.hot.write(rows)).same == 3600
    assert ask(path, "SELECT count(*) FROM sample") == [(3600,)]
    await tiers.hot.expire(HOUR + 30 * MINUTE_MS)
    assert await tiers.hot.count() == 1800
    assert await tiers.warm.count() == 3600, "warm keeps what hot forgets"


async def test_a_clock_that_was_years_ahead_does_not_hide_what_comes_after(tiers: Tiers) -> None:
    await tiers.hot.expire(HOUR + 365 * 24 * HOUR_MS)
    await tiers.hot.expire(HOUR)
    await tiers.warm.write(probe_hour(HOUR))
    await tiers.hot.write(probe_hour(HOUR))
    assert await tiers.hot.count() == 3600


async def test_a_sample_takes_few_bytes(tiers: Tiers, path: Path) -> None:
    rows = [s for i in range(10) for s in probe_hour(HOUR + i * HOUR_MS, i)]
    await tiers.warm.write(rows)
    await tiers.close()
    assert path.stat().st_size < 32 * len(rows)


async def test_the_file_gives_back_what_was_moved(tiers: Tiers, path: Path) -> None:
    hours = [HOUR + i * HOUR_MS for i in range(60)]
    pattern = probe_hour(HOUR)
    for hour in hours:
        await tiers.warm.write([row._replace(t=row.t - HOUR + hour) for row in pattern])
    await tiers.close()
    full = path.stat().st_size
    await tiers.open()
    for hour in hours:
        await tiers.warm.delete_exact(await tiers.warm.read(SERIES, hour, hour + HOUR_MS))
    await tiers.close()
    assert path.stat().st_size < 0.7 * full


async def test_a_full_disk_is_told_and_passes(tiers: Tiers) -> None:
    store = tiers.warm._store  # type: ignore[attr-defined]
    (pages,) = await store.write(lambda c: c.execute("PRAGMA page_count").fetchone())
    await store.write(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 3}").fetchone())
    with pytest.raises(TierUnavailableError, match=r"store\.db cannot be used: .*full"):
        await tiers.warm.write(probe_hour(HOUR))
    assert await tiers.warm.count() == 0
    assert await tiers.warm.series() == []
    await store.write(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())
    assert (await tiers.warm.write(probe_hour(HOUR))).new == 3600
    assert await tiers.warm.series() == [SERIES]


async def test_a_store_of_a_newer_version_is_not_touched(path: Path) -> None:
    tiers = embedded(path)
    await tiers.open()
    await tiers.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(TierUnavailableError, match="newer version of the bridge"):
        await tiers.open()
    assert ask(path, "PRAGMA user_version") == [(99,)]


async def test_what_is_no_store_is_refused_with_a_sentence(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, however long one looks at it" * 100)
    with pytest.raises(TierUnavailableError, match="cannot be used"):
        await embedded(path).open()


async def test_a_closed_store_says_so_and_opens_again(tiers: Tiers) -> None:
    await tiers.warm.write([ROW])
    await tiers.hot.close()
    await tiers.hot.close()
    assert await tiers.warm.count() == 1, "the others still use the file"
    await tiers.close()
    with pytest.raises(TierUnavailableError, match="is not open"):
        await tiers.warm.write([ROW])
    with pytest.raises(TierUnavailableError, match="is not open"):
        await tiers.warm.count()
    await tiers.open()
    assert await tiers.warm.count() == 1


async def test_every_key_is_listed_without_a_bridge_and_beside_one(
    tiers: Tiers, path: Path
) -> None:
    warm, cold = probe_hour(HOUR)[:50], probe_hour(HOUR - HOUR_MS)
    await tiers.warm.write(warm)
    await tiers.cold.write_chunk(encode(cold))
    await tiers.hot.write_last({SERIES: Last(*warm[-1][1:], "s", 1)})
    wanted = sorted((row.series, row.t) for row in warm + cold)
    assert sorted(iter_keys(path)) == wanted, "beside a running one"
    await tiers.close()
    before = path.read_bytes()
    assert sorted(iter_keys(path)) == wanted
    assert path.read_bytes() == before
    with pytest.raises(TierUnavailableError, match="cannot be read"):
        list(iter_keys(path.with_name("none.db")))
    assert not path.with_name("none.db").exists()


async def test_a_damaged_archive_does_not_pass_for_a_proof(tiers: Tiers, path: Path) -> None:
    await tiers.cold.write_chunk(damaged(encode(probe_hour(HOUR))))
    with pytest.raises(CodecError, match="damaged"):
        list(iter_keys(path))


def spawn(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.storage_bridge.tiers.writer_child", path],
        stdout=subprocess.PIPE,
    )


def acknowledged(child: subprocess.Popen[bytes], enough: int) -> int:
    """Read what the child says until it wrote enough, kill it, and read the rest."""
    assert child.stdout is not None
    count = 0
    while count < enough:
        count = int(child.stdout.readline())
    child.kill()
    for line in child.stdout:
        if line.endswith(b"\n"):
            count = int(line)
    child.wait(30)
    child.stdout.close()
    return count


async def test_a_killed_writer_loses_nothing_it_acknowledged(path: Path) -> None:
    for enough in (100, 1500, 3000):
        child = spawn(path)
        try:
            count = await asyncio.to_thread(acknowledged, child, enough)
        finally:
            child.kill()
        keys = set(iter_keys(path))
        assert keys >= {(f"n/{i}", 1000 * t) for i in range(4) for t in range(count // 4)}
        assert len(keys) % 100 == 0, "a batch is whole or not there"
        tiers = embedded(path)
        await tiers.open()
        try:
            assert await tiers.warm.count() == len(keys), "the minutes add up to the samples"
            assert await tiers.warm.conflicts(1) == []
        finally:
            await tiers.close()


async def test_two_processes_and_a_reader_share_a_file(tiers: Tiers, path: Path) -> None:
    children = [spawn(path), spawn(path)]
    try:
        patience = time.monotonic() + 60
        seen = -1
        while (count := await tiers.warm.count()) < 2000:
            assert count >= seen
            assert time.monotonic() < patience
            assert all(child.poll() is None for child in children), "a writer ended by itself"
            seen = count
            await tiers.warm.write([ROW._replace(t=HOUR + seen)])
        counts = [await asyncio.to_thread(acknowledged, child, 100) for child in children]
    finally:
        for child in children:
            child.kill()
    keys = list(iter_keys(path))
    assert len(keys) == len(set(keys)) == await tiers.warm.count()
    assert len([key for key in keys if key[0] != SERIES]) >= max(counts)
    assert await tiers.warm.conflicts(1) == []


async def test_conflicts_of_an_older_store_become_records(path: Path) -> None:
    path.parent.mkdir()
    other = ROW._replace(value=None, quality="bad:crc", batch="b1")
    with closing(sqlite3.connect(path)) as connection:
        sqlite_schema._run(connection, sqlite_schema._FIRST)
        connection.execute("PRAGMA user_version = 1")
        connection.execute(
            "INSERT INTO conflict VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*ROW, *other[2:])
        )
        connection.execute("INSERT INTO series (id, name) VALUES (1, ?)", (SERIES,))
        connection.execute("INSERT INTO sample VALUES (1, ?, 1.0, NULL, NULL)", (HOUR,))
        connection.commit()
    tiers = embedded(path)
    await tiers.open()
    try:
        assert await tiers.warm.conflicts(10) == [Conflict(ROW, other)]
        await tiers.warm.keep_conflicts([Conflict(ROW, other)])
        assert len(await tiers.warm.conflicts(10)) == 1, "and are still known"
        assert await tiers.warm.read(SERIES, HOUR, HOUR + 1) == [ROW]
        assert await tiers.warm.records.find(Refused, subject=SERIES) == [
            refused_of(Conflict(ROW, other))
        ]
    finally:
        await tiers.close()
