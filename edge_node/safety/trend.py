"""PURE: how a kettle's temperature and the heat put into it went over the last ten minutes.

Both are kept in buckets of 10 s: ten readings of a probe with steps of 0.0625 K and noise of 0.05 K
average to 0.02 K, so a rise of a tenth of a kelvin is one.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

BUCKET_MS: Final = 10_000
KEPT: Final = 60  # buckets
_RECENT_MS: Final = 30_000
_LATE_MS: Final = 5_000
_MATCH_MS: Final = 1_500  # readings come each second, those of a reference each other second


@dataclass(slots=True)
class Trace:
    """One source's temperature: bucket means without a hole, and its newest readings."""

    means: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    last: int = -1  # the bucket of the newest mean
    _series: str | None = None
    _open: int | None = None
    _sum: float = 0.0
    _count: int = 0
    _recent: deque[tuple[int, float]] = field(default_factory=deque)

    def restart(self) -> None:
        """Forget all."""
        self.means.clear()
        self._recent.clear()
        self._open = None

    def read(self, series: str, mono_ms: int, value: float) -> bool:
        """Take a reading unless it is known; True if it completed a bucket."""
        if series != self._series or (self._recent and mono_ms < self._recent[-1][0]):
            self.restart()
            self._series = series
        elif self._recent and mono_ms == self._recent[-1][0]:
            return False
        bucket = mono_ms // BUCKET_MS
        if self._open is not None and bucket > self._open + 1:
            self.restart()
        self._recent.append((mono_ms, value))
        while self._recent[0][0] < mono_ms - _RECENT_MS:
            self._recent.popleft()
        completed = self._open is not None and bucket != self._open
        if completed:
            self.means.append(self._sum / self._count)
            self.last = bucket - 1
        if bucket != self._open:
            self._open, self._sum, self._count = bucket, 0.0, 0
        self._sum += value
        self._count += 1
        return completed

    def rises(self, now: int, step_ms: int, steps: int) -> list[float] | None:
        """The rise in each of the newest `steps` steps, oldest first; None if not covered."""
        if not self._recent or now - self._recent[-1][0] > _LATE_MS:
            return None
        newest = self._recent[-1][0]
        values = []
        for back in range(steps, -1, -1):
            wanted = newest - back * step_ms
            at, value = min(self._recent, key=lambda reading: abs(reading[0] - wanted))
            if abs(at - wanted) > _MATCH_MS:
                return None
            values.append(value)
        return [after - before for before, after in pairwise(values)]

    def fresh(self, now: int) -> bool:
        """Whether the newest mean is of just now: one bucket is open, one may be late."""
        return bool(self.means) and now // BUCKET_MS - self.last <= 2


@dataclass(slots=True)
class Heat:
    """What the heaters of a kettle were told to put into it, by bucket; unknown is heated."""

    last_on: int | None = None
    _joules: dict[int, float] = field(default_factory=dict)
    _heated: set[int] = field(default_factory=set)

    def restart(self) -> None:
        """Forget all but when it was last on."""
        self._joules.clear()
        self._heated.clear()

    def add(self, start: int, now: int, watts: float) -> None:
        """From `start` to `now` ms the heaters were at `watts`."""
        bucket = now // BUCKET_MS
        if not self._joules:
            self._heated.add(bucket)  # known only in part
        self._joules[bucket] = self._joules.get(bucket, 0.0) + watts * (now - start) / 1000.0
        if watts > 0:
            self._heated.add(bucket)
            self.last_on = now
        for old in [b for b in self._joules if b < bucket - 2 * KEPT]:
            del self._joules[old]
            self._heated.discard(old)

    def off(self, bucket: int) -> bool:
        """Whether the heaters are known to have been off in all of this bucket."""
        return bucket in self._joules and bucket not in self._heated

    def joules(self, first: int, last: int) -> float:
        """What went in from bucket `first` to `last`, both counted; 0 where it is not known."""
        return sum(self._joules.get(bucket, 0.0) for bucket in range(first, last + 1))

    def on_within(self, now: int, ms: int) -> bool:
        """Whether a heater was on in the last `ms`."""
        return self.last_on is not None and now - self.last_on <= ms
