"""From the outbox into tiers that fail in every way a store can."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, override

import pytest

from storage_bridge.feeder import Feeder, HotSink, Sink, WarmSink
from storage_bridge.model import Last, Sample
from storage_bridge.outbox_batch import Batch, parse_message
from storage_bridge.outbox_offline import read_expected
from storage_bridge.tiers import embedded
from storage_bridge.tiers.base import TierRejectedError, TierUnavailableError, Written

from .events import batch, keys
from .feeding import QUICK, feeding
from .waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from storage_bridge.outbox import Outbox

    from .conftest import OpenOutbox


class _Failing(Sink):
    """A store whose failures the test chooses; what it took stays."""

    name = "warm"

    def __init__(self, fault: Callable[[Sequence[Sample]], Exception | None]) -> None:
        self.fault = fault
        self.held: list[Sample] = []
        self.last: dict[str, Last] = {}
        self.calls = 0

    @override
    async def write(self, samples: Sequence[Sample]) -> Written:
        self.calls += 1
        if (error := self.fault(samples)) is not None:
            raise error
        self.held += samples
        return Written(len(samples), 0)

    @override
    async def write_last(self, last: dict[str, Last]) -> None:
        self.last |= last


async def _fill(outbox: Outbox, last: int, step: int = 100) -> set[tuple[str, int]]:
    for first in range(1, last, step):
        parsed, blob = batch(first, first + step - 1)
        await outbox.append(parsed, blob, live=False)
    return keys(batch(1, last)[0])


async def test_both_embedded_tiers_hold_everything_and_the_newest(
    open_outbox: OpenOutbox, tmp_path: Path
) -> None:
    outbox = open_outbox()
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    try:
        truth = await _fill(outbox, 1000)
        async with (
            feeding(HotSink(tiers.hot), outbox) as hot,
            feeding(WarmSink(tiers.warm), outbox) as warm,
        ):
            await until(lambda: hot.idle and warm.idle, "both hold it")
            newest = await tiers.hot.newest()
            assert {last.seq for last in newest.values()} == {999, 1000}
            for tier in (tiers.hot, tiers.warm):
                stored = [
                    (s.series, s.t)
                    for name in await tier.series()
                    for s in await tier.read(name, 0, 1 << 50)
                ]
                assert len(stored) == len(truth)
                assert set(stored) == truth
    finally:
        await tiers.close()


async def test_a_tier_that_is_away_gets_everything_when_it_returns(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    away = [True]
    sink = _Failing(lambda _: TierUnavailableError("it is away") if away[0] else None)
    async with feeding(sink, outbox) as feeder:
        truth = await _fill(outbox, 500)
        await until(lambda: feeder.failures > 3, "it is tried again")
        assert feeder.status()["problem"] == "it is away"
        assert outbox.status()["cursors"]["warm"] == 0
        away[0] = False
        await until(lambda: feeder.idle, "it holds everything")
        assert feeder.problem is None
    assert {(s.series, s.t) for s in sink.held} == truth


async def test_a_write_whose_outcome_is_unknown_is_written_again(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    sink = _Failing(lambda _: None)
    answers = iter([TimeoutError(), OSError("reset")])

    def took_it_and_failed(samples: Sequence[Sample]) -> Exception | None:
        error = next(answers, None)
        if error is not None:
            sink.held += samples
        return error

    sink.fault = took_it_and_failed
    async with feeding(sink, outbox) as feeder:
        truth = await _fill(outbox, 100)
        await until(lambda: feeder.idle, "it holds everything")
    assert {(s.series, s.t) for s in sink.held} == truth
    assert sink.calls == 3


async def test_a_tier_too_slow_for_a_backlog_gets_less_at_once_until_it_manages(
    open_outbox: OpenOutbox,
) -> None:
    """The same write again would fail for ever: what it takes longer for than a write may take."""
    outbox = open_outbox()
    truth = await _fill(outbox, 6000, step=1000)
    most = [700]
    sizes: list[int] = []

    def slow(samples: Sequence[Sample]) -> Exception | None:
        sizes.append(len(samples))
        return TimeoutError() if len(samples) > most[0] else None

    sink = _Failing(slow)
    async with feeding(sink, outbox) as feeder:
        await until(lambda: feeder.idle, "it holds everything")
        assert feeder.problem is None
        most[0] = 10_000
        parsed, blob = batch(6001, 10_000)
        await outbox.append(parsed, blob, live=False)
        await until(lambda: feeder.idle, "it holds what came later")
        truth |= keys(parsed)
        assert max(sizes[-3:]) > 700, "it is given more again"
    assert sorted((s.series, s.t) for s in sink.held) == sorted(truth)


async def test_one_poison_record_is_found_and_put_aside_with_the_reason(
    open_outbox: OpenOutbox,
) -> None:
    outbox = open_outbox()
    poison = batch(1, 1000)[0].samples[637]
    sink = _Failing(
        lambda samples: TierRejectedError("too hot to store") if poison in samples else None
    )
    async with feeding(sink, outbox) as feeder:
        truth = await _fill(outbox, 1000, step=500)
        await until(lambda: feeder.idle, "everything else is stored")
        await until(lambda: outbox.snapshot.counters.get("dead_letters") == 1, "it is kept")
    assert {(s.series, s.t) for s in sink.held} == truth - {(poison.series, poison.t)}
    assert feeder.rejected == 1
    assert sink.calls < 40, "by halving, not one by one"
    [letter] = outbox._reader.execute("SELECT stage, node_id, reason, record FROM dead_letter")
    assert letter[:3] == ("warm", "mash-a", "too hot to store")
    assert str(poison.t).encode() in letter[3]


async def test_what_was_set_aside_counts_once_however_often_it_is_met(
    open_outbox: OpenOutbox, tmp_path: Path
) -> None:
    """A store that goes away behind a poison record, and a bridge that dies before it is back."""
    poison, last = batch(1, 1000)[0].samples[100], batch(1, 1000)[0].samples[-1]
    away = [True]

    def fault(samples: Sequence[Sample]) -> Exception | None:
        if poison in samples:
            return TierRejectedError("too hot to store")
        return TierUnavailableError("it is away") if last in samples and away[0] else None

    outbox = open_outbox()
    truth = await _fill(outbox, 1000, step=1000)
    async with feeding(_Failing(fault), outbox) as feeder:
        await until(lambda: feeder.failures > 3, "it is tried again")
    await outbox.close()  # with all that was handed in: no crash leaves more behind
    outbox = open_outbox()
    assert outbox.snapshot.letters == 0, "what will be met again does not count yet"
    sink = _Failing(fault)
    async with feeding(sink, outbox) as feeder:
        await until(lambda: feeder.failures > 3, "it is tried again")
        away[0] = False
        await until(lambda: feeder.idle, "everything else is stored")
        await until(lambda: outbox.snapshot.letters > 0, "it is kept")
    assert {(s.series, s.t) for s in sink.held} == truth - {(poison.series, poison.t)}
    await outbox.close()
    assert read_expected(tmp_path / "outbox.db").set_aside == {"mash-a": 1}
    assert outbox.snapshot.counters["dead_letters"] == 1
    assert feeder.rejected == 1


async def test_what_a_sink_that_may_forget_refused_counts_once_it_has_settled(
    open_outbox: OpenOutbox,
) -> None:
    outbox = open_outbox()
    poison = batch(1, 100)[0].samples[50]
    sink = _Failing(lambda rows: TierRejectedError("never") if poison in rows else None)
    now = [1000.0]
    feeder = Feeder(sink, outbox, retry=QUICK, holding=True, now=lambda: now[0])
    task = asyncio.create_task(feeder.run())
    try:
        await _fill(outbox, 100)
        await until(lambda: feeder.idle, "it is written")
        feeder.rewind(everything=False)
        await until(lambda: feeder.rejected == 2 and feeder.idle, "it is written again")
        feeder.settle(now[0] + 1)
        await until(lambda: outbox.snapshot.letters > 0, "it is kept")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await outbox.close()
    assert outbox.snapshot.counters["dead_letters"] == 1


async def test_last_moves_by_number_and_to_a_new_spool_at_once(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    sink = _Failing(lambda _: None)
    for spool, low in (("s1", 1), ("s1", 101), ("s2", 1)):
        parsed, blob = batch(low, low + 99, spool=spool)
        await outbox.append(parsed, blob, live=False)
    async with feeding(sink, outbox) as feeder:
        await until(lambda: feeder.idle, "fed")
    assert {(last.spool_id, last.seq) for last in sink.last.values()} == {("s2", 99), ("s2", 100)}


async def test_a_newest_sample_that_a_tier_refuses_holds_up_no_other(
    open_outbox: OpenOutbox,
) -> None:
    outbox = open_outbox()
    sink = _Failing(lambda _: None)
    take = sink.write_last

    async def picky(last: dict[str, Last]) -> None:
        if "mash-a/t0" in last:
            raise TierRejectedError("not this one")
        await take(last)

    sink.write_last = picky  # type: ignore[method-assign]
    async with feeding(sink, outbox) as feeder:
        truth = await _fill(outbox, 100)
        await until(lambda: feeder.idle, "fed")
    assert {(s.series, s.t) for s in sink.held} == truth
    assert set(sink.last) == {"mash-a/t1"}


async def test_conflicting_content_under_one_key_is_counted_and_kept(
    open_outbox: OpenOutbox, tmp_path: Path
) -> None:
    outbox = open_outbox()
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    try:
        for spool, t0 in (("s1", 1_790_000_000_000), ("s2", 1_789_999_999_000)):
            parsed, blob = batch(1, 20, spool=spool, t0=t0)
            await outbox.append(parsed, blob, live=False)
        async with feeding(WarmSink(tiers.warm), outbox) as feeder:
            await until(lambda: feeder.idle, "fed")
        assert feeder.conflicts == 18
        assert len(await tiers.warm.conflicts(100)) == 18
    finally:
        await tiers.close()


async def test_packed_rows_are_fed_too(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox(max_bytes=1 << 17)
    sink = _Failing(lambda _: None)
    truth = await _fill(outbox, 3000)
    assert outbox.status()["rows"] < 30, "some are packed"
    async with feeding(sink, outbox) as feeder:
        await until(lambda: feeder.idle, "fed")
    assert {(s.series, s.t) for s in sink.held} == truth


async def test_what_comes_within_the_interval_is_written_at_once(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    sink = _Failing(lambda _: None)
    await _fill(outbox, 500)
    feeder = Feeder(sink, outbox, linger=3600.0, at_once=100_000)
    task = asyncio.create_task(feeder.run())
    try:
        await until(lambda: sink.calls == 1, "what was there at the start is written")
        held = len(sink.held)
        truth = await _fill(outbox, 30_000, step=500)
        assert (sink.calls, len(sink.held)) == (1, held), "the rest waits for more"
        feeder.hurry()
        await until(lambda: feeder.idle, "a bridge that stops does not wait")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert sink.calls == 2, "in one piece"
    assert {(s.series, s.t) for s in sink.held} == truth


async def test_a_backlog_is_written_without_waiting(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    sink = _Failing(lambda _: None)
    truth = await _fill(outbox, 3000)
    feeder = Feeder(sink, outbox, linger=3600.0, at_once=1000)
    task = asyncio.create_task(feeder.run())
    try:
        await until(lambda: feeder.idle, "everything is written")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert sink.calls == 3
    assert {(s.series, s.t) for s in sink.held} == truth


async def test_the_next_part_of_a_backlog_is_read_while_one_is_written(
    open_outbox: OpenOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = open_outbox()
    truth = await _fill(outbox, 3000)
    answer = asyncio.Event()
    parsed: list[bytes] = []

    def watched(blob: bytes) -> Batch:
        parsed.append(blob)
        return parse_message(blob)

    monkeypatch.setattr("storage_bridge.feeder.parse_message", watched)
    sink = _Failing(lambda _: None)
    write = sink.write

    async def slow(samples: Sequence[Sample]) -> Written:
        await answer.wait()
        return await write(samples)

    sink.write = slow  # type: ignore[method-assign]
    feeder = Feeder(sink, outbox, at_once=1000)
    task = asyncio.create_task(feeder.run())
    try:
        await until(lambda: len(parsed) == 20, "a second thousand is read, and no third")
        assert not sink.held
        assert outbox.status()["cursors"]["warm"] == 0
        answer.set()
        await until(lambda: feeder.idle, "everything is written")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [len(parsed), len(sink.held)] == [30, 3000]
    assert {(s.series, s.t) for s in sink.held} == truth


async def test_a_rewind_forgets_what_was_read_ahead_and_keeps_the_order(
    open_outbox: OpenOutbox,
) -> None:
    outbox = open_outbox()
    await _fill(outbox, 3000)
    sink = _Failing(lambda _: None)
    write = sink.write
    feeder = Feeder(sink, outbox, at_once=1000, holding=True)

    async def rewound(samples: Sequence[Sample]) -> Written:
        written = await write(samples)
        if sink.calls == 2:
            feeder.rewind(everything=True)
        return written

    sink.write = rewound  # type: ignore[method-assign]
    task = asyncio.create_task(feeder.run())
    try:
        await until(lambda: sink.calls == 5, "two thousand, then all three")
        await until(lambda: feeder.idle, "everything is written")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    whole = batch(1, 3000)[0].samples
    assert sink.held == [*whole[:2000], *whole]
