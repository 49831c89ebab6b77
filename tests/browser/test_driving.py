"""The mash tun is driven from the dashboard, and the node's pins follow."""

from typing import TYPE_CHECKING

from scripts.demo_brewery.driving import MashTun, drive

if TYPE_CHECKING:
    from scripts.demo_brewery.brewery import Brewery

    from .card import Screen


async def test_a_tap_switches_the_pump_and_a_dial_heats(desk: Screen, brewery: Brewery) -> None:
    await desk.go("/smart-beer/brewery")
    driven = await drive(MashTun(brewery, desk.tab))
    assert driven.ok, driven


async def test_safe_stop_is_one_tap_and_says_that_it_latched(
    desk: Screen, brewery: Brewery
) -> None:
    await desk.go("/smart-beer/brewery")
    mash_tun = MashTun(brewery, desk.tab)
    await mash_tun.ready()
    await mash_tun.aim_above(await mash_tun.temperature())
    await mash_tun.mode("Heat")
    assert await mash_tun.pin("heater", lambda level: level > 0)
    await mash_tun.tile("Safe stop").click()
    assert await mash_tun.pin("heater", lambda level: level == 0)
    await mash_tun.shows(mash_tun.tile("Problem"), "Safe stop")
    await mash_tun.shows(mash_tun.thermostat, "Off")
    # Heat is refused while it is latched, and the screen says why in words.
    await mash_tun.mode("Heat")
    await desk.tab.get_by_text("stays off, because").first.wait_for()
    await mash_tun.tile("Clear latches").click()
    await mash_tun.tile("Clear latches").wait_for(state="detached")
