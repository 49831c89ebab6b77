"""The command path: real node processes led by the real integration in Home Assistant."""

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from custom_components.smart_beer.exceptions import NodeResponseError
from custom_components.smart_beer.safe_stop import async_safe
from tests.contract.brewery import (
    FIRST,
    KETTLE,
    client_of,
    heat,
    holder,
    kettle_of,
    leadership_of,
    leading,
    set_up,
    shown,
)
from tests.contract.conftest import SERVER_ID
from tests.contract.proxy import network
from tests.contract.rival import RIVAL, Rival, contending
from tests.smart_beer.brewery import eventually, node_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import aiohttp
    from homeassistant.core import HomeAssistant

    from custom_components.smart_beer.client import SmartBeerClient
    from tests.contract.conftest import Simulation

    type Simulate = Callable[..., Awaitable[Simulation]]

# A node that starts grants nothing for ten seconds.
pytestmark = [pytest.mark.slow, pytest.mark.real_time, pytest.mark.timeout(400)]

RELEASED_S = 6  # a lease that is not given back runs on for at least seven


async def no_holder(client: SmartBeerClient) -> float:
    """Wait until the node obeys nobody; how many seconds that took."""
    begun = time.monotonic()
    async with asyncio.timeout(30):
        while await holder(client) is not None:
            await asyncio.sleep(0.05)
    return time.monotonic() - begun


async def test_a_leader_switches_pins_survives_a_reload_and_releases_when_it_stops(
    hass: HomeAssistant, simulate: Simulate, session: aiohttp.ClientSession
) -> None:
    simulation = await simulate()
    entry = await set_up(hass, simulation)
    await leading(entry)
    client = client_of(session, simulation)
    assert await holder(client) == SERVER_ID

    # What is switched is seen at the pin, and what the node says of it in Home Assistant.
    node = node_of(entry, FIRST)
    assert (await node.commands.output("pump", on=True)).actual == 100
    assert simulation.level("pump") == 100
    await shown(entry, "pump", on=True)
    await node.commands.output("pump", on=False)
    assert simulation.level("pump") == 0
    await shown(entry, "pump", on=False)

    # A reload interrupts nothing.
    await heat(node)
    assert simulation.level("heater") > 0
    epoch = leadership_of(entry).epoch
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert leadership_of(entry).leads
    await leading(entry)
    assert leadership_of(entry).epoch == epoch
    assert simulation.level("heater") > 0
    await shown(entry, "heater", on=True)

    # Switched off by the node itself, which then says why: shown within a second or so.
    await node_of(entry, FIRST).commands.output("pump", on=True, max_on_s=1)
    await shown(entry, "pump", on=True)
    await shown(entry, "pump", on=False)

    # Disabled: released at once, not after ten seconds.
    assert await hass.config_entries.async_set_disabled_by(entry.entry_id, ConfigEntryDisabler.USER)
    took = await no_holder(client)
    print(f"\nreleased {took:.2f} s after the entry was disabled")  # noqa: T201  what was measured
    assert took < RELEASED_S
    assert simulation.level("heater") == 0

    await hass.config_entries.async_set_disabled_by(entry.entry_id, None)
    await leading(entry)
    assert leadership_of(entry).epoch > epoch
    assert simulation.level("heater") == 0, "nothing is switched on again by itself"
    await heat(node_of(entry, FIRST))
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    took = await no_holder(client)
    print(f"released {took:.2f} s after Home Assistant began to stop")  # noqa: T201  what was measured
    assert took < RELEASED_S
    await eventually(lambda: simulation.level("heater") == 0)


async def test_a_removed_brewery_releases_before_its_token_ends(
    hass: HomeAssistant, simulate: Simulate
) -> None:
    simulation = await simulate()
    entry = await set_up(hass, simulation)
    await leading(entry)
    await heat(node_of(entry, FIRST))
    assert simulation.level("heater") > 0
    begun = time.monotonic()
    await hass.config_entries.async_remove(entry.entry_id)
    await eventually(lambda: simulation.level("heater") == 0)
    took = time.monotonic() - begun
    assert took < RELEASED_S, "the lease ran out, it was not given back"


@pytest.mark.parametrize("nodes", [2, 3])
async def test_a_kettle_of_several_nodes_is_led_and_each_gets_the_reference(
    hass: HomeAssistant, simulate: Simulate, session: aiohttp.ClientSession, nodes: int
) -> None:
    simulation = await simulate(nodes=nodes)
    entry = await set_up(hass, simulation)
    await leading(entry, nodes=nodes)
    clients = [client_of(session, simulation, index) for index in range(nodes)]
    assert {await holder(client) for client in clients} == {SERVER_ID}
    await eventually(lambda: kettle_of(entry).data.leading)
    assert kettle_of(entry).data.leader == SERVER_ID

    node = node_of(entry, FIRST)
    await heat(node)
    assert simulation.level("heater") > 0
    if nodes == 2:
        return
    # Its own probe gone, the node goes on with what the other two say: they came as a reference.
    simulation.inject({f"{FIRST}/temperature": "missing"})
    await eventually(lambda: (one := node.reading("temperature")) and one.value is None)
    await asyncio.sleep(3)
    assert simulation.level("heater") > 0
    # With one good probe left a reference is none, and nothing is known of the kettle.
    simulation.inject({f"mash-tun-{n}/temperature": "missing" for n in (1, 2, 3)})
    await shown(entry, "heater", on=False)
    assert simulation.level("heater") == 0


async def test_off_passes_a_command_that_is_stuck(
    hass: HomeAssistant,
    simulate: Simulate,
    session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulation = await simulate()
    async with network(int(simulation.nodes[0]["url"].rpartition(":")[2])) as between:
        monkeypatch.setitem(simulation.nodes[0], "url", f"https://127.0.0.1:{between.port}")
        entry = await set_up(hass, simulation)
        await leading(entry)
        node = node_of(entry, FIRST)
        await heat(node)
        assert simulation.level("heater") > 0

        between.hang()
        stuck = asyncio.create_task(node.commands.output("pump", on=True))
        waiting = asyncio.create_task(node.commands.output("heater", power=50))
        await asyncio.sleep(0)
        begun = time.monotonic()
        answer = await node.commands.output("heater", on=False)
        took = time.monotonic() - begun
        print(f"\nOFF took {took * 1000:.0f} ms past a stuck command")  # noqa: T201  what was measured
        assert answer.actual == 0
        assert simulation.level("heater") == 0
        assert not stuck.done()
        with pytest.raises(HomeAssistantError) as dropped:
            await waiting
        assert dropped.value.translation_key == "superseded"
        with pytest.raises(HomeAssistantError) as late:
            await stuck
        assert late.value.translation_key == "node_unreachable"
        assert simulation.level("heater") == 0


async def test_a_node_that_restarts_is_taken_again_and_old_commands_are_refused(
    hass: HomeAssistant,
    simulate: Simulate,
    session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulation = await simulate()
    entry = await set_up(hass, simulation)
    await leading(entry)
    node = node_of(entry, FIRST)
    sent: list[tuple[str, str, Mapping[str, Any]]] = []
    send = node.client.command

    async def noted(method: str, path: str, body: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        sent.append((method, path, body))
        return await send(method, path, body, **more)

    monkeypatch.setattr(node.client, "command", noted)
    await heat(node)
    epoch = leadership_of(entry).epoch
    os.kill(simulation.nodes[0]["pid"], signal.SIGKILL)
    await eventually(lambda: not leadership_of(entry).leads, "lost")
    with pytest.raises(ServiceValidationError) as refused:
        await node.commands.output("heater", on=True)
    assert refused.value.translation_key == "no_leader"
    await leading(entry)
    assert leadership_of(entry).epoch > epoch
    await shown(entry, "heater", on=False)
    client = client_of(session, simulation)
    for method, path, body in sent:
        with pytest.raises(NodeResponseError) as old:
            await client.command(method, path, body, limit=10)
        assert old.value.code == "wrong_boot"
    assert simulation.level("heater") == simulation.level("pump") == 0
    await heat(node)
    await shown(entry, "heater", on=True)


async def test_a_follower_is_told_who_leads_and_can_stop_the_heat_all_the_same(
    hass: HomeAssistant, simulate: Simulate, session: aiohttp.ClientSession
) -> None:
    simulation = await simulate()
    client = client_of(session, simulation)
    rival = Rival(KETTLE, {FIRST: client})
    async with contending(rival):
        await eventually(lambda: rival.leads, "the rival leads", limit=60)
        entry = await set_up(hass, simulation)
        await eventually(lambda: KETTLE in entry.runtime_data.kettles)
        kettle = kettle_of(entry)
        await eventually(lambda: kettle.data.leader == RIVAL)
        assert not kettle.data.leading
        node = node_of(entry, FIRST)
        for call in (
            node.commands.output("heater", on=True),
            node.commands.output("heater", on=False),
            node.commands.batch(KETTLE, "B001"),
        ):
            with pytest.raises(ServiceValidationError) as refused:
                await call
            assert refused.value.translation_key == "not_leader"
            placeholders = refused.value.translation_placeholders
            assert placeholders is not None
            assert placeholders["leader"] == RIVAL

        assert await async_safe(kettle.nodes, KETTLE) == {FIRST: None}
        await eventually(lambda: kettle.data.latches, "latched")
        assert [latch.latch for _, latch in kettle.data.latches] == ["safe"]
    await rival.release()

    # Now the other way round: the rival is refused while this server leads.
    await leading(entry)
    answer = await rival.acquire(FIRST)
    assert (answer["status"], answer["error"]["code"]) == (409, "held")
    assert answer["error"]["detail"]["holder"] == SERVER_ID
    with pytest.raises(ServiceValidationError) as latched:
        await node.commands.output("heater", on=True)
    assert latched.value.translation_key == "latched"
    await node.commands.clear(KETTLE, "safe")
    assert not kettle.data.latches
    await heat(node)
    await shown(entry, "heater", on=True)
    await node.commands.batch(KETTLE, "B001")
    assert kettle.data.batch == "B001"
    await node.commands.batch(KETTLE, None)
    assert kettle.data.batch is None
