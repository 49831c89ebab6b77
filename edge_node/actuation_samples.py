"""PURE: which values of outputs, setpoints and alarms become samples.

On and off at once, with their true millisecond; a power or setpoint that moves once it has moved
enough, at most once a second; and every value once a minute, so that a chart of any stretch has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

PERIOD_MS: Final = 60_000
LEAST_MS: Final = 1_000
LEAST_STEP: Final = 1.0  # percent, of what moves all the time


class Sampled(NamedTuple):
    """One value of a channel of the node's own; `mono` is when it became true."""

    channel: str
    mono: int
    value: float
    periodic: bool


@dataclass(slots=True)
class Recorder:
    """Remembers what each channel last said."""

    _last: dict[str, tuple[float, int]] = field(default_factory=dict)

    def step(self, now_ms: int, values: Mapping[str, float | None]) -> list[Sampled]:
        """What to record at `now_ms` of these values; None is nothing to record."""
        found = []
        for channel, value in values.items():
            if value is None:
                self._last.pop(channel, None)
                continue
            last = self._last.get(channel)
            changed = last is None or _changed(value, last[0], now_ms - last[1])
            if not changed and last is not None and now_ms - last[1] < PERIOD_MS:
                continue
            found.append(Sampled(channel, now_ms, value, periodic=not changed))
            self._last[channel] = (value, now_ms)
        return found


def _changed(value: float, before: float, age_ms: int) -> bool:
    if (value > 0) != (before > 0):
        return True
    return (
        value != before
        and age_ms >= LEAST_MS
        and (abs(value - before) >= LEAST_STEP or value in {0.0, 100.0})
    )
