"""From the outbox into one tier, at the tier's own pace."""

import asyncio
import logging
import math
import time
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from .backoff import Backoff
from .outbox import READ_SAMPLES, Outbox
from .outbox_batch import BadRecord, MalformedBatchError, parse_message
from .side_by_side import one_ahead
from .tiers.base import HotTier, TierRejectedError, TierUnavailableError, WarmTier, Written

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from .batch_log import BatchLog
    from .model import Last, Sample

LOGGER = logging.getLogger(__name__)

RETRY: Final = Backoff(base=0.25, cap=60.0)
WRITE_S: Final = 60.0  # a tier that takes longer for one write is treated as unavailable
LEAST: Final = 500  # samples at once, for a tier that manages no more in that time
IDLE_S: Final = 5.0  # looks for work at least this often, should a wake-up be missed
KEEPS_UP_S: Final = 10.0  # for a write; one that takes no longer than its `linger` keeps up, too


class Sink(Protocol):
    """How one tier takes samples."""

    name: str

    async def write(self, samples: Sequence[Sample]) -> Written:
        """Store samples; idempotent. Raises what a tier raises."""
        ...

    async def write_last(self, last: dict[str, Last]) -> None:
        """Move the newest sample of each series, where the tier keeps it."""
        ...


class WarmSink:
    """Feeds warm; contents that differ under one key are kept as conflicts."""

    name = "warm"

    def __init__(self, tier: WarmTier, batches: BatchLog | None = None) -> None:
        self._tier = tier
        self._batches = batches

    async def write(self, samples: Sequence[Sample]) -> Written:
        """Store samples, what they were in conflict with, and what batch they carry."""
        written = await self._tier.write(samples)
        if written.conflicts:
            await self._tier.keep_conflicts(written.conflicts)
        if self._batches is not None:
            await self._batches.note(samples)
        return written

    async def write_last(self, last: dict[str, Last]) -> None:
        """Nothing: hot keeps it."""


class HotSink:
    """Feeds hot; a hot tier that shows the warm tier's rows needs `last` only."""

    name = "hot"

    def __init__(self, tier: HotTier) -> None:
        self._tier = tier

    async def write(self, samples: Sequence[Sample]) -> Written:
        """Store samples, unless they are the warm tier's own."""
        if self._tier.shares_rows:
            return Written(0, len(samples))
        return await self._tier.write(samples)

    async def write_last(self, last: dict[str, Last]) -> None:
        """Move the newest samples."""
        await self._tier.write_last(last)


type _Aside = tuple[str, BadRecord]  # a record that the sink will never take, and its node


class _Group(NamedTuple):
    """What is written at once; after it the sink holds everything up to `row_id`, if not None.

    That is everything that was committed at `as_of`, if not None.
    """

    samples: list[Sample]
    last: dict[str, Last]
    unread: list[BadRecord]
    row_id: int | None
    as_of: float | None


class Feeder:
    """Writes what the outbox holds for a sink, in order; `run` never returns by itself.

    A tier that is away is waited for; a record that a tier will never take is found by halving
    the batch and put aside, and the rest goes on. A tier that is too slow for what it is given gets
    half as much, until it manages. While a part of a backlog is written, the next one is read. A
    sink that keeps up waits `linger` seconds for more to write at once, up to about `at_once`
    samples: a store is asked to make fewer, larger writes durable, and one that keeps a minute in
    one piece changes it less often.

    A sink that may lose what it acknowledged is fed with `holding`: the outbox keeps what was
    written until `settle`, so that `rewind` can write it once more.
    """

    def __init__(
        self,
        sink: Sink,
        outbox: Outbox,
        *,
        retry: Backoff = RETRY,
        linger: float = 0.0,
        at_once: int = READ_SAMPLES,
        holding: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._outbox = outbox
        self._retry = retry
        self._linger = linger
        self._at_once = self._largest = at_once
        self._hurried = asyncio.Event()
        self._holding = holding
        self._now = now
        self._position: int = outbox.status()["cursors"][sink.name]
        self._held: deque[tuple[float, int, list[_Aside]]] = deque()
        self._aside: list[_Aside] = []  # since the last move
        self._rewinds = 0
        self.whole_at = -math.inf  # the outbox had nothing then that the sink does not hold
        self._last_success: float | None = None
        self.problem: str | None = None
        self.written = 0
        self.conflicts = 0
        self.rejected = 0
        self.failures = 0

    @property
    def idle(self) -> bool:
        """Whether the sink holds everything that was committed."""
        return bool(self._position >= self._outbox.status()["last_row"])

    @property
    def behind(self) -> str | None:
        """Why the sink lacks more than is on its way to it, None if it does not."""
        if self.idle or self._now() - self.whole_at <= 2 * self._linger + KEEPS_UP_S:
            return None
        return self.problem or "what waited is being written"

    def status(self) -> dict[str, Any]:
        """For people and machines; `last_success_age_s` is None before the first success."""
        age = None if self._last_success is None else round(self._now() - self._last_success, 1)
        return {
            "last_success_age_s": age,
            "problem": self.problem,
            "written": self.written,
            "conflicts": self.conflicts,
            "rejected": self.rejected,
            "failures": self.failures,
            "rewinds": self._rewinds,
        }

    def settle(self, before: float) -> None:
        """What was written before that moment of `now` will not be lost: the outbox may let go."""
        row_id, aside = 0, list[_Aside]()
        while self._held and self._held[0][0] < before:
            _, row_id, some = self._held.popleft()
            aside += some
        if row_id:
            # Not before the cursor moves: what is met once more until then would count twice.
            self._outbox.advance(self._sink.name, row_id, aside)

    def rewind(self, *, everything: bool) -> None:
        """Write again what has not settled, or `everything` that the outbox still has."""
        self._rewinds += 1
        self.whole_at = -math.inf
        self._held.clear()
        if everything:
            self._outbox.rewind(self._sink.name)
        self._position = self._outbox.status()["cursors"][self._sink.name]
        self._outbox.wake(self._sink.name)

    @property
    def passed(self) -> int | None:
        """See `Outbox.passed`."""
        return self._outbox.passed(self._sink.name)

    def made_up(self, passed: int) -> None:
        """See `Outbox.made_up`."""
        self._outbox.made_up(self._sink.name, passed)

    def hurry(self) -> None:
        """From now on write what is there at once; for a bridge that is about to stop."""
        self._hurried.set()

    async def run(self) -> None:
        """Feed until cancelled."""
        while True:
            began, rewinds, found = self._now(), self._rewinds, False
            self._aside = []
            async with aclosing(one_ahead(self._backlog(self._position))) as groups:
                async for group in groups:
                    found = True
                    await self._deliver_group(group)
                    if rewinds != self._rewinds:
                        break
                    if group.row_id is not None:
                        self._move(group.row_id)
                    if group.as_of is not None:
                        self.whole_at = group.as_of
            if rewinds != self._rewinds:
                continue
            if not found:
                self.whole_at = began
                await self._outbox.wait(self._sink.name, IDLE_S)
            # What came while this was written would be a small write of its own.
            await self._wait_for_more()

    def _move(self, row_id: int) -> None:
        self._position = row_id
        aside, self._aside = self._aside, []
        if self._holding:
            self._held.append((self._now(), row_id, aside))
        else:
            self._outbox.advance(self._sink.name, row_id, aside)

    async def _wait_for_more(self) -> None:
        try:
            async with asyncio.timeout(self._linger):
                await self._hurried.wait()
        except TimeoutError:
            return

    async def _backlog(self, position: int) -> AsyncGenerator[_Group]:
        """What follows a row of the outbox, until nothing more does."""
        more = True
        while more:
            asked = self._now()
            pending = await self._outbox.read(self._sink.name, position, self._at_once)
            if pending is None:
                return
            position, more = pending.row_id, pending.more
            as_of = None if more else asked
            async for group in self._groups(pending.messages(), position, as_of):
                yield group

    async def _groups(
        self, messages: Iterable[bytes], row_id: int, as_of: float | None
    ) -> AsyncGenerator[_Group]:
        """The messages up to that row, the last group says so."""
        group = _Group([], {}, [], None, None)
        for message in messages:
            if len(group.samples) >= self._at_once:
                yield group
                group = _Group([], {}, [], None, None)
            try:
                batch = parse_message(message)
            except MalformedBatchError as err:  # written by a version that understood it
                group.unread.append(BadRecord(str(err), message))
                continue
            group.samples.extend(batch.samples)
            for series, newest in batch.last.items():
                before = group.last.get(series)
                if before is None or before.yields_to(newest):
                    group.last[series] = newest
            await asyncio.sleep(0)  # parsing a backlog must not hold up the loop
        yield group._replace(row_id=row_id, as_of=as_of)

    async def _deliver_group(self, group: _Group) -> None:
        self._aside += [("", unread) for unread in group.unread]
        await self._deliver(group.samples, group.last)

    async def _deliver(self, samples: Sequence[Sample], last: dict[str, Last]) -> None:
        attempt = at = 0
        while at < len(samples):
            part = samples[at : at + self._largest]
            began, aside = self._now(), len(self._aside)
            try:
                await self._write(part)
                if at + len(part) == len(samples):
                    await self._write_last(last)
            except (TierUnavailableError, TimeoutError, OSError) as err:
                self.failures += 1
                del self._aside[aside:]  # the same again meets them again
                text = str(err) or f"no answer in {WRITE_S:g} s"
                log = LOGGER.debug if text == self.problem else LOGGER.warning
                log("The %s tier takes nothing now, what it lacks waits: %s", self._sink.name, text)
                self.problem = text
                # It may not be away but slow: the same again would take as long for ever.
                self._largest = min(self._largest, max(LEAST, len(part) // 2))
                await asyncio.sleep(self._retry.wait(attempt))
                attempt += 1
            else:
                at += len(part)
                attempt = 0
                self.rejected += len(self._aside) - aside
                if self.problem is not None:
                    LOGGER.info("The %s tier takes samples again", self._sink.name)
                self.problem = None
                self._last_success = self._now()
                if self._last_success - began < WRITE_S / 4:
                    self._largest = min(self._at_once, self._largest * 2)

    async def _write(self, samples: Sequence[Sample]) -> None:
        try:
            async with asyncio.timeout(WRITE_S):
                written = await self._sink.write(samples)
        except TierRejectedError as err:
            if len(samples) == 1:
                self._reject(samples[0], err)
                return
            middle = len(samples) // 2
            await self._write(samples[:middle])
            await self._write(samples[middle:])
            return
        self.written += written.new + written.same
        self.conflicts += len(written.conflicts)

    async def _write_last(self, last: dict[str, Last]) -> None:
        try:
            async with asyncio.timeout(WRITE_S):
                await self._sink.write_last(last)
        except TierRejectedError as err:
            if len(last) == 1:
                LOGGER.error("Tier %s will never show a sample: %s", self._sink.name, err)  # noqa: TRY400 - a sentence, no trace
                return
            for series, newest in last.items():
                await self._write_last({series: newest})

    def _reject(self, sample: Sample, err: TierRejectedError) -> None:
        LOGGER.error(
            "The %s tier will never take a record, it was set aside: %s", self._sink.name, err
        )
        node_id = sample.series.partition("/")[0]
        record = repr(tuple(sample)).encode("utf-8", "backslashreplace")
        self._aside.append((node_id, BadRecord(str(err), record)))
