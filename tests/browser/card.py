"""What a test sees of Home Assistant's page and of the cards on it."""

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page, WebSocket

CARD = "smart-beer-history-card"


class LiveSubscriptions:
    """Counts `smart_beer/live` on the wire: asked for, less those taken back.

    A page has one connection; with a new one, what the old one had is over.
    """

    def __init__(self, tab: Page) -> None:
        self._open: set[int] = set()
        self.ever = 0
        tab.on("websocket", self._watch)

    @property
    def count(self) -> int:
        """How many are open now."""
        return len(self._open)

    def _watch(self, socket: WebSocket) -> None:
        mine = self._open = set()
        socket.on("framesent", lambda frame: self._sent(mine, frame))

    def _sent(self, mine: set[int], frame: str | bytes) -> None:
        message = json.loads(frame)
        for one in message if isinstance(message, list) else [message]:
            if one.get("type") == "smart_beer/live":
                mine.add(one["id"])
                self.ever += 1
            elif one.get("type") == "unsubscribe_events":
                mine.discard(one["subscription"])


@dataclass
class Screen:
    """A page of Home Assistant's frontend."""

    tab: Page
    subscriptions: LiveSubscriptions

    async def connected(self) -> None:
        """Wait until the frontend talks with Home Assistant."""
        await self.tab.wait_for_function(
            "document.querySelector('home-assistant')?.hass?.connected"
        )

    async def go(self, path: str) -> None:
        """Go to a view as a click on a link would, without loading the page anew."""
        await self.tab.evaluate(
            """(path) => {
              history.pushState(null, "", path);
              window.dispatchEvent(new CustomEvent("location-changed"));
            }""",
            path,
        )

    async def subscribed(self, count: int, patience: float = 60) -> None:
        """Wait until so many live subscriptions are open on this page."""
        deadline = time.monotonic() + patience
        while self.subscriptions.count != count:
            assert time.monotonic() < deadline, f"{self.subscriptions.count}, not {count}"
            await self.tab.wait_for_timeout(50)

    async def card(self, path: str, nth: int = 0, *, bridge: bool = True) -> Card:
        """A view's history card, showing the last hour live; the frontend may keep the element."""
        await self.go("/by-hand/none")
        await self.tab.locator(CARD).first.wait_for(state="detached")
        await self.go(path)
        card = Card(self.tab.locator(CARD).nth(nth))
        await card.press("The last 1 h")
        await card.until("(c, b) => c.window === null && (!b || c.historyOf === '1')", bridge)
        return await card.drawn()


@dataclass
class Card:
    """One history card; private fields are read, never written."""

    element: Locator

    async def drawn(self) -> Card:
        """Wait until every line has a value."""
        await self.until(
            """(c) => c.plot && c.series.length > 0 &&
              c.series.every((_, i) => c.plot.chart.data[i * 3 + 3]?.some((v) => v != null))"""
        )
        return self

    async def evaluate(self, script: str, argument: Any = None) -> Any:
        """What `script`, a function of the element, says."""
        return await self.element.evaluate(script, argument)

    async def until(self, script: str, argument: Any = None, patience: float = 90) -> None:
        """Wait until `script`, a function of the element, says something true.

        The element is looked up each time: the frontend may have made another.
        """
        deadline = time.monotonic() + patience
        while not await self.evaluate(f"(card, a) => Boolean(({script})(card, a))", argument):
            assert time.monotonic() < deadline, f"this did not come: {script}, {argument}"
            await self.element.page.wait_for_timeout(50)

    async def press(self, label: str) -> None:
        """Press one of its buttons, by what a screen reader calls it."""
        await self.element.get_by_role("button", name=label, exact=True).click()

    async def text(self, part: str) -> str:
        """The text of one of its parts."""
        return (await self.element.locator(f"[part='{part}']").inner_text()).strip()

    async def points(self, line: int = 0) -> list[tuple[float, float | None]]:
        """What is drawn of a line: instants in seconds, means; null where it breaks."""
        data = await self.evaluate(
            """(card, line) => {
              const [x] = card.plot.chart.data, y = card.plot.chart.data[line * 3 + 3];
              return x.flatMap((t, i) => (y[i] === undefined ? [] : [[t, y[i]]]));
            }""",
            line,
        )
        return [(t, value) for t, value in data]

    async def newest(self) -> float:
        """The instant of the newest value of any line, in seconds."""
        found = [t for t, value in await self.points() if value is not None]
        return found[-1] if found else 0.0

    async def window(self) -> tuple[float, float]:
        """The x axis, in seconds."""
        scale = await self.evaluate("(c) => [c.plot.chart.scales.x.min, c.plot.chart.scales.x.max]")
        return scale[0], scale[1]

    async def drag(self, start: float, end: float) -> None:
        """Drag the mouse over the plot, from and to these parts of its width."""
        over = self.element.locator(".u-over")
        await over.scroll_into_view_if_needed()
        box = await over.bounding_box()
        assert box is not None
        mouse, y = self.element.page.mouse, box["y"] + box["height"] / 2
        await mouse.move(box["x"] + box["width"] * start, y)
        await mouse.down()
        await mouse.move(box["x"] + box["width"] * end, y, steps=5)
        await mouse.up()
