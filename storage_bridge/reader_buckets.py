"""Buckets of a chart: how wide, what is in them, and how they go out. Pure."""

from bisect import bisect_left
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from .codec import ChunkHead, total_of
from .model import HOUR_MS, Sample, is_number
from .tiers.base import Bucket

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Each divides the hour, so that a bucket never lies in two chunks.
_BELOW_HOUR_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
_HOURS = (1, 2, 3, 4, 6, 8, 12, 24)
_GAP_MS = 15_000
_BY_TIME = attrgetter("t")

type Point = list[float | int | None]


def width_for(start: int, end: int, points: int) -> int:
    """The smallest usual width (ms) with which `start <= t < end` takes at most `points` buckets.

    Whole seconds below an hour, then whole hours (so that archived hours need no decoding), then
    whole days; buckets start at multiples of the width.
    """
    widths = [1000 * seconds for seconds in _BELOW_HOUR_S] + [HOUR_MS * hours for hours in _HOURS]
    for width in widths:
        if _count(start, end, width) <= points:
            return width
    day = 24 * HOUR_MS
    days = max(2, (end - start) // (points * day))
    while _count(start, end, days * day) > points:
        days += 1 + days // 50
    return days * day


def bucketize(
    times: Sequence[int], numbers: Sequence[float | None], start: int, end: int, width: int
) -> list[Bucket]:
    """Buckets of columns (times rising, None for what is no number), of `start <= t < end` only."""
    buckets: list[Bucket] = []
    at, stop = bisect_left(times, start), bisect_left(times, end)
    while at < stop:
        t = times[at] - times[at] % width
        after = bisect_left(times, t + width, at, stop)
        here = [number for number in numbers[at:after] if number is not None]
        buckets.append(
            Bucket(
                t,
                after - at,
                len(here),
                min(here, default=None),
                max(here, default=None),
                total_of(here),
                times[at],
                times[after - 1],
            )
        )
        at = after
    return buckets


def of_samples(samples: Iterable[Sample], start: int, end: int, width: int) -> list[Bucket]:
    """Buckets of samples by rising `t`."""
    rows = list(samples)
    numbers = [row.value if is_number(row.value, row.quality) else None for row in rows]
    return bucketize([row.t for row in rows], numbers, start, end, width)


def of_head(head: ChunkHead) -> Bucket:
    """The bucket of an archived hour."""
    return Bucket(head.hour, head.rows, head.n, head.low, head.high, head.total, head.t0, head.t1)


def alike(hour: Sequence[Bucket], head: ChunkHead) -> bool:
    """Whether an hour's bucket elsewhere is this chunk's copy: same times, counts and extremes.

    An hour that is being moved is in two places; this tells so without reading its samples.
    """
    if len(hour) != 1:
        return False
    other = of_head(head)
    close = abs(hour[0].total - other.total) <= 1e-9 * max(1.0, abs(other.total))
    return close and hour[0]._replace(total=0.0) == other._replace(total=0.0)


def points_of(parts: Iterable[Bucket], width: int) -> list[Point]:
    """`[t, min, max, mean]` by rising `t`, from buckets of any finer or equal width.

    A bucket of bad readings alone, and the first empty one of a stretch without any reading longer
    than 15 s and two buckets, is `[t, None, None, None]`.
    """
    points: list[Point] = []
    before: Bucket | None = None
    for bucket in _merged(parts, width):
        if before is not None and bucket.first - before.last > max(_GAP_MS, 2 * width):
            points.append([before.t + width, None, None, None])
        points.append([bucket.t, bucket.low, bucket.high, _mean(bucket)])
        before = bucket
    return points


def _merged(parts: Iterable[Bucket], width: int) -> Iterator[Bucket]:
    for t, group in groupby(sorted(parts, key=_BY_TIME), lambda part: part.t - part.t % width):
        # Columns at once: a year has thousands of parts, and eight series wait for this loop.
        _, rows, n, lows, highs, totals, firsts, lasts = zip(*group, strict=True)
        yield Bucket(
            t,
            sum(rows),
            sum(n),
            min((low for low in lows if low is not None), default=None),
            max((high for high in highs if high is not None), default=None),
            sum(totals),
            min(firsts),
            max(lasts),
        )


def _mean(bucket: Bucket) -> float | None:
    if bucket.low is None or bucket.high is None:
        return None
    # Rounding, or a sum beyond a double, must not carry the mean outside of its extremes.
    return min(max(bucket.total / bucket.n, bucket.low), bucket.high)


def _count(start: int, end: int, width: int) -> int:
    return (end - 1) // width - start // width + 1
