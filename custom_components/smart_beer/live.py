"""The `smart_beer/live` subscription: the newest samples of a few series, for cards."""

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import HomeAssistant, callback

from .feed_watch import FeedWatch, Node

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from .feed import SampleFeed
    from .models import SamplesPage

EVERY_S: Final = 1.0
# Nodes tick on the same second: their pages come within moments of each other.
GATHER_S: Final = 0.05
# A node that catches up brings minutes at once; a card wants the right edge.
MAX_POINTS: Final = 600

type Point = tuple[int, float | None, str]


class LiveBuffer:
    """Samples of the wanted series since the last `take`, the newest `MAX_POINTS` of each. PURE."""

    def __init__(self, series: frozenset[str]) -> None:
        self._wanted = series
        self._points: dict[str, deque[Point]] = {}

    def __bool__(self) -> bool:
        return any(self._points.values())

    def add(self, page: SamplesPage) -> None:
        """Keep what is wanted of a page."""
        wanted = {
            index: self._points.setdefault(name, deque(maxlen=MAX_POINTS))
            for index, name in enumerate(page.series)
            if name in self._wanted
        }
        for _seq, t, index, value, quality, _batch in page.samples:
            if (points := wanted.get(index)) is not None:
                points.append((t, value, quality))

    def take(self) -> dict[str, list[Point]]:
        """What was kept, `(t, value, quality)` in the order it came, and start anew."""
        taken = {name: list(points) for name, points in self._points.items() if points}
        self._points = {}
        return taken


class LiveSubscription:
    """Sends `{"samples": {series: [[t, value, quality], ...]}}`: memory at once, then news.

    At most one event a second; series of nodes that are not there (yet) stay silent.
    """

    def __init__(
        self, hass: HomeAssistant, series: frozenset[str], send: Callable[[dict[str, Any]], None]
    ) -> None:
        self._hass = hass
        self._send = send
        self._buffer = LiveBuffer(series)
        self._feeds: dict[str, SampleFeed] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self._watch = FeedWatch(
            hass,
            on_look=self._on_look,
            on_page=self._on_page,
            wanted=frozenset(name.partition("/")[0] for name in series),
        )

    @callback
    def start(self) -> None:
        """Send what is in memory, and news from now on."""
        self._watch.start()
        self._flush()

    @callback
    def close(self) -> None:
        """Stop sending."""
        self._watch.stop()
        if self._timer is not None:
            self._timer.cancel()

    @callback
    def _on_look(self, nodes: Mapping[str, Node]) -> None:
        for node_id, node in nodes.items():
            if self._feeds.get(node_id) is not node.feed:
                self._feeds[node_id] = node.feed
                for page in node.feed.pages_since(0):
                    self._on_page(node_id, page)

    @callback
    def _on_page(self, _node_id: str, page: SamplesPage) -> None:
        self._buffer.add(page)
        if self._timer is None and self._buffer:
            loop = self._hass.loop
            self._timer = loop.call_at(max(loop.time() + GATHER_S, self._not_before), self._flush)

    @callback
    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._not_before = self._hass.loop.time() + EVERY_S
        self._send({"samples": self._buffer.take()})
