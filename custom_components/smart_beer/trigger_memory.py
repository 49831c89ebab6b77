"""What triggers remember from one look to the next. PURE: times are passed in.

What is not known is no change: it neither fires nor is it forgotten what was known before.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class ThingsMemory:
    """Which things (alarms, latches) each of several nodes shows, and which came and went.

    The first thing known of a node is where one begins: nothing of it has come.
    """

    _before: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def all(self) -> frozenset[str]:
        """What any node shows, as far as it is known."""
        return frozenset[str]().union(*self._before.values())

    def look(
        self, now: Mapping[str, frozenset[str] | None]
    ) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """The `(node, thing)` that came and that went, ordered; None: not known of that node.

        A node that is no longer in `now` is forgotten.
        """
        came: list[tuple[str, str]] = []
        gone: list[tuple[str, str]] = []
        for node in self._before.keys() - now.keys():
            del self._before[node]
        for node, things in now.items():
            if things is None:
                continue
            if (before := self._before.get(node)) is not None:
                came += [(node, thing) for thing in sorted(things - before)]
                gone += [(node, thing) for thing in sorted(before - things)]
            self._before[node] = things
        return came, gone


@dataclass(slots=True)
class ChangeMemory:
    """Whether something that is so or not so has changed."""

    _before: bool | None = None

    def look(self, now: bool | None) -> bool | None:
        """What it has become, None if it is as before, or if either is not known."""
        if now is None:
            return None
        before, self._before = self._before, now
        return now if before is not None and before is not now else None


@dataclass(slots=True, kw_only=True)
class LimitWatch:
    """Whether a value has crossed a limit and stayed beyond it.

    Beyond is more than `limit` (less, unless `above`); within again is `hysteresis` short of it.
    It fires once for each crossing, `for_s` seconds after it, if the value was known and not within
    all the while. The first known value is where one begins: if it is beyond, that is no crossing.
    """

    limit: float
    above: bool
    hysteresis: float = 0.0
    for_s: float = 0.0
    _armed: bool = False
    _due: float | None = None

    @property
    def due(self) -> float | None:
        """When to look again at the latest, in the seconds of `look`; None: nothing is pending."""
        return self._due

    def look(self, value: float | None, now: float) -> bool:
        """Take the value at `now`, seconds; whether it fires. None: the value is not known."""
        if value is None:
            self._due = None
            return False
        over = value - self.limit if self.above else self.limit - value
        if over <= -self.hysteresis:
            self._armed, self._due = True, None
            return False
        if over > 0 and self._armed and self._due is None:
            self._due = now + self.for_s
        if self._due is None or now < self._due:
            return False
        self._armed, self._due = False, None
        return True
