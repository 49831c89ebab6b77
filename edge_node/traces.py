"""PURE: what two probes' raw values over time say about each other; values in °C, times in s."""

from dataclasses import dataclass
from typing import Final

MOVED_K: Final = 2.0  # a neighbour that has moved clearly
FOLLOWED_K: Final = 1.0  # a probe that went with it
STILL_S: Final = 60.0  # no change at all for so long,
STILL_EVIDENCE_S: Final = 10.0  # and the neighbour away for so long: not one wild reading

ECHO_S: Final = 120.0
ECHO_MOVED_K: Final = 1.0
ECHO_CHANGES: Final = 32
ECHO_RATE: Final = 0.05  # K/s; quicker changes prove nothing
ECHO_THIRD_K: Final = 0.25


@dataclass(slots=True)
class Follower:
    """Whether a probe stands still where it used to follow this neighbour.

    A probe in the beer does not follow one in the fridge's air, and a cellar may be constant for
    days; so standing still counts against a probe only if it went along when this neighbour last
    moved by 2 K, and now does not change by a single step for 60 s while the neighbour moves
    by 2 K and stays there for 10 s.
    """

    followed: bool = False
    _value: float | None = None
    _still_since: float = 0.0
    _neighbour_then: float = 0.0  # when the probe last changed
    _away_since: float | None = None
    _from: float = 0.0  # where both were when it was last seen whether they go together
    _neighbour_from: float = 0.0

    def stands_still(self, value: float, neighbour: float, now: float) -> bool | None:
        """True: against the probe. False: for it. None: this neighbour cannot tell."""
        if self._value is None:
            self._from, self._neighbour_from = value, neighbour
        if value != self._value:
            self._value, self._still_since, self._neighbour_then = value, now, neighbour
        self._learn(value, neighbour)
        if not self.followed:
            return None
        if abs(neighbour - self._neighbour_then) < MOVED_K:
            self._away_since = None
            return False
        if self._away_since is None:
            self._away_since = now
        return now - self._still_since >= STILL_S and now - self._away_since >= STILL_EVIDENCE_S

    def _learn(self, value: float, neighbour: float) -> None:
        if abs(neighbour - self._neighbour_from) < MOVED_K:
            return
        if abs(value - self._from) >= FOLLOWED_K:
            self.followed = True
        elif abs(neighbour - self._neighbour_then) < FOLLOWED_K:
            self.followed = False  # it changes, only not with this neighbour
        else:
            return  # it stands still: nothing to learn
        self._from, self._neighbour_from = value, neighbour


@dataclass(slots=True)
class Echo:
    """Whether two probes give one trace: a short between them, or one answering for both.

    Equal to the last step, second by second, for two minutes at least, through 32 changes and 1 K,
    while a third probe of their kettle differs by 0.25 K more often than not, or they hang in
    different kettles. Only changes at up to 0.05 K/s count: there, noise of 0.02 K alone spreads
    the moment at which a probe changes over half a second or more, so two parts that are otherwise
    the same change in one second with a chance of 0.7 at most, 32 times running with 1e-5. Real
    parts differ by a tenth of a kelvin, more than a step, and never do.
    """

    apart: bool  # in different kettles
    _value: float | None = None
    _since: float = 0.0
    _changed: float = 0.0
    _low: float = 0.0
    _high: float = 0.0
    _changes: int = 0
    _seconds: int = 0
    _third_differs: int = 0

    def hears(self, a: float, b: float, thirds: list[float], now: float) -> bool:
        """Take this second's values, of the kettle's other probes too; True if it is one trace."""
        if a != b:
            self._value = None
            return False
        if self._value is None:
            self._since, self._changed, self._low, self._high = now, now, a, a
            self._changes = self._seconds = self._third_differs = 0
        elif a != self._value:
            self._changes += abs(a - self._value) <= ECHO_RATE * (now - self._changed)
            self._changed = now
        self._value = a
        self._low, self._high = min(self._low, a), max(self._high, a)
        self._seconds += 1
        self._third_differs += any(abs(third - a) >= ECHO_THIRD_K for third in thirds)
        return (
            now - self._since >= ECHO_S
            and self._high - self._low >= ECHO_MOVED_K
            and self._changes >= ECHO_CHANGES
            and (self.apart or 2 * self._third_differs > self._seconds)
        )
