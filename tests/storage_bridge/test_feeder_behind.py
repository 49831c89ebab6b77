"""Whether a sink lacks more than is on its way to it, on a clock of the test's."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, override

from storage_bridge.backoff import Backoff
from storage_bridge.feeder import KEEPS_UP_S, Feeder, Sink
from storage_bridge.model import Last, Sample
from storage_bridge.tiers.base import TierUnavailableError, Written

from .events import batch
from .waiting import until

if TYPE_CHECKING:
    from storage_bridge.outbox import Outbox

    from .conftest import OpenOutbox

QUICK = Backoff(base=0.01, cap=0.02)


class _Full(Sink):
    """A store that answers, and takes nothing while it has no room."""

    name = "warm"

    def __init__(self) -> None:
        self.room = True
        self.held = 0
        self.refused = 0

    @override
    async def write(self, samples: Sequence[Sample]) -> Written:
        if not self.room:
            self.refused += 1
            raise TierUnavailableError("no space left on device")
        self.held += len(samples)
        return Written(len(samples), 0)

    @override
    async def write_last(self, last: dict[str, Last]) -> None:
        return


class _Time:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@asynccontextmanager
async def _feeding(sink: Sink, outbox: Outbox, now: _Time) -> AsyncIterator[Feeder]:
    feeder = Feeder(sink, outbox, retry=QUICK, now=now)
    task = asyncio.create_task(feeder.run())
    try:
        yield feeder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _why(feeder: Feeder) -> str | None:
    return feeder.behind


async def _take_in(outbox: Outbox, first: int, last: int) -> None:
    await outbox.append(*batch(first, last), live=False)


async def test_a_sink_that_keeps_up_is_never_behind(open_outbox: OpenOutbox) -> None:
    outbox, sink, now = open_outbox(), _Full(), _Time()
    async with _feeding(sink, outbox, now) as feeder:
        assert _why(feeder) is None
        for number in range(20):
            now.s += KEEPS_UP_S
            await _take_in(outbox, number * 10 + 1, number * 10 + 10)
            await until(lambda n=number: sink.held == n * 10 + 10, "it is written")  # type: ignore[misc]
            await until(lambda: feeder.idle, "its cursor follows")
            assert _why(feeder) is None


async def test_a_sink_that_takes_nothing_is_behind_and_says_why_until_it_has_all(
    open_outbox: OpenOutbox,
) -> None:
    outbox, sink, now = open_outbox(), _Full(), _Time()
    async with _feeding(sink, outbox, now) as feeder:
        await _take_in(outbox, 1, 10)
        await until(lambda: feeder.idle, "it is written")
        sink.room = False
        await _take_in(outbox, 11, 20)
        await until(lambda: sink.refused > 0, "it is refused")
        now.s += KEEPS_UP_S / 2
        assert _why(feeder) is None, "this may be on its way"
        now.s += KEEPS_UP_S
        assert _why(feeder) == "no space left on device"
        sink.room = True
        await until(lambda: feeder.idle, "it is written")
        assert _why(feeder) is None
        await _take_in(outbox, 21, 30)
        await until(lambda: feeder.idle, "it is written")
        assert _why(feeder) is None


async def test_what_waited_since_before_the_start_is_lacking_at_once(
    open_outbox: OpenOutbox,
) -> None:
    outbox, sink, now = open_outbox(), _Full(), _Time()
    sink.room = False
    await _take_in(outbox, 1, 10)
    async with _feeding(sink, outbox, now) as feeder:
        assert _why(feeder) is not None
        sink.room = True
        await until(lambda: feeder.behind is None, "it has all")
        feeder.rewind(everything=True)
        assert _why(feeder) is not None, "it lost all"
        await until(lambda: feeder.behind is None, "it has all again")
        assert sink.held == 20
