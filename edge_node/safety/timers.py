"""PURE: since when an output is on or off, and how long it was on in the last hour."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from edge_node.safety.rules import FULL

HOUR_MS: Final = 3_600_000
_SLICE_MS: Final = 60_000


@dataclass(slots=True)
class OutputTimer:
    """The past of one output as decided; `now` never goes back.

    It starts as if switched off at the first moment: a compressor may have run before a restart.
    """

    since: int
    power: float = 0.0
    _seen: int | None = None
    _slices: deque[list[float]] = field(default_factory=deque)  # [start, ms at full power]

    def for_ms(self, now: int) -> int:
        """How long it has been as it is, on or off."""
        return now - self.since

    def decided(self, power: float, now: int) -> None:
        """From `now` on it is at `power`."""
        self.count(now)
        if (power > 0) != (self.power > 0):
            self.since = now
        self.power = power

    def count(self, now: int) -> None:
        """Book the time up to `now`, at the power it had."""
        start = now if self._seen is None else self._seen
        self._seen = now
        while self._slices and self._slices[0][0] <= now - HOUR_MS - _SLICE_MS:
            self._slices.popleft()
        if self.power <= 0 or start >= now:
            return
        start = max(start, now - HOUR_MS)
        if not self._slices or start - self._slices[-1][0] >= _SLICE_MS:
            self._slices.append([start, 0.0])
        self._slices[-1][1] += (now - start) * self.power / FULL

    def on_ms_last_hour(self) -> float:
        """Milliseconds at full power in the last hour, rounded up to a minute's slice."""
        return sum(booked for _, booked in self._slices)
