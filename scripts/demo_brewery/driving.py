"""A person drives the mash tun from the dashboard: a tap on a switch, a temperature, a mode."""

import asyncio
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_node.hardware.outputs.simulated import read_level

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.async_api import Locator, Page

    from .brewery import Brewery

KETTLE = "Mash tun"
PATIENCE = 60.0  # seconds
RISE_K = 0.5
_DECADE = 10.0  # degrees that Page Up moves the dial by, of its hundred
# The leader's sensor of a kettle's device says in how many seconds outputs may go on.
_MAY_ENERGISE = """(name) => {
  const { devices, entities, states } = document.querySelector("home-assistant").hass;
  return Object.values(entities).some((entity) =>
    entity.translation_key === "leader" && devices[entity.device_id]?.name === name &&
    states[entity.entity_id]?.attributes.energise_in === 0);
}"""
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")


@dataclass
class Driven:
    """What was done on the screen and what came of it, at the node's pins and on the screen."""

    pump_on: bool
    pump_off: bool
    setpoint: float  # degrees Celsius
    heating: bool
    rose_k: float
    heat_off: bool

    @property
    def ok(self) -> bool:
        """Whether the brewery did what the person wanted."""
        return (
            self.pump_on
            and self.pump_off
            and self.heating
            and self.rose_k >= RISE_K
            and self.heat_off
        )


class MashTun:
    """The mash tun's section of an open dashboard in English, and its first node's pins."""

    def __init__(self, brewery: Brewery, tab: Page) -> None:
        node_id = next(
            str(node["node_id"])
            for node in brewery.nodes
            if str(node["node_id"]).startswith("mash-tun")
        )
        (self._pins,) = (brewery.folder / "nodes").glob(f"*/outputs/{node_id}")
        self._tab = tab
        self.section = tab.locator("hui-grid-section").filter(
            has=tab.locator("hui-heading-card").get_by_text(KETTLE, exact=True)
        )
        self.thermostat = self.tile(KETTLE)

    def tile(self, name: str) -> Locator:
        """The tile of that name."""
        return self.section.locator("hui-tile-card").filter(
            has=self._tab.get_by_text(name, exact=True)
        )

    async def ready(self) -> None:
        """Wait until this server leads the kettle and may switch something on."""
        await self._tab.wait_for_function(_MAY_ENERGISE, arg=KETTLE)

    async def tap(self, name: str, then: str) -> None:
        """Tap a tile and wait until it says so."""
        await self.tile(name).first.click()
        await self.shows(self.tile(name), then)

    async def aim_above(self, degrees: float) -> float:
        """Turn the dial to the next multiple of ten above; the setpoint."""
        await self.thermostat.click(position={"x": 120, "y": 25})
        dialogue = self._tab.locator("ha-more-info-dialog")
        dial = dialogue.locator("ha-control-circular-slider").get_by_role("slider")
        await dial.focus()
        await dial.press("Home")
        setpoint = (degrees // _DECADE + 1) * _DECADE
        for _ in range(int(setpoint / _DECADE)):
            await dial.press("PageUp")
        await self.shows(self.thermostat, f"{setpoint:.1f}")
        await dialogue.get_by_role("button", name="Close").first.click()
        await dialogue.locator("ha-control-circular-slider").wait_for(state="detached")
        return setpoint

    async def mode(self, name: str) -> None:
        """Choose a mode of the thermostat by its icon."""
        await self.thermostat.get_by_role("radio", name=name, exact=True).click()

    async def temperature(self) -> float:
        """What the temperature's tile shows, degrees Celsius; waits while it shows none."""
        shown = self.tile("Temperature").first
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            text = str(await shown.evaluate("(tile) => tile.shadowRoot.textContent"))
            if (found := _NUMBER.search(text)) is not None:
                return float(found[0].replace(",", "."))
            await asyncio.sleep(0.1)
        raise TimeoutError(f"the temperature's tile shows no number within {PATIENCE:.0f} s")

    async def shows(self, tile: Locator, text: str) -> None:
        """Wait until a tile says this."""
        await tile.get_by_text(re.compile(rf"\b{re.escape(text)}\b")).first.wait_for()

    async def pin(self, output: str, wanted: Callable[[float], bool]) -> bool:
        """Whether the pin of an output gets to where it should be."""
        # A node of several kettles names each one's outputs after it.
        alone, shared = self._pins / output, self._pins / f"mash_tun_{output}"
        return await _until(lambda: _level(alone if alone.exists() else shared, wanted))


async def drive(mash_tun: MashTun) -> Driven:
    """Switch the pump on and off, heat by half a kelvin, and leave the heat off."""
    await mash_tun.ready()
    await mash_tun.tap("Pump", "On")
    pump_on = await mash_tun.pin("pump", lambda level: level == 100)
    await mash_tun.tap("Pump", "Off")
    pump_off = await mash_tun.pin("pump", lambda level: level == 0)
    began = await mash_tun.temperature()
    setpoint = await mash_tun.aim_above(began)
    await mash_tun.mode("Heat")
    heating = await mash_tun.pin("heater", lambda level: level > 0)
    await mash_tun.shows(mash_tun.thermostat, "Heating")
    # The probe lags behind the element: the lowest that was seen is where the rise begins.
    lowest = newest = await mash_tun.temperature()
    deadline = time.monotonic() + PATIENCE
    while newest - lowest < RISE_K and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        newest = await mash_tun.temperature()
        lowest = min(lowest, newest)
    await mash_tun.mode("Off")
    heat_off = await mash_tun.pin("heater", lambda level: level == 0)
    return Driven(pump_on, pump_off, setpoint, heating, round(newest - lowest, 2), heat_off)


def _level(pin: Path, wanted: Callable[[float], bool]) -> bool:
    level = read_level(pin)
    return level is not None and wanted(level)


async def _until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True
