"""What was acknowledged is in the outbox until every sink holds it."""

import asyncio
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from storage_bridge.outbox import Outbox, OutboxDiedError
from storage_bridge.outbox_batch import BadRecord, parse_message
from storage_bridge.outbox_offline import read_figures
from storage_bridge.outbox_schema import OutboxError
from storage_bridge.outbox_taken import figures

from .events import batch, keys
from .waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import OpenOutbox


async def _append(outbox: Outbox, first: int, last: int, *, live: bool = False, **f: Any) -> bool:
    parsed, blob = batch(first, last, **f)
    return await outbox.append(parsed, blob, live=live)


async def _drain(outbox: Outbox, sink: str) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    while (pending := await outbox.read(sink)) is not None:
        for message in pending.messages():
            found += [(s.series, s.t) for s in parse_message(message).samples]
        outbox.advance(sink, pending.row_id)
    return found


async def test_what_append_returned_for_is_there_after_reopening(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    assert await _append(outbox, 1, 100)
    assert await _append(outbox, 101, 150)
    await outbox.close()
    again = open_outbox()
    assert set(await _drain(again, "warm")) == keys(batch(1, 150)[0])
    assert await again.resume() == {"mash-a": ("s1", 150)}


async def test_a_repeated_batch_counts_once_and_needs_no_second_row(
    open_outbox: OpenOutbox,
) -> None:
    outbox = open_outbox()
    assert await _append(outbox, 1, 100)
    assert not await _append(outbox, 1, 100)
    assert not await _append(outbox, 40, 60)
    assert await _append(outbox, 90, 120)
    status = outbox.status()
    assert status["rows"] == 2
    assert status["counters"]["duplicate_batches"] == 2
    [spool] = (await outbox.ledger())["mash-a"]
    assert spool["coverage"] == [(1, 120)]
    assert spool["samples"] == 120


async def test_figures_by_series_count_a_repeated_number_once(
    open_outbox: OpenOutbox, tmp_path: Path
) -> None:
    outbox = open_outbox()
    for first, last in ((1, 100), (90, 120), (300, 400), (1, 400), (1, 400)):
        await _append(outbox, first, last)
    assert read_figures(tmp_path / "outbox.db") == figures(batch(1, 400)[0].samples)


async def test_each_sink_reads_everything_in_order_at_its_own_pace(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    for first in range(1, 500, 100):
        await _append(outbox, first, first + 99)
    hot = await _drain(outbox, "hot")
    assert len(hot) == len(set(hot)) == 500
    await until(lambda: outbox.snapshot.cursors["hot"] == 5, "hot's cursor is durable")
    assert outbox.status()["rows"] == 5, "warm still needs them"
    assert await _drain(outbox, "warm") == hot
    await until(lambda: outbox.snapshot.rows == 0, "rows that all hold are deleted")
    assert await _append(outbox, 501, 600)
    assert len(await _drain(outbox, "warm")) == 100


async def test_gaps_and_holes_are_known_and_the_cursor_goes_past_them(
    open_outbox: OpenOutbox,
) -> None:
    outbox = open_outbox()
    await _append(outbox, 51, 100, gap={"from": 1, "to": 50}, holes=[[60, 69]])
    [spool] = (await outbox.ledger())["mash-a"]
    assert spool["coverage"] == [(51, 59), (70, 100)]
    assert spool["gaps"] == [(1, 50)]
    assert spool["holes"] == [(60, 69)]
    assert spool["resume"] == 100


async def test_a_number_that_never_came_holds_the_cursor_back(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    await _append(outbox, 1, 50)
    await _append(outbox, 61, 100)
    assert await outbox.resume() == {"mash-a": ("s1", 50)}
    await _append(outbox, 51, 60)
    assert await outbox.resume() == {"mash-a": ("s1", 100)}


async def test_a_new_spool_starts_over_and_the_old_one_stays_known(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    await _append(outbox, 1, 50)
    await _append(outbox, 1, 20, spool="s2")
    await _append(outbox, 1, 30, node="mash-b")
    assert await outbox.resume() == {"mash-a": ("s2", 20), "mash-b": ("s1", 30)}
    assert [s["spool_id"] for s in (await outbox.ledger())["mash-a"]] == ["s1", "s2"]
    await outbox.close()
    assert (await open_outbox().resume())["mash-a"] == ("s2", 20)


async def test_old_rows_are_packed_and_a_full_outbox_refuses_until_there_is_room(
    open_outbox: OpenOutbox,
) -> None:
    outbox = open_outbox(max_bytes=1 << 18)
    taken = 0
    last = 0
    refused: asyncio.Task[bool] | None = None
    while refused is None:
        assert last < 2_000_000, "never full"
        task = asyncio.create_task(_append(outbox, last + 1, last + 1000))
        while not (task.done() or outbox.snapshot.full):
            await asyncio.sleep(0.001)
        if task.done():
            last += 1000
            taken += 1
        else:
            refused = task
    plain = len(batch(1, 1000)[1]) * taken
    assert plain > 4 << 18, "without packing only a quarter of this fits"
    assert outbox.status()["unacknowledged"] == 1
    stored = set(await _drain(outbox, "hot")) & set(await _drain(outbox, "warm"))
    assert stored >= keys(batch(1, last)[0]), "a full outbox has dropped nothing"
    assert await asyncio.wait_for(refused, 40)
    assert not outbox.snapshot.full


async def _fill_up(outbox: Outbox) -> tuple[int, asyncio.Task[bool]]:
    """Append until it is full: the last number that is in, and what waits."""
    last = 0
    while True:
        assert last < 2_000_000, "never full"
        task = asyncio.create_task(_append(outbox, last + 1, last + 1000))
        while not (task.done() or outbox.snapshot.full):
            await asyncio.sleep(0.001)
        if not task.done():
            return last, task
        last += 1000


async def test_a_full_outbox_forgets_what_nobody_waits_for_any_more(
    open_outbox: OpenOutbox,
) -> None:
    outbox = open_outbox(max_bytes=1 << 18)
    last, waiting = await _fill_up(outbox)
    tasks = [
        asyncio.create_task(_append(outbox, last + 1, last + 1000, node=f"n{n}")) for n in range(50)
    ]
    appends = outbox._writer
    await until(lambda: len(appends._appends) == 51, "all wait")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await until(lambda: len(appends._appends) == 1, "the cancelled are let go")
    await _drain(outbox, "hot")
    await _drain(outbox, "warm")
    assert await asyncio.wait_for(waiting, 40)
    assert set(await outbox.ledger()) == {"mash-a"}


async def test_a_cache_that_is_away_does_not_fill_the_outbox_while_warm_takes_samples(
    open_outbox: OpenOutbox,
) -> None:
    outbox = open_outbox(max_bytes=1 << 18)
    last, waiting = await _fill_up(outbox)
    assert outbox.passed("hot") is None
    taken = set(await _drain(outbox, "warm"))
    assert await asyncio.wait_for(waiting, 40), "hot has read nothing, and it goes on"
    passed = outbox.passed("hot")
    assert passed
    kept = set(await _drain(outbox, "hot"))
    assert kept < keys(batch(1, last + 1000)[0]), "hot gets what is left"
    assert outbox.snapshot.counters["passed/hot"] == passed
    taken |= set(await _drain(outbox, "warm"))
    assert taken == keys(batch(1, last + 1000)[0]), "warm got everything"
    assert len(taken - kept) <= passed
    await outbox.close()
    again = open_outbox()
    assert again.passed("hot") == passed, "it is remembered"
    again.made_up("hot", passed)
    assert again.passed("hot") is None
    await again.close()
    assert open_outbox().passed("hot") is None


async def test_what_warm_lacks_is_never_passed(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox(max_bytes=1 << 18)
    last, waiting = await _fill_up(outbox)
    await _drain(outbox, "hot")
    await asyncio.sleep(1)
    assert not waiting.done()
    assert "passed/hot" not in outbox.snapshot.counters
    assert set(await _drain(outbox, "warm")) >= keys(batch(1, last)[0])
    await asyncio.wait_for(waiting, 40)


async def test_a_failing_disk_acknowledges_nothing_and_loses_nothing(
    open_outbox: OpenOutbox, tmp_path: Path
) -> None:
    outbox = open_outbox()
    await _append(outbox, 1, 10)
    other = sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)
    pages = other.execute("PRAGMA page_count").fetchone()[0]
    writer = outbox._writer._db
    writer.execute(f"PRAGMA max_page_count={pages}")  # what SQLite says of a full disk
    task = asyncio.create_task(_append(outbox, 11, 5000))
    await until(lambda: outbox.snapshot.error is not None, "the failure shows")
    assert "full" in str(outbox.snapshot.error)
    assert not task.done()
    assert await outbox.resume() == {"mash-a": ("s1", 10)}
    writer.execute("PRAGMA max_page_count=1000000")
    assert await asyncio.wait_for(task, 40)
    assert outbox.snapshot.error is None
    assert await outbox.resume() == {"mash-a": ("s1", 5000)}
    other.close()


async def test_bad_records_are_kept_with_their_reason(
    open_outbox: OpenOutbox, tmp_path: Path
) -> None:
    outbox = open_outbox()
    outbox.advance("warm", 0, [("mash-a", BadRecord("no store takes it", b"[1,2]"))])
    await until(lambda: outbox.snapshot.counters.get("dead_letters") == 1, "it is counted")
    with sqlite3.connect(tmp_path / "outbox.db") as db:
        rows = db.execute("SELECT stage, node_id, reason, record FROM dead_letter").fetchall()
    assert rows == [("warm", "mash-a", "no store takes it", b"[1,2]")]


async def test_latency_counts_live_batches_only_and_is_durable(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    now = int(time.time() * 1000)
    await _append(outbox, 1, 2, t0=now - 1000)
    await _append(outbox, 3, 4, t0=now - 2000, live=True)
    await _append(outbox, 5, 6, t0=now - 9_000, live=True)
    await until(lambda: outbox.status()["latency_ms"]["n"] == 2, "both live ones are counted")
    await outbox.close()
    latency = open_outbox().status()["latency_ms"]
    assert latency["n"] == 2
    assert latency["max"] >= 6000


async def test_a_dead_thread_fails_everything_loudly(
    open_outbox: OpenOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = open_outbox()

    def broken(*_: object) -> bool:
        raise RuntimeError("a bug")

    monkeypatch.setattr(outbox._writer.ledger, "append", broken)
    with pytest.raises(OutboxDiedError, match="a bug"):
        await _append(outbox, 1, 10)
    with pytest.raises(OutboxDiedError):
        await outbox.watch()
    with pytest.raises(OutboxDiedError):
        await _append(outbox, 11, 20)


async def test_a_file_that_is_no_outbox_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"this is no database, but it is long enough" * 100)
    with pytest.raises(OutboxError, match=r"outbox\.db cannot be opened"):
        Outbox(path, max_bytes=1 << 20)
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(OutboxError, match="schema 99"):
        Outbox(newer, max_bytes=1 << 20)


async def test_the_file_is_private(open_outbox: OpenOutbox, tmp_path: Path) -> None:
    open_outbox()
    assert (tmp_path / "outbox.db").stat().st_mode & 0o777 == 0o600
