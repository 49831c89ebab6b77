"""The wire: real node processes against the real integration in Home Assistant."""

import os
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from custom_components.smart_beer.client import pair, probe_identity
from custom_components.smart_beer.exceptions import (
    FingerprintMismatchError,
    NodeAuthError,
    NodeResponseError,
    OtherSpoolError,
    PairingRefusedError,
)
from custom_components.smart_beer.pairing import PairingLine
from tests.contract.brewery import client_of, set_up
from tests.smart_beer.brewery import eventually, kettle_state, node_of, node_state, value_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from homeassistant.core import HomeAssistant

    from tests.contract.conftest import Simulation

    type Simulate = Callable[..., Awaitable[Simulation]]


def seen(hass: HomeAssistant, key: str = "temperature") -> float | None:
    state = kettle_state(hass, key)
    try:
        return float(state.state) if state else None
    except ValueError:
        return None


async def test_every_reply_is_understood(
    session: aiohttp.ClientSession, simulate: Simulate
) -> None:
    simulation = await simulate()
    client = client_of(session, simulation)
    identity, node, state = await client.identity(), await client.node(), await client.state()
    assert identity.node_id == node.node_id == simulation.nodes[0]["node_id"]
    assert identity.fingerprint == simulation.nodes[0]["fingerprint"]
    assert (identity.api, node.api) == (1, 1)
    assert node.version
    assert [kettle.kettle_id for kettle in node.kettles] == ["mash-tun"]
    assert node.kettles[0].group == (node.node_id,)
    (temperature,) = (channel for channel in node.channels if channel.channel_id == "temperature")
    assert (temperature.kind, temperature.role, temperature.unit) == (
        "temperature",
        "process",
        "°C",
    )
    assert node.clock.known
    assert state.health.disk_free
    assert state.batches == {"mash-tun": None}

    polled = await client.samples(after=0, spool_id=node.spool.spool_id, limit=1, wait=20)
    assert polled.series[polled.samples[0][2]].startswith(f"{node.node_id}/")
    after = polled.next
    streamed = []
    async for page in client.stream(after=after, spool_id=node.spool.spool_id):
        streamed.append(page)
        if len(streamed) == 2:
            break
    rows = [row[0] for page in streamed for row in page.samples]
    assert rows == list(range(after + 1, after + 1 + len(rows)))
    assert streamed[0].boot_id == node.boot_id
    with pytest.raises(OtherSpoolError) as caught:
        await client.samples(after=10**9)
    assert caught.value.spool_id == node.spool.spool_id
    with pytest.raises(NodeResponseError) as known:
        await client.set_clock(1_800_000_000_000)
    assert known.value.status == 409


async def test_pairing_and_its_refusals(session: aiohttp.ClientSession, simulate: Simulate) -> None:
    simulation = await simulate()
    line = PairingLine.parse(simulation.nodes[0]["pair"])
    identity = await probe_identity(session, line.host, line.port)
    assert identity.pairing
    wrong = PairingLine(host=line.host, port=line.port, prefix="0" * 32, code=line.code)
    with pytest.raises(FingerprintMismatchError):
        await pair(session, wrong, client_name="Test", client_id="t" * 32)
    wrong = PairingLine(host=line.host, port=line.port, prefix=line.prefix, code="WRONGCODE1")
    with pytest.raises(PairingRefusedError):
        await pair(session, wrong, client_name="Test", client_id="t" * 32)
    paired = await pair(session, line, client_name="Test", client_id="t" * 32)
    client = client_of(session, simulation, token=paired.token)
    assert (await client.node()).node_id == paired.identity.node_id
    await client.unpair()
    with pytest.raises(NodeAuthError):
        await client.node()


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(300)
async def test_three_nodes_give_one_temperature_and_a_bad_probe_is_named(
    hass: HomeAssistant, simulate: Simulate
) -> None:
    simulation = await simulate(nodes=3)
    entry = await set_up(hass, simulation)
    ids = [node["node_id"] for node in simulation.nodes]
    await eventually(lambda: all(node_of(entry, one).connected for one in ids), "connected")

    def attributes() -> Any:
        state = kettle_state(hass, "temperature")
        # While it is unavailable it has neither.
        return {"probes": [], "left_out": {}, **(state.attributes if state else {})}

    await eventually(lambda: len(attributes()["probes"]) == 3, "three probes agree")
    value = seen(hass)
    assert value is not None
    assert 15 < value < 25
    liar = f"{ids[0]}/temperature"
    simulation.inject({liar: "missing"})
    await eventually(lambda: liar in attributes()["left_out"], "the bad probe is left out")
    assert attributes()["left_out"][liar].startswith("bad:")
    assert len(attributes()["probes"]) == 2
    problem = kettle_state(hass, "probe_problem", platform="binary_sensor")
    assert value_of(problem) == "on"
    simulation.inject({})
    await eventually(lambda: len(attributes()["probes"]) == 3, "the probe is back")


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(300)
async def test_a_killed_node_comes_back_with_nothing_missing_in_the_live_minute(
    hass: HomeAssistant, simulate: Simulate
) -> None:
    simulation = await simulate()
    entry = await set_up(hass, simulation)
    node = node_of(entry, simulation.nodes[0]["node_id"])
    rows: list[list[Any]] = []
    node.feed.subscribe(lambda page: rows.extend(page.samples))
    await eventually(lambda: len(rows) >= 3, "samples")
    assert node.info is not None
    boot_id = node.info.boot_id
    os.kill(simulation.nodes[0]["pid"], signal.SIGKILL)
    await eventually(lambda: not node.connected, "the loss is noticed")
    assert value_of(node_state(hass, "connectivity", node.node_id)) == "off"
    node.async_wake()
    await eventually(
        lambda: node.connected and node.info is not None and node.info.boot_id != boot_id,
        "the node is back",
        limit=60,
    )
    count = len(rows)
    await eventually(lambda: len(rows) > count, "samples again")
    seqs = [row[0] for row in rows]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    stamps = [(row[1], row[2]) for row in rows]
    assert len(set(stamps)) == len(stamps)


async def test_removing_a_node_revokes_its_token_on_the_node(
    hass: HomeAssistant, session: aiohttp.ClientSession, simulate: Simulate
) -> None:
    simulation = await simulate()
    entry = await set_up(hass, simulation)
    node = node_of(entry, simulation.nodes[0]["node_id"])
    await eventually(lambda: node.connected)
    client = client_of(session, simulation)
    hass.config_entries.async_remove_subentry(entry, node.subentry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    with pytest.raises(NodeAuthError):
        await client.node()
