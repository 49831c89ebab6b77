"""What every test of the integration needs."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from unittest.mock import PropertyMock, patch

import pytest
from homeassistant.setup import async_setup_component

from custom_components.smart_beer import coordinator as module
from custom_components.smart_beer import leaderships, node_commands, websocket_api
from custom_components.smart_beer.bridge import (
    BRIDGE,
    BridgeRegistration,
    async_create_bridge_token,
)
from custom_components.smart_beer.spool_reader import SpoolReader
from custom_components.smart_beer.websocket_bridge import HUB
from tests.smart_beer.bridge_client import BridgeClient
from tests.smart_beer.bridge_server import BridgeServer, running_bridge
from tests.smart_beer.edge_stub import EdgeStub, running_stub
from tests.smart_beer.output_stub import OutputStub, running_outputs
from tests.smart_beer.spool import FakeNode, MakeNode, Meet, Spool, load_brewery, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from homeassistant.core import HomeAssistant
    from pytest_homeassistant_custom_component.typing import WebSocketGenerator

SERVER_ID = "server-a"


@pytest.fixture(autouse=True)
def load_custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load the integration of this repository."""


@pytest.fixture(autouse=True)
def server_id(monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of this server, kept in no file."""
    monkeypatch.setattr(leaderships, "load_server_id", lambda _config_dir: SERVER_ID)
    return SERVER_ID


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes answer from this very loop: an answer is late only where the machine stood still."""
    monkeypatch.setattr(node_commands, "LIMIT_S", 30.0)


@pytest.fixture
def entity_registry_enabled_by_default() -> Iterator[None]:
    """Entities that are off by default are on."""
    with patch(
        "homeassistant.helpers.entity.Entity.entity_registry_enabled_default",
        PropertyMock(return_value=True),
    ):
        yield


@pytest.fixture
async def stub(socket_enabled: None) -> AsyncIterator[EdgeStub]:
    """A node `mash-a` that speaks the whole contract, on TLS, a token of it already given out."""
    async with running_stub() as server:
        yield server


@pytest.fixture
async def second(socket_enabled: None) -> AsyncIterator[EdgeStub]:
    """A second node of the same kettle."""
    async with running_stub(node_id="mash-b") as server:
        yield server


@pytest.fixture
async def heated(socket_enabled: None) -> AsyncIterator[OutputStub]:
    """A node `mash-a` with a heater and a pump, which gives its lease to whoever asks."""
    async with running_outputs() as server:
        yield server


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a tenth: what is tested is that they are taken, not how long they are."""
    monkeypatch.setattr(module, "CHECK_S", 0.05)
    monkeypatch.setattr(module, "EMPTY_PAUSE_S", 0.05)
    monkeypatch.setattr(module, "PROBLEM_WAIT_S", 0.1)
    monkeypatch.setattr(module, "REFRESH_CLOCKLESS_S", 0.2)
    monkeypatch.setattr(module, "WAKE_FLOOR_S", 0.05)
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.1)


@pytest.fixture(name="make_node")
async def make_node_fixture(socket_enabled: None) -> AsyncIterator[MakeNode]:
    """Makes nodes whose spools are really served, until the test ends."""
    async with AsyncExitStack() as stack:

        async def make_node(node_id: str = "mash-a", ticks: int = 0) -> FakeNode:
            spool = Spool(node_id)
            spool.tick(ticks)
            return FakeNode(spool, await stack.enter_async_context(serving(spool)))

        yield make_node


@pytest.fixture(name="connect")
async def connect_fixture(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, socket_enabled: None
) -> Callable[[], Any]:
    """Connects bridges, each as the bridge's own user."""

    async def connect() -> BridgeClient:
        if HUB not in hass.data:
            assert await async_setup_component(hass, "websocket_api", {})
            await websocket_api.async_setup(hass)
            hass.data[HUB].reader = SpoolReader(node_interval=0, interval=0)
            connect.token = await async_create_bridge_token(hass)  # type: ignore[attr-defined]
        token: str = connect.token  # type: ignore[attr-defined]
        return BridgeClient(await hass_ws_client(hass, token))

    return connect


@pytest.fixture(name="meet")
def meet_fixture(hass: HomeAssistant, make_node: MakeNode, connect: Any) -> Meet:
    """Loads a brewery of one node, whose samples so far are in no memory; connects a bridge."""

    async def meet(ticks: int = 0) -> tuple[FakeNode, BridgeClient]:
        node = await make_node(ticks=ticks)
        node.poll()
        load_brewery(hass, node)
        return node, await connect()

    return meet


@pytest.fixture(name="bridge")
async def bridge_fixture(hass: HomeAssistant, socket_enabled: None) -> AsyncIterator[BridgeServer]:
    """A bridge that is registered."""
    assert await async_setup_component(hass, "websocket_api", {})
    await websocket_api.async_setup(hass)
    async with running_bridge() as server:
        hass.data[BRIDGE] = BridgeRegistration(**server.registration)
        yield server


@pytest.fixture
async def nobody_access_token(hass: HomeAssistant) -> str:
    """The token of a user who may read nothing."""
    nobody = await hass.auth.async_create_user("nobody", group_ids=[])
    nobody.is_owner = False
    refresh_token = await hass.auth.async_create_refresh_token(nobody, "http://localhost")
    return hass.auth.async_create_access_token(refresh_token)


@pytest.fixture(name="card")
async def card_fixture(
    hass: HomeAssistant,
    bridge: BridgeServer,
    hass_ws_client: WebSocketGenerator,
    hass_read_only_access_token: str,
) -> BridgeClient:
    """The websocket of a person who may read."""
    return BridgeClient(await hass_ws_client(hass, hass_read_only_access_token))
