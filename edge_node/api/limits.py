"""How much anyone may ask of the node. Pure: the caller tells the (monotonic) time, in seconds."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

# One bucket of each class per token and address: (requests a second, burst).
# What keeps a kettle safe (leases, safe stop) never waits behind what merely looks at it.
RATES: dict[str, tuple[float, int]] = {"default": (20.0, 20), "lease": (40.0, 40)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Every limit of the API server; times in seconds."""

    rates: Mapping[str, tuple[float, int]] = field(default_factory=lambda: dict(RATES))
    connections: int = 32
    handshake_s: float = 5.0
    header_s: float = 5.0
    body_s: float = 5.0
    keepalive_s: float = 75.0  # an idle connection that nobody needs is let go after this
    stalled_s: float = 15.0  # how long a reader may leave a full send buffer untouched
    heartbeat_s: float = 15.0  # an event stream says at least this often that it lives
    stream_s: float = 600.0  # a stream of samples ends after this; the client asks again


class TokenBuckets:
    """Token buckets, one a key, at most `max_keys` of them: the longest unused is forgotten."""

    def __init__(self, rate: float, burst: int, *, max_keys: int = 1024) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._max_keys = max_keys
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Hashable, now: float) -> float:
        """Take one token and return 0, or take none and return the seconds until there is one."""
        level, then = self._buckets.pop(key, (self._burst, now))
        level = min(self._burst, level + max(0.0, now - then) * self._rate)
        wait = 0.0 if level >= 1 else (1 - level) / self._rate
        self._buckets[key] = (level if wait else level - 1, now)
        while len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return wait


@dataclass(slots=True)
class _Wrong:
    times: list[float] = field(default_factory=list)  # of the 401s in the last minute
    refused: int = 0
    until: float = 0.0


class WrongTokens:
    """Counts wrong tokens per address: a few a minute are merely wrong, more have to wait.

    It is asked only about wrong tokens, so it can never stand in the way of a right one.
    """

    WINDOW_S = 60.0
    FIRST_WAIT_S = 10.0
    MAX_WAIT_S = 600.0

    def __init__(self, *, allowed: int = 5, max_addresses: int = 1024) -> None:
        self._allowed = allowed
        self._max_addresses = max_addresses
        self._wrong: OrderedDict[str, _Wrong] = OrderedDict()

    def __len__(self) -> int:
        return len(self._wrong)

    def refuse(self, address: str, now: float) -> float:
        """Count a wrong token; 0 if it may be told so, else the seconds to wait, ever more."""
        entry = self._wrong.pop(address, None)
        if entry is None or (now >= entry.until + self.MAX_WAIT_S and not _recent(entry, now)):
            entry = _Wrong()
        self._wrong[address] = entry
        while len(self._wrong) > self._max_addresses:
            self._wrong.popitem(last=False)
        entry.times = _recent(entry, now)
        if now >= entry.until and len(entry.times) < self._allowed:
            entry.times.append(now)
            return 0.0
        wait = min(self.MAX_WAIT_S, self.FIRST_WAIT_S * 2 ** min(entry.refused, 16))
        entry.refused += 1
        entry.until = max(entry.until, now + wait)
        return entry.until - now


def _recent(entry: _Wrong, now: float) -> list[float]:
    return [then for then in entry.times if now - then < WrongTokens.WINDOW_S]
