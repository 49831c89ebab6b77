"""The bridge hears from the real integration who leads, with its own read-only user."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from homeassistant.setup import async_setup_component

from custom_components.smart_beer.bridge import async_create_bridge_token
from storage_bridge.ha_client import HomeAssistantClient
from storage_bridge.site_leader import SiteLeader
from tests.contract.brewery import set_up
from tests.smart_beer.brewery import eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from homeassistant.core import HomeAssistant
    from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

    from tests.contract.conftest import Simulation

    type Simulate = Callable[..., Awaitable[Simulation]]


@pytest.mark.slow
async def test_the_bridge_of_the_only_server_leads(
    hass: HomeAssistant, simulate: Simulate, hass_client_no_auth: ClientSessionGenerator
) -> None:
    leader = SiteLeader()
    worked: list[bool] = []
    entry = await set_up(hass, await simulate())
    assert await async_setup_component(hass, "config", {})
    http = await hass_client_no_auth()
    url = str(http.make_url("/api/websocket").with_scheme("ws"))
    token = await async_create_bridge_token(hass)
    async with HomeAssistantClient(http.session, url, token) as client:
        task = asyncio.create_task(leader.follow(client, lambda: worked.append(True)))
        await eventually(lambda: bool(worked) or task.done(), "it listens")
        await eventually(lambda: leader.leads or task.done(), "this server leads")
        assert not task.done(), task
        assert not leader.elsewhere
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert entry.runtime_data.led_first is not None
