"""The history card on a real dashboard: live edge, ranges, zoom, odd configurations, keyboard."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scripts.demo_brewery.brewery import Brewery

    from .card import Screen


async def test_the_right_edge_is_live(desk: Screen) -> None:
    card = await desk.card("/by-hand/one")
    before, edge = await card.newest(), (await card.window())[1]
    await card.until(
        """(c, before) => {
          const [x] = c.plot.chart.data, y = c.plot.chart.data[3];
          const newest = x.findLast((_, i) => y[i] != null);
          return newest > before + 2 && c.plot.chart.scales.x.max > newest - 1;
        }""",
        before,
    )
    assert (await card.window())[1] > edge


async def test_live_moves_on_under_a_long_range_too(desk: Screen) -> None:
    card = await desk.card("/by-hand/one")
    await card.press("The last 1 y")
    await card.until("(c) => c.historyOf === '8760'")
    before = await card.newest()
    await card.until(
        "(c, b) => c.plot.chart.data[0].some((t, i) => c.plot.chart.data[3][i] != null && t > b)",
        before,
    )


async def test_live_updates_keep_the_chart_and_its_size(desk: Screen) -> None:
    card = await desk.card("/by-hand/one")
    await card.evaluate(
        """(c) => {
          c.seen = { canvas: c.shadowRoot.querySelector("canvas"), top: c.offsetHeight };
        }"""
    )
    before = await card.newest()
    await card.until(
        "(c, b) => c.plot.chart.data[0].some((t, i) => c.plot.chart.data[3][i] != null && t > b)",
        before + 2,
    )
    await card.press("The last 6 h")
    await card.until("(c) => c.historyOf === '6'")
    assert await card.evaluate(
        "(c) => c.seen.canvas === c.shadowRoot.querySelector('canvas') "
        "&& c.seen.top === c.offsetHeight"
    )


async def test_ranges_zoom_pan_and_back_to_live(desk: Screen) -> None:
    card = await desk.card("/by-hand/one")
    start, end = await card.window()
    await card.drag(0.25, 0.75)
    await card.until("(c) => c.window !== null && c.historyOf.includes('-')")
    zoomed = await card.window()
    assert start < zoomed[0] < zoomed[1] < end
    assert abs((zoomed[1] - zoomed[0]) - (end - start) / 2) < (end - start) * 0.05
    pressed = card.element.locator("button[aria-pressed=true]")
    assert await pressed.count() == 0

    await card.press("Earlier")
    await card.until("(c, was) => c.plot.chart.scales.x.min < was - 1", zoomed[0])
    earlier = await card.window()
    assert abs((earlier[1] - earlier[0]) - (zoomed[1] - zoomed[0])) < 1
    for _ in range(3):
        await card.press("Later")
    await card.until("(c) => c.window === null")
    await card.drag(0.2, 0.8)
    await card.until("(c) => c.window !== null")
    await card.press("Live")
    await card.until("(c) => c.window === null")
    assert await pressed.inner_text() == "1 h"
    assert not await card.element.get_by_role("button", name="Live", exact=True).is_visible()


async def test_the_smallest_drag_still_shows_seconds(desk: Screen) -> None:
    card = await desk.card("/by-hand/one")
    await card.drag(0.5, 0.7)
    await card.until("(c) => c.window !== null && c.historyOf.includes('-')")
    for _ in range(3):
        before = await card.window()
        await card.drag(0.5, 0.53)
        await card.until("(c, was) => c.plot.chart.scales.x.min > was", before[0])
    start, end = await card.window()
    assert end - start >= 10


async def test_a_time_before_the_brewery_is_an_empty_chart(desk: Screen) -> None:
    card = await desk.card("/by-hand/one")
    await card.press("The last 1 d")
    await card.until("(c) => c.historyOf === '24'")
    for _ in range(3):
        await card.press("Earlier")
    await card.until("(c) => c.window !== null && c.historyOf.includes('-') && c.hours === 24")
    await card.until(
        """(c) => c.plot.chart.scales.x.max < Date.now() / 1000 - 86400 &&
          c.plot.chart.data.slice(1).every((y) => y.every((value) => value == null))"""
    )
    assert await card.text("notice") == ""
    await card.press("Live")
    await card.drawn()


async def test_two_cards_of_one_view_show_their_own(desk: Screen) -> None:
    first = await desk.card("/by-hand/two")
    second = await desk.card("/by-hand/two", nth=1)
    assert await first.text("title") == "Mash tun"
    assert await second.text("title") == "Beer"
    assert await second.evaluate("(c) => c.series.every((one) => one.kettle_id === 'fermenter')")
    assert await second.evaluate("(c) => c.series.map((one) => one.kind).includes('pressure')")


async def test_a_card_that_is_gone_leaves_no_subscription(desk: Screen) -> None:
    await desk.card("/by-hand/two", nth=1)
    await desk.subscribed(2)
    ever = desk.subscriptions.ever
    assert ever >= 2
    await desk.go("/by-hand/none")
    await desk.subscribed(0)
    assert desk.subscriptions.ever == ever


async def test_a_kettle_that_nobody_has_is_said_in_words(desk: Screen) -> None:
    await desk.go("/by-hand/nobody")
    notice = desk.tab.locator("smart-beer-history-card [part='notice']")
    await notice.get_by_text("There is nothing to draw yet").wait_for()
    assert not await desk.tab.locator("smart-beer-history-card [part='chart']").is_visible()


async def test_an_invalid_configuration_is_home_assistants_error_card(desk: Screen) -> None:
    await desk.go("/by-hand/invalid")
    error = desk.tab.locator("hui-error-card")
    await error.first.wait_for()
    assert await desk.tab.locator("smart-beer-history-card").count() == 0


async def test_keyboard_and_screen_reader_can_use_it(desk: Screen) -> None:
    card = await desk.card("/by-hand/one")
    group = card.element.get_by_role("group", name="Time range")
    names = [
        await button.get_attribute("aria-label")
        for button in await group.get_by_role("button").all()
    ]
    assert names == [
        "Earlier",
        *(f"The last {span}" for span in ("1 h", "6 h", "1 d", "7 d", "30 d", "1 y")),
        "Later",
    ]
    chart = card.element.get_by_role("img")
    assert (await chart.get_attribute("aria-label") or "").startswith("Mash tun, ")
    button = card.element.get_by_role("button", name="The last 6 h")
    await card.element.get_by_role("button", name="The last 1 h").focus()
    await desk.tab.keyboard.press("Tab")
    assert await button.evaluate("(b) => b.getRootNode().activeElement === b")
    outline = await button.evaluate("(b) => getComputedStyle(b).outlineStyle")
    assert outline == "solid"
    await desk.tab.keyboard.press("Enter")
    await card.until("(c) => c.historyOf === '6'")
    assert await button.get_attribute("aria-pressed") == "true"
    assert await button.evaluate("(b) => b.getRootNode().activeElement === b"), "focus is kept"
    notice = card.element.locator("[part='notice']")
    assert await notice.get_attribute("role") == "status"


async def test_the_card_comes_once_through_a_resource_with_its_hash(
    brewery: Brewery, desk: Screen
) -> None:
    async with brewery.session as ha:
        resources = await ha.websocket({"type": "lovelace/resources"})
    ours = [one["url"] for one in resources if "smart_beer" in one["url"]]
    assert len(ours) == 1
    fetched = await desk.tab.evaluate(
        "performance.getEntriesByType('resource').map((one) => one.name)"
        ".filter((name) => name.includes('smart-beer.js'))"
    )
    assert fetched == [brewery.url + ours[0]]
