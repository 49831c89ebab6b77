"""The dashboard that the strategy makes, as people see it."""

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from scripts.demo_brewery.browser import DESKTOP, PHONE, open_dashboard, page

from .card import Card

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Locator, Page

    from scripts.demo_brewery.brewery import Brewery

    from .card import Screen


def _section(tab: Page, heading: str) -> Locator:
    return tab.locator("hui-grid-section").filter(
        has=tab.locator("hui-heading-card").get_by_text(heading, exact=True)
    )


async def test_each_kettle_has_its_temperature_and_its_chart(desk: Screen) -> None:
    await desk.go("/smart-beer/brewery")
    for kettle, degrees in (("Mash tun", r"6\d\.\d"), ("Boil kettle", r"[89]\d\.\d")):
        section = _section(desk.tab, kettle)
        await section.locator("hui-tile-card").first.wait_for()
        tile = section.locator("hui-tile-card").filter(has_text="Temperature").first
        await tile.get_by_text(re.compile(rf"^\s*{degrees}\s°C\s*$")).first.wait_for()
        await section.locator("smart-beer-history-card canvas").wait_for()
        card = section.locator("smart-beer-history-card")
        await Card(card).until(
            "(c, two) => c.series.map((one) => one.kettle_name).join() === two",
            f"{kettle},{kettle}",
        )
        assert not await card.locator("h2").is_visible(), "the heading above says it"


async def test_fermentation_shows_pressure_and_carbonation(desk: Screen) -> None:
    await desk.go("/smart-beer/fermentation")
    section = _section(desk.tab, "Fermenter")
    await section.locator("smart-beer-history-card canvas").wait_for()
    for name in ("Temperature", "Pressure", "CO₂ volumes"):
        await section.locator("hui-tile-card").get_by_text(name, exact=True).wait_for()
    await Card(section.locator("smart-beer-history-card")).until(
        "(c, kinds) => [...new Set(c.series.map((one) => one.kind))].sort().join() === kinds",
        "co2,pressure,temperature",
    )


async def test_every_node_has_a_section(desk: Screen) -> None:
    await desk.go("/smart-beer/nodes")
    for node in ("Mash tun 1", "Mash tun 2", "Fermenter 1"):
        section = _section(desk.tab, node)
        await section.locator("smart-beer-history-card canvas").wait_for()
        tile = section.locator("hui-tile-card").filter(has_text="Connection").first
        await tile.get_by_text("Connected", exact=True).wait_for()


@asynccontextmanager
async def _language(brewery: Brewery, language: str) -> AsyncIterator[None]:
    async def choose(language: str) -> None:
        async with brewery.session as ha:
            value = {
                "language": language,
                **dict.fromkeys(("number_format", "time_format"), "language"),
                "date_format": "language",
                "first_weekday": "language",
                "time_zone": "local",
            }
            await ha.websocket(
                {"type": "frontend/set_user_data", "key": "language", "value": value}
            )

    await choose(language)
    try:
        yield
    finally:
        await choose("en")


async def test_a_spanish_user_reads_spanish(brewery: Brewery, browser: Browser) -> None:
    async with _language(brewery, "es"), page(browser) as tab:
        await open_dashboard(tab, brewery.url, "smart-beer/brewery")
        await tab.wait_for_function(
            "document.querySelector('home-assistant').hass.language === 'es'"
        )
        card = tab.locator("smart-beer-history-card").first
        await card.get_by_role("button", name="Antes", exact=True).wait_for()
        assert await card.get_by_role("button", name="Periodo de 6 h", exact=True).is_visible()
        reading = card.locator("[part='legend'] b").filter(has_text=re.compile(r"\d,\d\s°C"))
        await reading.first.wait_for()
        titles = await tab.locator("hui-root ha-tab-group-tab, hui-root sl-tab").all()
        labels = [await one.get_attribute("aria-label") for one in titles]
        assert labels == ["Cervecería", "Fermentación", "Lotes", "Nodos"]


# Each text, axis and line with its colour and the card's background, as the browser computed them.
COLOURS = """(card) => {
  const colour = (text) => {
    const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    context.fillStyle = text;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const root = card.shadowRoot;
  const css = (element) => getComputedStyle(element).color;
  return {
    background: colour(getComputedStyle(root.querySelector("ha-card")).backgroundColor),
    text: Object.fromEntries([
      ...[...root.querySelectorAll("button, [part=legend] li:not(.at)")]
        .map((element) => [element.textContent, colour(css(element))]),
      ["axis", colour(card.plot.chart.axes[0].stroke())],
    ]),
    lines: card.plot.chart.series.filter((one, i) => i > 0 && i % 3 === 0)
      .map((one) => colour(one.stroke())),
  };
}"""


def _luminance(colour: list[int]) -> float:
    """Relative luminance (WCAG 2.2) of 8-bit sRGB."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (part / 255 for part in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: list[int], other: list[int]) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_it_can_be_read_and_fits(
    brewery: Brewery, browser: Browser, size: tuple[int, int], dark: bool
) -> None:
    async with page(browser, size=size, dark=dark) as tab:
        await open_dashboard(tab, brewery.url)
        overflow = await tab.evaluate(
            "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
        )
        assert overflow <= 0
        for card in await tab.locator("smart-beer-history-card").all():
            box = await card.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= size[0]
            assert await card.locator("ha-card").evaluate("(c) => c.scrollWidth <= c.clientWidth")
            await Card(card).until("(c) => c.plot?.lines.length === 2")
            found = await card.evaluate(COLOURS)
            assert (_luminance(found["background"]) < 0.1) is dark
            for name, colour in found["text"].items():
                assert _contrast(colour, found["background"]) >= 4.5, name
            assert len(found["lines"]) == 2
            for colour in found["lines"]:
                assert _contrast(colour, found["background"]) >= 3
