"""One answer from three tiers: hot, then warm, then cold, merged by key.

That order matters: a moved sample is in its new tier before it leaves the old one, so asking the
old one first cannot miss it. A tier that fails makes the answer partial, and it is named; so does
one that takes no samples, though it answers.
"""

import asyncio
import time
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from .codec import Chunk, ChunkHead, CodecError, decode, numbers_of, samples_of
from .model import HOUR_MS, T_MAX, Sample, hour_of
from .reader_buckets import (
    Point,
    alike,
    bucketize,
    of_head,
    of_samples,
    points_of,
    width_for,
)
from .tiers.base import (
    Bucket,
    ColdTier,
    HotTier,
    Role,
    TierError,
    TierRejectedError,
    WarmTier,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

MAX_LIMIT = 10_000
MAX_POINTS = 10_000
AT_ONCE = 4  # series of one chart that stores are asked for side by side
_TIMEOUT_S = 15.0
_HOURS_AT_ONCE = 240
_WINDOW_MS = 24 * HOUR_MS
# A live warm tier lacks at most what its feeder holds back, a minute or so; late data within it.
_SEAM_MS = HOUR_MS


class Missing(TypedDict):
    """A tier that something is missing from, and why."""

    tier: Role
    error: str


class History(TypedDict):
    """The reply to a chart's question; `points_of` says what a series' points are."""

    start: int
    end: int
    bucket_ms: int
    partial: list[Missing]
    series: dict[str, list[Point]]


class Page(NamedTuple):
    """Samples by rising `t`; `cursor` asks for what follows, None at the end."""

    samples: list[Sample]
    cursor: str | None
    partial: list[Missing]


class Counted(NamedTuple):
    """A number of samples."""

    samples: int
    partial: list[Missing]


class Reader:
    """Reads samples and charts over all tiers; raises ValueError for what makes no sense.

    `lacking` tells which tiers do not hold yet what was acknowledged; `clock` gives UTC ms.
    """

    def __init__(
        self,
        hot: HotTier,
        warm: WarmTier,
        cold: ColdTier,
        *,
        timeout_s: float = _TIMEOUT_S,
        lacking: Callable[[], Iterable[Missing]] = tuple,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._hot = None if hot.shares_rows else hot
        self._warm = warm
        self._cold = cold
        self._timeout_s = timeout_s
        self._lacking = lacking
        self._clock = clock

    def _answer(self) -> _Answer:
        answer = _Answer(self._timeout_s)
        for missing in self._lacking():
            if missing["tier"] != "hot" or self._hot is not None:
                answer.note(**missing)
        return answer

    async def samples(
        self, series: str, start: int, end: int, limit: int = 1000, cursor: str | None = None
    ) -> Page:
        """Exactly the samples with `start <= t < end` (ms), at most `limit` (1-10,000) of them."""
        _check_range(start, end)
        if not 1 <= limit <= MAX_LIMIT:
            raise ValueError(f"The limit must be 1 to {MAX_LIMIT}.")
        if cursor is not None:
            if not (cursor.isascii() and cursor.isdecimal()) or not start <= int(cursor) <= end:
                raise ValueError("The cursor is not one that this question was answered with.")
            start = int(cursor)
        answer = self._answer()
        # One more than asked from each: then the first `limit` of all are among them.
        rows = await self._rows(answer, series, start, end, limit + 1)
        page = rows[:limit]
        more = len(rows) > limit
        return Page(page, str(page[-1].t + 1) if more else None, answer.partial)

    async def history(self, series: Sequence[str], start: int, end: int, points: int) -> History:
        """Min, max and mean per bucket, at most `points` (1-10,000) buckets a series.

        The buckets cover `start <= t < end` (ms), the first and last one whole.
        """
        _check_range(start, end)
        if not 1 <= points <= MAX_POINTS:
            raise ValueError(f"The number of points must be 1 to {MAX_POINTS}.")
        width = width_for(start, end, points)
        answer = self._answer()
        first, last = start - start % width, end + -end % width
        turn = asyncio.Semaphore(AT_ONCE)

        async def drawn(name: str) -> list[Point]:
            async with turn:
                buckets = await self._buckets(answer, name, first, last, min(width, HOUR_MS))
            return points_of(buckets, width)

        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(drawn(name)) for name in dict.fromkeys(series)}
        found = {name: task.result() for name, task in tasks.items()}
        return History(start=start, end=end, bucket_ms=width, partial=answer.partial, series=found)

    async def count(self, series: str, start: int, end: int) -> Counted:
        """How many samples there are with `start <= t < end` (ms); whole hours cost little."""
        _check_range(start, end)
        answer = self._answer()
        first, last = -(-start // HOUR_MS) * HOUR_MS, hour_of(end)
        edges = [(start, first), (last, end)] if first <= last else [(start, end)]
        samples = 0
        for low, high in edges:
            if low < high:
                samples += len(await self._rows(answer, series, low, high, HOUR_MS))
        if first < last:
            buckets = await self._buckets(answer, series, first, last, HOUR_MS)
            samples += sum(bucket.rows for bucket in buckets)
        return Counted(samples, answer.partial)

    async def _rows(
        self, answer: _Answer, series: str, start: int, end: int, limit: int
    ) -> list[Sample]:
        merged: dict[int, Sample] = {}
        for tier in (self._hot, self._warm):
            if tier is not None:
                rows = await answer.ask(tier.role, tier.read(series, start, end, limit))
                merged |= {row.t: row for row in rows or ()}
        merged |= await self._cold_rows(answer, series, start, end, limit)
        return [merged[t] for t in sorted(merged)[:limit]]

    async def _cold_rows(
        self, answer: _Answer, series: str, start: int, end: int, limit: int
    ) -> dict[int, Sample]:
        merged: dict[int, Sample] = {}
        at, window = start, _WINDOW_MS
        while at < end and len(merged) < limit:
            # A page of a long range needs few heads; where little is archived, look further.
            stop = min(end, hour_of(at) + window)
            heads = await answer.ask("cold", self._cold.heads(series, at, stop))
            if heads is None:
                break
            await self._decode_until(answer, merged, heads, limit, start, end)
            at, window = stop, window * 4
        return merged

    async def _decode_until(
        self,
        answer: _Answer,
        merged: dict[int, Sample],
        heads: Sequence[ChunkHead],
        limit: int,
        start: int,
        end: int,
    ) -> None:
        """Add the samples of these hours to `merged` until it has `limit`."""
        at = 0
        while at < len(heads) and len(merged) < limit:
            stop, expected = at, len(merged)
            while stop < len(heads) and expected < limit:
                expected += heads[stop].rows
                stop += 1
            # To the end of the hour: late data of it comes in the same answer.
            after = heads[stop - 1].hour + HOUR_MS
            chunks = await answer.ask(
                "cold", self._cold.chunks(heads[at].series, heads[at].hour, after)
            )
            rows = await asyncio.to_thread(_decoded, chunks or [], answer)
            merged |= {row.t: row for row in rows if start <= row.t < end}
            while at < len(heads) and heads[at].hour < after:
                at += 1

    async def _buckets(
        self, answer: _Answer, series: str, start: int, end: int, width: int
    ) -> list[Bucket]:
        """Buckets of `width` (at most an hour) that count every key once."""
        fresh = await self._fresh(answer, series, start, end)
        warm = await answer.ask("warm", self._warm.aggregate(series, start, end, width)) or []
        heads = await answer.ask("cold", self._cold.heads(series, start, end)) or []
        in_hot = _by_hour(fresh, lambda row: row.t)
        in_warm = _by_hour(warm, lambda bucket: bucket.t)
        in_cold = _by_hour(heads, lambda head: head.hour)
        buckets: list[Bucket] = []
        coded: list[int] = []
        for hour in sorted(in_hot.keys() | in_warm.keys() | in_cold.keys()):
            rows, here = in_hot.get(hour, []), in_warm.get(hour, [])
            archived = in_cold.get(hour, [])
            if not rows and not archived:
                buckets += here
            elif not here and not archived:
                buckets += of_samples(rows, start, end, width)
            elif rows or len(archived) > 1 or (here and not _moving(here, archived[0], width)):
                # In more than one place: only its samples, merged by key, tell what it holds.
                buckets += await self._exact(answer, series, hour, rows, width)
            elif width == HOUR_MS:
                buckets.append(of_head(archived[0]))
            else:
                coded.append(hour)
        for at in range(0, len(coded), _HOURS_AT_ONCE):
            buckets += await self._decoded_buckets(
                answer, series, coded[at : at + _HOURS_AT_ONCE], width
            )
        return [bucket for bucket in buckets if start <= bucket.t < end]

    async def _fresh(self, answer: _Answer, series: str, start: int, end: int) -> list[Sample]:
        """What a hot tier with rows of its own may have and warm not yet: the last hours."""
        if self._hot is None:
            return []
        span = await answer.ask("warm", self._warm.span(series))
        now = self._clock()
        if span is None or (span.last > now and answer.lacks("warm")):
            seam = start
        else:  # a sample of a clock that was ahead is no sign of what lies before it
            seam = max(start, hour_of(min(span.last, now)) - _SEAM_MS)
        return await answer.ask("hot", self._hot.read(series, seam, end)) or []

    async def _exact(
        self, answer: _Answer, series: str, hour: int, hot: Sequence[Sample], width: int
    ) -> list[Bucket]:
        after = hour + HOUR_MS
        warm = await answer.ask("warm", self._warm.read(series, hour, after)) or []
        chunks = await answer.ask("cold", self._cold.chunks(series, hour, after)) or []
        cold = await asyncio.to_thread(_decoded, chunks, answer)
        merged = {row.t: row for row in chain(hot, warm, cold)}
        return of_samples((merged[t] for t in sorted(merged)), hour, after, width)

    async def _decoded_buckets(
        self, answer: _Answer, series: str, hours: Sequence[int], width: int
    ) -> list[Bucket]:
        wanted = set(hours)
        chunks = await answer.ask("cold", self._cold.chunks(series, hours[0], hours[-1] + HOUR_MS))

        def count() -> list[Bucket]:
            buckets: list[Bucket] = []
            by_hour = _by_hour(chunks or [], lambda chunk: chunk.head.hour)
            for hour in sorted(wanted & by_hour.keys()):
                group, after = by_hour[hour], hour + HOUR_MS
                if len(group) > 1:
                    merged = {row.t: row for row in _decoded(group, answer)}
                    rows = (merged[t] for t in sorted(merged))
                    buckets += of_samples(rows, hour, after, width)
                    continue
                try:
                    columns = decode(group[0])
                except CodecError as error:
                    answer.note("cold", str(error))
                    continue
                buckets += bucketize(columns.times, numbers_of(columns), hour, after, width)
            return buckets

        return await asyncio.to_thread(count)


class _Answer:
    """What is missing from an answer, and how long each tier may take for it."""

    def __init__(self, timeout_s: float) -> None:
        self.partial: list[Missing] = []
        self._timeout_s = timeout_s
        self._away: set[Role] = set()

    def note(self, tier: Role, error: str) -> None:
        missing = Missing(tier=tier, error=error)
        if missing not in self.partial:
            self.partial.append(missing)

    def lacks(self, tier: Role) -> bool:
        """Whether something of this tier is missing so far."""
        return any(missing["tier"] == tier for missing in self.partial)

    async def ask[T](self, tier: Role, question: Coroutine[object, object, T]) -> T | None:
        """What the tier answers, or None with a note; one that failed is not asked again.

        A store that hangs would else cost its whole time for every hour of a long range.
        """
        if tier in self._away:
            question.close()
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                return await question
        except TimeoutError:
            self.note(tier, f"The {tier} tier did not answer within {self._timeout_s:g} s.")
        except TierRejectedError as error:  # something of this range is damaged; the tier answers
            self.note(tier, str(error))
            return None
        except TierError as error:
            self.note(tier, str(error))
        self._away.add(tier)
        return None


def _decoded(chunks: Iterable[Chunk], answer: _Answer) -> list[Sample]:
    rows: list[Sample] = []
    for chunk in chunks:
        try:
            rows += samples_of(chunk.head.series, decode(chunk))
        except CodecError as error:
            answer.note("cold", str(error))
    return rows


def _moving(warm: Sequence[Bucket], head: ChunkHead, width: int) -> bool:
    return width == HOUR_MS and alike(warm, head)


def _by_hour[T](items: Iterable[T], time_of: Callable[[T], int]) -> dict[int, list[T]]:
    groups: dict[int, list[T]] = {}
    for item in items:
        groups.setdefault(hour_of(time_of(item)), []).append(item)
    return groups


def _check_range(start: int, end: int) -> None:
    if not 0 <= start < end <= T_MAX:
        raise ValueError("The range must start before it ends, both in ms since 1970.")
