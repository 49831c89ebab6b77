"""Connecting a storage bridge from the options of the brewery."""

from typing import Any

import pytest
from homeassistant.auth.const import GROUP_ID_READ_ONLY
from homeassistant.components.http import ApiConfig
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.core_config import async_process_ha_core_config
from homeassistant.data_entry_flow import FlowResultType

from custom_components.smart_beer.options_flow import websocket_url
from tests.smart_beer.flow_helpers import (
    add_hub,
    setup_entry_fixture,  # noqa: F401
    shown,
)
from tests.smart_beer.translation_check import check_translations_fixture  # noqa: F401

pytestmark = pytest.mark.usefixtures("setup_entry", "check_translations")


async def configure(
    hass: HomeAssistant, result: ConfigFlowResult, user_input: dict[str, Any]
) -> ConfigFlowResult:
    return await hass.config_entries.options.async_configure(result["flow_id"], user_input)


async def to_token(hass: HomeAssistant, entry_id: str) -> ConfigFlowResult:
    result = await hass.config_entries.options.async_init(entry_id)
    assert result["type"] is FlowResultType.MENU
    assert result["menu_options"] == ["storage_bridge"]
    result = await configure(hass, result, {"next_step_id": "storage_bridge"})
    assert result["step_id"] == "storage_bridge"
    result = await configure(hass, result, {})
    assert result["step_id"] == "bridge_token"
    return result


async def test_a_bridge_gets_a_token_that_works_and_the_command_to_run(
    hass: HomeAssistant,
) -> None:
    await async_process_ha_core_config(hass, {"internal_url": "http://192.168.1.5:8123"})
    entry = add_hub(hass)
    result = await to_token(hass, entry.entry_id)
    placeholders = shown(result)
    assert placeholders["url"] == "ws://192.168.1.5:8123/api/websocket"
    assert placeholders["command"].startswith(
        "smart-beer-bridge init --home-assistant ws://192.168.1.5:8123/api/websocket"
        " --token-file - "
    )
    assert placeholders["token"] not in placeholders["command"]
    refresh_token = hass.auth.async_validate_access_token(placeholders["token"])
    assert refresh_token is not None
    user = refresh_token.user
    assert [group.id for group in user.groups] == [GROUP_ID_READ_ONLY]
    assert (user.system_generated, user.local_only) == (True, True)
    result = await configure(hass, result, {})
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_nothing_secret_is_kept_in_the_options(hass: HomeAssistant) -> None:
    entry = add_hub(hass)
    hass.config_entries.async_update_entry(entry, options={"kept": True})
    await configure(hass, await to_token(hass, entry.entry_id), {})
    assert entry.options == {"kept": True}
    assert entry.data == {"client_id": "c" * 32}


async def test_looking_at_the_step_does_not_take_the_token_of_the_bridge_that_runs(
    hass: HomeAssistant,
) -> None:
    entry = add_hub(hass)
    token = shown(await to_token(hass, entry.entry_id))["token"]
    result = await hass.config_entries.options.async_init(entry.entry_id)
    await configure(hass, result, {"next_step_id": "storage_bridge"})
    assert hass.auth.async_validate_access_token(token) is not None
    await to_token(hass, entry.entry_id)
    assert hass.auth.async_validate_access_token(token) is None


async def test_an_encrypted_home_assistant_has_an_encrypted_websocket(
    hass: HomeAssistant,
) -> None:
    await async_process_ha_core_config(hass, {"internal_url": "https://brewery.local"})
    assert websocket_url(hass) == "wss://brewery.local/api/websocket"


async def test_without_a_known_address_the_bridge_is_on_this_machine(hass: HomeAssistant) -> None:
    assert websocket_url(hass) == "ws://127.0.0.1:8123/api/websocket"
    # With TLS an address that is a number is no use to others, and none else is known.
    hass.config.api = ApiConfig("127.0.0.1", "127.0.0.1", 8124, use_ssl=True)
    assert websocket_url(hass) == "wss://127.0.0.1:8124/api/websocket"
