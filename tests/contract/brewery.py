"""The integration set up with real nodes, what they say, and what the brewer would do."""

import asyncio
from typing import TYPE_CHECKING, Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.exceptions import ServiceValidationError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.smart_beer.client import SmartBeerClient
from custom_components.smart_beer.const import DOMAIN, HUB_ID
from tests.smart_beer.brewery import eventually, node_of

if TYPE_CHECKING:
    import aiohttp
    from homeassistant.core import HomeAssistant

    from custom_components.smart_beer.coordinator import NodeCoordinator
    from custom_components.smart_beer.kettle import KettleCoordinator
    from custom_components.smart_beer.leadership import KettleLeadership
    from custom_components.smart_beer.models import ActuatorState
    from tests.contract.conftest import Simulation

KETTLE = "mash-tun"
FIRST = "mash-tun-1"


async def set_up(hass: HomeAssistant, simulation: Simulation) -> MockConfigEntry:
    """The brewery with the nodes of a simulation, set up; no node is waited for."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Brewery",
        unique_id=HUB_ID,
        data={"client_id": "c" * 32},
        subentries_data=simulation.subentries(),
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    return entry


def client_of(
    session: aiohttp.ClientSession, simulation: Simulation, index: int = 0, **changes: Any
) -> SmartBeerClient:
    """A client of a node as of another machine; `changes`: another token, another port."""
    data = {**simulation.subentries()[index]["data"], **changes}
    data.pop("node_id")
    return SmartBeerClient(session, **data)


def kettle_of(entry: MockConfigEntry) -> KettleCoordinator:
    """The kettle's coordinator; it is there once a node has told of it."""
    kettle: KettleCoordinator = entry.runtime_data.kettles[KETTLE]
    return kettle


def leadership_of(entry: MockConfigEntry) -> KettleLeadership:
    """The kettle's leadership."""
    leadership = kettle_of(entry).leadership
    assert leadership is not None
    return leadership


async def leading(entry: MockConfigEntry, *, nodes: int = 1, may_energise: bool = True) -> None:
    """Wait until this server leads with so many nodes held; a node's quarantine is ten seconds."""
    await eventually(lambda: KETTLE in entry.runtime_data.kettles, "kettle known")
    leadership = leadership_of(entry)
    await eventually(
        lambda: (
            len(leadership.held) >= nodes
            and leadership.leads
            and leadership.may_energise >= may_energise
        ),
        f"leading with {nodes} nodes",
        limit=60,
    )


def output(entry: MockConfigEntry, actuator_id: str, node_id: str = FIRST) -> ActuatorState | None:
    """What Home Assistant knows of an output."""
    state = node_of(entry, node_id).data.state
    return None if state is None else state.actuators.get(actuator_id)


async def shown(entry: MockConfigEntry, actuator_id: str, *, on: bool) -> None:
    """Wait until Home Assistant knows the output to be on, or off."""
    await eventually(
        lambda: (one := output(entry, actuator_id)) is not None and (one.actual > 0) == on,
        f"{actuator_id} {'on' if on else 'off'}",
    )


async def heat(node: NodeCoordinator) -> None:
    """Switch the pump on, which the heater needs, and then the heater.

    A reading that came late on a busy machine is no temperature to heat by: it is tried again.
    """
    await node.commands.output("pump", on=True)
    async with asyncio.timeout(30):
        while True:
            try:
                await node.commands.output("heater", on=True)
            except ServiceValidationError as err:
                if err.translation_key != "limited_process_value":
                    raise
                await asyncio.sleep(0.5)
            else:
                return


async def holder(client: SmartBeerClient) -> str | None:
    """Whom the node itself says that the kettle obeys."""
    reply = await client.lease("status", KETTLE, None, limit=10)
    found: str | None = reply["holder"]
    return found
