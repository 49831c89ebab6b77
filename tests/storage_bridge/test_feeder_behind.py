"""Whether a sink lacks more than is on its way to it, on a clock of the test's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, override

from storage_bridge.feeder import KEEPS_UP_S, Feeder, Sink
from storage_bridge.model import Last, Sample
from storage_bridge.tiers.base import TierUnavailableError, Written

from .events import batch
from .feeding import feeding
from .waiting import until

if TYPE_CHECKING:
    from storage_bridge.outbox import Outbox

    from .conftest import OpenOutbox


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


def _why(feeder: Feeder) -> str | None:
    return feeder.behind


async def _take_in(outbox: Outbox, first: int, last: int) -> None:
    await outbox.append(*batch(first, last), live=False)


async def test_a_sink_that_keeps_up_is_never_behind(open_outbox: OpenOutbox) -> None:
    outbox, sink, now = open_outbox(), _Full(), _Time()
    async with feeding(sink, outbox, now=now) as feeder:
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
    async with feeding(sink, outbox, now=now) as feeder:
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
    async with feeding(sink, outbox, now=now) as feeder:
        assert _why(feeder) is not None
        sink.room = True
        await until(lambda: feeder.behind is None, "it has all")
        feeder.rewind(everything=True)
        assert _why(feeder) is not None, "it lost all"
        await until(lambda: feeder.behind is None, "it has all again")
        assert sink.held == 20


async def test_the_first_sample_after_a_pause_is_on_its_way_and_not_lacking(
    open_outbox: OpenOutbox,
) -> None:
    """A brewery that was off, or a Home Assistant that started again."""
    outbox, sink, now = open_outbox(), _Full(), _Time()
    async with feeding(sink, outbox, now=now, linger=1.0) as feeder:
        for first in (1, 11):
            now.s += 3600
            looked = now.s
            outbox.wake("warm")
            await until(lambda at=looked: feeder.whole_at >= at, "it has looked")  # type: ignore[misc]
            sink.room = False
            await _take_in(outbox, first, first + 9)
            assert not feeder.idle
            assert _why(feeder) is None
            sink.room = True
            await until(lambda: feeder.idle, "it is written")


async def test_one_that_writes_for_no_longer_than_it_lingers_keeps_up(
    open_outbox: OpenOutbox,
) -> None:
    outbox, sink, now = open_outbox(), _Full(), _Time()
    async with feeding(sink, outbox, now=now, linger=30.0) as feeder:
        feeder.hurry()  # time is the test's
        await until(lambda: feeder.whole_at == now.s, "it has looked")
        sink.room = False
        await _take_in(outbox, 1, 10)
        await until(lambda: sink.refused > 0, "it writes")
        now.s += 2 * 30.0
        assert _why(feeder) is None
        now.s += KEEPS_UP_S + 1
        assert _why(feeder) == "no space left on device"


async def test_a_sink_that_lost_all_when_nothing_waits_lacks_nothing_of_the_outbox(
    open_outbox: OpenOutbox,
) -> None:
    """It gets the rest from another tier; a brewery that is off sends nothing for hours."""
    outbox, sink, now = open_outbox(), _Full(), _Time()
    async with feeding(sink, outbox, now=now) as feeder:
        await _take_in(outbox, 1, 10)
        await until(lambda: feeder.idle, "it is written")
        outbox.advance("hot", outbox.status()["last_row"])
        await until(lambda: outbox.status()["samples"] == 0, "the outbox is empty")
        feeder.rewind(everything=True)
        await until(lambda: _why(feeder) is None, "it has looked")
        now.s += 3600
        outbox.wake("warm")
        await until(lambda: _why(feeder) is None, "it has looked again")
