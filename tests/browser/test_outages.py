"""What the chart shows while a probe, a node, the bridge or Home Assistant is away."""

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import Faults

if TYPE_CHECKING:
    from scripts.demo_brewery.brewery import Brewery
    from scripts.demo_brewery.home_assistant import Session

    from .card import Screen

NEWER = """(c, before) => {
  if (!c.plot) return false;
  const [x] = c.plot.chart.data, y = c.plot.chart.data[3];
  return x.some((t, i) => y[i] != null && t > before);
}"""


async def test_a_bad_reading_is_a_hole_and_never_a_zero(brewery: Brewery, desk: Screen) -> None:
    card = await desk.card("/by-hand/one")
    names: list[str] = await card.evaluate("(c) => c.series.map((one) => one.series)")
    series = next(name for name in names if name.startswith("mash-tun-2/"))
    line = names.index(series)
    faults = Faults(brewery, "brewhouse")
    faults.set(**{series: "empty"})
    try:
        await card.until(
            "(c, series) => c.live.get(series).filter((row) => row[3] === null).length >= 3", series
        )
        legend = card.element.locator("[part='legend'] li").nth(line)
        await legend.get_by_text("no reading").wait_for()
        other = card.element.locator("[part='legend'] li").nth(1 - line)
        assert "°C" in await other.inner_text()
    finally:
        faults.set()
    await card.until("(c, series) => c.live.get(series).at(-1)[3] !== null", series)
    values = [value for _, value in await card.points(line)]
    assert None in values
    assert min(value for value in values if value is not None) > 20
    assert None not in [value for _, value in await card.points(1 - line)]

    # Stored, it is a hole too: the same seconds asked for as history alone.
    hole = [t for t, value in await card.points(line) if value is None]
    async with brewery.session as ha:
        deadline = time.monotonic() + 90
        while True:
            rows = await _history(ha, series, int(hole[0] * 1000) - 5000, int(hole[-1] * 1000) + 1)
            if any(row[3] is None for row in rows):
                break
            assert time.monotonic() < deadline, f"no hole is stored: {rows}"
            await asyncio.sleep(0.5)
    assert all(row[1] > 20 for row in rows if row[1] is not None)


async def _history(ha: Session, series: str, start: int, end: int) -> list[list[Any]]:
    question = {"type": "smart_beer/history", "series": [series], "points": 5000}
    answer = await ha.websocket({**question, "start": start, "end": end})
    rows: list[list[Any]] = answer["series"][series]
    return rows


@pytest.mark.slow
async def test_a_killed_node_returns_and_no_instant_is_drawn_twice(
    brewery: Brewery, desk: Screen
) -> None:
    card = await desk.card("/by-hand/fermenter")
    before = await card.newest()
    os.kill(brewery.nodes[-1]["pid"], signal.SIGKILL)
    await card.until(NEWER, before + 8)
    instants = [t for t, _ in await card.points()]
    assert instants == sorted(set(instants))
    await desk.tab.reload()
    card = await desk.card("/by-hand/fermenter")
    await card.until(NEWER, before + 8)
    points = await card.points()
    instants = [t for t, _ in points]
    assert instants == sorted(set(instants))
    assert all(value is None or value > 5 for _, value in points)


@pytest.mark.slow
async def test_without_the_bridge_the_card_is_live_only_and_says_so(
    brewery: Brewery, desk: Screen
) -> None:
    await desk.card("/by-hand/one")
    await asyncio.to_thread(brewery.bridge.stop)
    try:
        card = await desk.card("/by-hand/one", bridge=False)
        await card.press("The last 6 h")
        notice = card.element.locator("[part='notice']")
        await notice.get_by_text("No storage bridge is connected").wait_for()
        await card.until("(c) => c.history === undefined")
        await card.drawn()
        await card.until(NEWER, await card.newest() + 1)
    finally:
        brewery.bridge.start()
    await card.until("(c) => c.history !== undefined && c.problem === undefined")
    assert await notice.is_hidden()
    assert len(await card.points()) > 0


@pytest.mark.slow
async def test_a_restart_of_home_assistant_is_survived_without_a_reload(
    brewery: Brewery, desk: Screen
) -> None:
    card = await desk.card("/by-hand/one")
    await desk.tab.evaluate("window.samePage = true")
    before = await card.newest()
    ever = desk.subscriptions.ever
    await asyncio.to_thread(brewery.home_assistant.kill)
    await card.until("(c) => !c.current.connection.connected")
    brewery.home_assistant.start()
    await card.until("(c) => c.current.connection.connected", patience=180)
    await card.until(NEWER, before + 5)
    assert desk.subscriptions.ever > ever
    await card.until("(c) => c.problem === undefined")
    newest = await card.newest()
    await card.until(NEWER, newest)
    assert await desk.tab.evaluate("window.samePage === true")
    await desk.subscribed(1)
