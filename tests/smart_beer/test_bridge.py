"""The bridge's user, its token, and its registration."""

from datetime import timedelta
from typing import Any

import pytest
from aiohttp import WSMsgType
from homeassistant.auth.const import GROUP_ID_READ_ONLY
from homeassistant.components.websocket_api.const import DATA_CONNECTIONS
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.smart_beer import websocket_api
from custom_components.smart_beer.bridge import (
    BRIDGE,
    BRIDGE_USER_NAME,
    BridgeRegistration,
    async_create_bridge_token,
    async_remove_bridge_user,
)
from tests.smart_beer.brewery import eventually
from tests.smart_beer.bridge_client import BridgeClient

REGISTRATION = {"url": "http://127.0.0.1:8555", "secret": "s3cret", "version": "0.1.0"}


@pytest.fixture(autouse=True)
async def commands(hass: HomeAssistant, socket_enabled: None) -> None:
    assert await async_setup_component(hass, "websocket_api", {})
    await websocket_api.async_setup(hass)


async def test_the_token_is_that_of_a_local_system_user_who_may_only_read(
    hass: HomeAssistant,
) -> None:
    token = await async_create_bridge_token(hass)
    refresh_token = hass.auth.async_validate_access_token(token)
    assert refresh_token is not None
    user = refresh_token.user
    assert (user.name, user.system_generated, user.local_only) == (BRIDGE_USER_NAME, True, True)
    assert [group.id for group in user.groups] == [GROUP_ID_READ_ONLY]
    assert not user.is_admin
    assert refresh_token.access_token_expiration >= timedelta(days=365)
    assert refresh_token.expire_at is None


async def test_the_token_is_still_good_years_later(hass: HomeAssistant, freezer: Any) -> None:
    token = await async_create_bridge_token(hass)
    freezer.move_to(dt_util.utcnow() + timedelta(days=8 * 365))
    assert hass.auth.async_validate_access_token(token) is not None


# aiohttp's server leaves the heartbeat of a connection that it closed itself.
@pytest.mark.parametrize("expected_lingering_timers", [True])
async def test_a_new_token_replaces_the_old_one_and_there_is_one_user(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator
) -> None:
    old = await async_create_bridge_token(hass)
    socket = await hass_ws_client(hass, old)
    new = await async_create_bridge_token(hass)
    assert hass.auth.async_validate_access_token(old) is None
    assert hass.auth.async_validate_access_token(new) is not None
    assert (await socket.receive()).type is WSMsgType.CLOSE
    users = [user for user in await hass.auth.async_get_users() if user.name == BRIDGE_USER_NAME]
    assert len(users) == 1
    assert len(users[0].refresh_tokens) == 1


async def test_a_person_of_the_same_name_is_not_taken_for_the_bridge(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator
) -> None:
    person = await hass.auth.async_create_user(BRIDGE_USER_NAME, group_ids=[GROUP_ID_READ_ONLY])
    person.is_owner = False
    refresh_token = await hass.auth.async_create_refresh_token(person, "http://localhost")
    client = BridgeClient(
        await hass_ws_client(hass, hass.auth.async_create_access_token(refresh_token))
    )
    reply = await client.call("smart_beer/bridge/register", **REGISTRATION)
    assert reply["error"]["code"] == "unauthorized"
    before = len(await hass.auth.async_get_users())
    token = await async_create_bridge_token(hass)
    assert len(await hass.auth.async_get_users()) == before + 1
    await async_remove_bridge_user(hass)
    assert hass.auth.async_validate_access_token(token) is None
    assert person in await hass.auth.async_get_users()
    assert len(await hass.auth.async_get_users()) == before


async def test_the_bridge_registers_until_its_connection_closes(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator
) -> None:
    token = await async_create_bridge_token(hass)
    assert hass.data[BRIDGE] is None
    bridge = BridgeClient(await hass_ws_client(hass, token))
    reply = await bridge.call("smart_beer/bridge/register", **REGISTRATION)
    assert reply["result"] == {}
    assert hass.data[BRIDGE] == BridgeRegistration(**REGISTRATION)
    await bridge._socket.close()
    await eventually(lambda: hass.data[BRIDGE] is None, "its end is noticed")


async def test_the_newest_registration_wins_and_an_older_ones_end_does_not_matter(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator
) -> None:
    token = await async_create_bridge_token(hass)
    first = BridgeClient(await hass_ws_client(hass, token))
    await first.call("smart_beer/bridge/register", **REGISTRATION)
    second = BridgeClient(await hass_ws_client(hass, token))
    await second.call("smart_beer/bridge/register", **REGISTRATION | {"secret": "other"})
    await first._socket.close()
    await eventually(lambda: hass.data[DATA_CONNECTIONS] == 1, "its end is noticed")
    registration = hass.data[BRIDGE]
    assert registration is not None
    assert registration.secret == "other"


async def test_people_cannot_register_a_bridge_but_an_admin_can(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, hass_read_only_access_token: str
) -> None:
    person = BridgeClient(await hass_ws_client(hass, hass_read_only_access_token))
    reply = await person.call("smart_beer/bridge/register", **REGISTRATION)
    assert reply["error"]["code"] == "unauthorized"
    admin = BridgeClient(await hass_ws_client(hass))
    assert (await admin.call("smart_beer/bridge/register", **REGISTRATION))["success"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://bridge:8555/", "http://bridge:8555"),
        ("https://10.0.0.2/sub/", "https://10.0.0.2/sub"),
        ("http://[::1]:8555", "http://[::1]:8555"),
    ],
)
async def test_addresses_are_kept_without_their_last_slash(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, given: str, kept: str
) -> None:
    admin = BridgeClient(await hass_ws_client(hass))
    await admin.call("smart_beer/bridge/register", **REGISTRATION | {"url": given})
    registration = hass.data[BRIDGE]
    assert registration is not None
    assert registration.url == kept


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://127.0.0.1"},
        {"url": "127.0.0.1:8555"},
        {"url": "http://"},
        {"url": "http://user:pass@127.0.0.1"},
        {"url": "http://127.0.0.1/?next=http://elsewhere"},
        {"url": "http://127.0.0.1/#x"},
        {"url": "http://127.0.0.1:99999999"},
        {"url": 5},
        {"secret": ""},
        {"secret": None},
        {"secret": "no\nheader"},
        {"secret": "x" * 300},
        {"version": "x" * 300},
        {"more": 1},
    ],
)
async def test_a_registration_that_makes_no_sense_is_refused(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, wrong: dict[str, Any]
) -> None:
    admin = BridgeClient(await hass_ws_client(hass))
    reply = await admin.call("smart_beer/bridge/register", **REGISTRATION | wrong)
    assert reply["error"]["code"] == "invalid_format"
    assert hass.data[BRIDGE] is None


def test_the_secret_is_not_shown() -> None:
    assert "s3cret" not in repr(BridgeRegistration(**REGISTRATION))
