"""The batches view: what was brewed, its chart, alarms, notes and files, with the real bridge."""

import csv
import io
import re
from typing import TYPE_CHECKING, Any

import pytest_asyncio

from scripts.demo_brewery.browser import PHONE, page

from .conftest import Faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Locator, Page

    from scripts.demo_brewery.brewery import Brewery

    from .card import Screen

BATCH = "B7/Märzen 1"
SEVERAL = re.compile(r"^([2-9]|\d[\d,]+) samples")
VIEW = "/smart-beer/batches"
SERIES = """() => document.querySelector("home-assistant").hass
  .callWS({ type: "smart_beer/series" })
  .then(({ series }) => series.find((one) =>
    one.kettle_id === "boil-kettle" && one.kind === "temperature").series)"""
# Batches are commands: a kettle takes them from who leads it.
LEADS = """() => {
  const { devices, entities, states } = document.querySelector("home-assistant").hass;
  return Object.values(entities ?? {}).some((entity) => entity.translation_key === "leader" &&
    devices?.[entity.device_id]?.identifiers.some(([, name]) => name === "kettle/boil-kettle") &&
    states[entity.entity_id]?.state === "on");
}"""
ACT = """async ([service, kettle, data]) => {
  const { hass } = document.querySelector("home-assistant");
  const { id } = Object.values(hass.devices).find(({ identifiers }) =>
    identifiers.some(([, name]) => name === `kettle/${kettle}`));
  await hass.callWS({ type: "call_service", domain: "smart_beer", service,
    service_data: { device_id: id, ...data } })
    .catch(({ message }) => { throw new Error(message); });
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def brewing(desk: Screen, brewery: Brewery) -> AsyncIterator[Faults]:
    """The boil kettle with a batch in it, whose probe has failed at one node."""
    faults = Faults(brewery, "brewhouse")
    await _act(desk.tab, "start_batch", batch=BATCH)
    yield faults
    faults.set()
    await _act(desk.tab, "end_batch")


async def _act(tab: Page, service: str, **data: Any) -> None:
    await tab.wait_for_function(LEADS)
    await tab.evaluate(ACT, [service, "boil-kettle", data])


async def _opened(tab: Page) -> Locator:
    """The batch's entry, opened, once its chart is drawn."""
    entry = tab.locator("smart-beer-batches-card [part=list] > li").filter(has_text=BATCH)
    await entry.wait_for()
    button = entry.locator("[part=batch]")
    if await button.get_attribute("aria-expanded") == "false":
        await button.click()
    await entry.locator("smart-beer-history-card canvas").wait_for()
    return entry


async def test_a_brewer_reads_a_batch_writes_a_note_and_takes_its_samples_along(
    desk: Screen, brewing: Faults
) -> None:
    await desk.go(VIEW)
    entry = await _opened(desk.tab)
    assert "Boil kettle" in await entry.locator("[part=batch]").inner_text()
    await entry.locator("[part=state].running").wait_for()

    note = entry.get_by_role("textbox", name="A note on this batch")
    await note.fill("First wort hops.\nNo boil-over.")
    await entry.get_by_role("button", name="Add note", exact=True).click()
    kept = entry.locator("[part=notes] li").filter(has_text="First wort hops.")
    await kept.wait_for()
    assert await note.input_value() == ""

    # It says how many there are.
    await entry.locator("[part=files] span").filter(has_text=SEVERAL).wait_for()
    async with desk.tab.expect_download() as csv_file:
        await entry.get_by_role("button", name="Download CSV", exact=True).click()
    path: Path = await (await csv_file.value).path()
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert len(rows) > 1
    assert {row["batch"] for row in rows} == {BATCH}
    async with desk.tab.expect_download() as parquet_file:
        await entry.get_by_role("button", name="Download Parquet", exact=True).click()
    path = await (await parquet_file.value).path()
    assert path.read_bytes()[:4] == path.read_bytes()[-4:] == b"PAR1"


async def test_an_alarm_of_a_batch_is_seen_and_acknowledged(desk: Screen, brewing: Faults) -> None:
    brewing.set(**{await desk.tab.evaluate(SERIES): "missing"})
    await desk.go(VIEW)
    entry = await _opened(desk.tab)
    alarm = entry.locator("[part=alarms] li").filter(has=desk.tab.get_by_role("button"))
    await alarm.first.wait_for(timeout=150_000)  # the card asks every half minute
    await alarm.first.get_by_role("button", name="I have seen it", exact=True).click()
    await entry.locator("[part=alarms]").get_by_text("seen by Brewer").first.wait_for()


async def test_a_note_that_is_not_kept_stays_in_the_field_and_says_why(
    desk: Screen, brewing: Faults
) -> None:
    await desk.go(VIEW)
    entry = await _opened(desk.tab)
    await desk.tab.evaluate(
        """() => {
          const { hass } = document.querySelector("home-assistant"), { connection } = hass;
          const send = connection.sendMessagePromise.bind(connection);
          connection.sendMessagePromise = (message) =>
            message.service === "add_note"
              ? send({ ...message, service_data: { ...message.service_data, batch: "nobody's" } })
              : send(message);
        }"""
    )
    note = entry.get_by_role("textbox", name="A note on this batch")
    await note.fill("Lost?")
    await entry.get_by_role("button", name="Add note", exact=True).click()
    await entry.get_by_role("alert").get_by_text("keeps no batch nobody's").wait_for()
    assert await note.input_value() == "Lost?"
    await desk.tab.reload()
    await desk.connected()


async def test_it_fits_a_phone_and_speaks_to_screen_readers(
    brewery: Brewery, browser: Browser, brewing: Faults
) -> None:
    async with page(browser, size=PHONE, dark=True) as tab:
        await tab.goto(f"{brewery.url}{VIEW}")
        entry = await _opened(tab)
        card = tab.locator("smart-beer-batches-card")
        box = await card.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE[0]
        for part in ("ha-card", "[part=opened]", "form"):
            for one in await card.locator(part).all():
                assert await one.evaluate("(e) => e.scrollWidth <= e.clientWidth"), part
        button = entry.locator("[part=batch]")
        assert await button.get_attribute("aria-expanded") == "true"
        await button.focus()
        await tab.keyboard.press("Enter")
        await entry.locator("[part=opened]").wait_for(state="detached")
        assert await button.get_attribute("aria-expanded") == "false"
