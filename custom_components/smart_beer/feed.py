"""The newest minute of a node's samples, in memory; the live side of every reader.

Knows nothing of Home Assistant. One writer (the node's coordinator) appends the
pages it polls; any number of readers subscribe, or ask by cursor.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .models import SamplesPage

_LOGGER: Final = logging.getLogger(__package__)

KEEP_S: Final = 60.0
# A minute of 64 channels at 1 Hz is 3,840; catching up after a cut comes in pages of 1,000.
MAX_SAMPLES: Final = 20_000

type Newest = tuple[int, float | None, str]
type PageCallback = Callable[[SamplesPage], None]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A page and when it arrived."""

    arrived: float
    page: SamplesPage


class SampleFeed:
    """The pages of one node that arrived within `keep_s` seconds, at most `max_samples` samples.

    Age is measured by arrival on `monotonic` (seconds): the node's clock is not trusted.
    What is kept is always one unbroken run of seq of one spool; a page of another spool, or
    one that does not follow on what is kept, starts anew.
    """

    def __init__(
        self,
        *,
        keep_s: float = KEEP_S,
        max_samples: int = MAX_SAMPLES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spool_id: str | None = None
        """The spool that the newest page came from; None before the first page."""
        self.last_seq = 0
        """The cursor after the newest page: where the next one is expected to follow."""
        self.first_seq = 0
        """The oldest seq the node still had when it sent its newest page."""
        self.node_last_seq = 0
        """The newest seq the node had when it sent its newest page."""
        self.holes: list[list[int]] = []
        """The node's `[from, to]` of seqs that will never be served, as of its newest page."""
        self.newest: dict[str, Newest] = {}
        """The last `(t, value, quality)` of each series of this spool, by seq."""
        self._keep_s = keep_s
        self._max_samples = max_samples
        self._monotonic = monotonic
        self._kept: deque[_Kept] = deque()
        self._count = 0
        self._floor = 0
        self._callbacks: dict[object, PageCallback] = {}

    def __len__(self) -> int:
        return self._count

    def append(self, page: SamplesPage) -> None:
        """Take the next page that the node served; an empty one only moves the bounds.

        Samples that are here already are dropped. Subscribers get what is new, and an
        empty page only when it is the first of its spool.
        """
        fresh = page.spool_id != self.spool_id
        if fresh:
            self.newest = {}
            self._restart(page)
        self.spool_id = page.spool_id
        self.first_seq = page.first_seq
        self.node_last_seq = page.last_seq
        self.holes = page.holes
        if not fresh:
            if _start(page) > self.last_seq:
                self._restart(page)
            page = _cut(page, self.last_seq)
            if not page.samples:
                return
        if page.samples:
            self._keep(page)
        self._prune()
        self._publish(page)

    def subscribe(self, callback: PageCallback) -> Callable[[], None]:
        """Have `callback(page)` called for every page with news; returns how to stop that."""
        key = object()
        self._callbacks[key] = callback

        def unsubscribe() -> None:
            self._callbacks.pop(key, None)

        return unsubscribe

    def covers(self, spool_id: str, after: int) -> bool:
        """Whether everything after this cursor that the node has served is in memory."""
        return spool_id == self.spool_id and self._floor <= after <= self.last_seq

    def pages_since(self, after: int) -> list[SamplesPage]:
        """The kept pages with what follows `after`, the first one cut to fit; oldest first.

        Only meaningful where `covers` says so. A gap is clipped to what lies after the cursor.
        """
        pages: list[SamplesPage] = []
        for kept in reversed(self._kept):
            if kept.page.next <= after:
                break
            pages.append(_cut(kept.page, after))
        pages.reverse()
        return pages

    def _restart(self, page: SamplesPage) -> None:
        self._kept.clear()
        self._count = 0
        self._floor = self.last_seq = _start(page)

    def _keep(self, page: SamplesPage) -> None:
        self._kept.append(_Kept(self._monotonic(), page))
        self._count += len(page.samples)
        self.last_seq = page.next
        for _seq, t, index, value, quality, _batch in page.samples:
            self.newest[page.series[index]] = (t, value, quality)

    def _prune(self) -> None:
        oldest = self._monotonic() - self._keep_s
        while self._kept and (self._kept[0].arrived < oldest or self._count > self._max_samples):
            gone = self._kept.popleft().page
            self._count -= len(gone.samples)
            self._floor = gone.next

    def _publish(self, page: SamplesPage) -> None:
        for callback in tuple(self._callbacks.values()):
            try:
                callback(page)
            except Exception:
                # A barrier: readers are anybody's, and one's fault, whatever it is, must not keep
                # the others, or the poll, from going on.
                node_id = page.series[0].partition("/")[0] if page.series else "a node"
                _LOGGER.exception(
                    "A reader of the samples of %s (spool %s) failed; it gets the next ones",
                    node_id,
                    page.spool_id,
                )


def _cut(page: SamplesPage, after: int) -> SamplesPage:
    """The part of a page that lies after a cursor; the page itself where that is all of it."""
    if _start(page) >= after:
        return page
    return replace(
        page,
        after=after,
        samples=[sample for sample in page.samples if sample[0] > after],
        gap=_clip_gap(page.gap, after),
    )


def _clip_gap(gap: dict[str, int] | None, after: int) -> dict[str, int] | None:
    """The part of a gap that lies after a cursor, or None."""
    if gap is None or gap["to"] <= after:
        return None
    return {"from": max(gap["from"], after + 1), "to": gap["to"]}


def _start(page: SamplesPage) -> int:
    """The cursor that a page follows on; without one, only its first sample can tell."""
    if page.after is not None:
        return page.after
    return page.samples[0][0] - 1 if page.samples else page.next
