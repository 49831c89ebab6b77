"""Reads samples that are no longer in memory from the nodes' spools, at a gentle pace."""

import asyncio
import random
import time
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from .exceptions import NodeResponseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .models import SamplesPage

PAGE: Final = 1000
# A node takes 20 requests/s from one token; 8 leave the rest to the live poll and to people.
NODE_INTERVAL_S: Final = 0.125
# Twenty pages a second of all nodes together cost the event loop about a tenth of its time.
INTERVAL_S: Final = 0.05
# Reads from nodes that hang must not use up every slot of a bridge (it has 16).
CONCURRENT: Final = 4
BACKOFF_FIRST_S: Final = 1.0
BACKOFF_CAP_S: Final = 60.0


class SamplesClient(Protocol):
    """The part of a node's client that reading needs."""

    async def samples(
        self, *, after: int = 0, spool_id: str | None = None, limit: int = 1000, wait: float = 0
    ) -> SamplesPage:
        """At most `limit` samples after the cursor."""


@dataclass(slots=True)
class _Pace:
    """When a node may be asked again (monotonic seconds), and how long it has failed."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    not_before: float = 0.0
    failures: int = 0


class SpoolReader:
    """One for all nodes and all bridges: it is the nodes' limits that are shared.

    A node is read by one reader at a time, at most once in `node_interval` seconds; all nodes
    together at most once in `interval`, `CONCURRENT` at a time. After a failure a node rests,
    1 s at first, doubling to 60 s, with jitter, until a read succeeds.
    """

    def __init__(
        self, *, node_interval: float = NODE_INTERVAL_S, interval: float = INTERVAL_S
    ) -> None:
        self._node_interval = node_interval
        self._interval = interval
        self._paces: dict[str, _Pace] = defaultdict(_Pace)
        self._permits = asyncio.Semaphore(CONCURRENT)
        self._gate = asyncio.Lock()
        self._not_before = 0.0

    def failures(self, node_id: str) -> int:
        """How many reads of this node failed in a row."""
        return self._paces[node_id].failures

    @asynccontextmanager
    async def turn(self, node_id: str) -> AsyncIterator[None]:
        """Wait until this node may be read, and hold its turn; what is raised inside counts."""
        pace = self._paces[node_id]
        async with pace.lock:
            await _sleep_until(pace.not_before)
            async with self._permits:
                async with self._gate:
                    await _sleep_until(self._not_before)
                    self._not_before = time.monotonic() + self._interval
                try:
                    yield
                except Exception:
                    # Whatever it was, a fault of ours too, the node rests before it is read again;
                    # who reads has to deal with it.
                    pace.failures += 1
                    pace.not_before = time.monotonic() + _backoff(pace.failures)
                    raise
                else:
                    pace.failures = 0
                    pace.not_before = time.monotonic() + self._node_interval

    @staticmethod
    async def read(client: SamplesClient, node_id: str, spool_id: str, after: int) -> SamplesPage:
        """The next page of this node's spool; raises what the client raises (OtherSpoolError, ...).

        NodeResponseError also where the answer is of another spool, or of another node.
        """
        page = await client.samples(after=after, spool_id=spool_id, limit=PAGE)
        if page.spool_id != spool_id:
            raise NodeResponseError(
                200, "malformed", f"was asked for spool {spool_id} and answered with another"
            )
        if foreign := [name for name in page.series if not name.startswith(f"{node_id}/")]:
            raise NodeResponseError(
                200, "malformed", f"is read as node {node_id} and answered with {foreign[0]}"
            )
        return page


def _backoff(failures: int) -> float:
    longest = min(BACKOFF_CAP_S, BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 16))
    return longest * random.uniform(0.5, 1)  # noqa: S311  jitter, not a secret


async def _sleep_until(monotonic: float) -> None:
    if (delay := monotonic - time.monotonic()) > 0:
        await asyncio.sleep(delay)
