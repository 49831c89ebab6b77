"""Pairing a node again that has forgotten us - against a node over TLS."""

from typing import TYPE_CHECKING

import pytest
from homeassistant.config_entries import (
    ConfigFlowResult,
)
from homeassistant.data_entry_flow import FlowResultType

from custom_components.smart_beer.const import DOMAIN
from tests.smart_beer.flow_helpers import (
    NOBODY,
    add_hub,
    node_data,
    node_fixture,  # noqa: F401
    only_node,
    setup_entry_fixture,  # noqa: F401
    shown,
)
from tests.smart_beer.node_server import NodeServer, running_node
from tests.smart_beer.translation_check import check_translations_fixture  # noqa: F401

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant
    from pytest_homeassistant_custom_component.common import MockConfigEntry

pytestmark = pytest.mark.usefixtures("socket_enabled", "setup_entry", "check_translations")


async def start_reauth(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    subentry = only_node(entry)
    entry.async_start_reauth(
        hass,
        context={"title_placeholders": {"name": subentry.title}},
        data={"subentry_id": subentry.subentry_id},
    )
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["step_id"] == "reauth_confirm"
    return await hass.config_entries.flow.async_configure(flow["flow_id"])


async def test_reauth_names_the_node_and_keeps_its_subentry(
    hass: HomeAssistant, node: NodeServer
) -> None:
    entry = add_hub(hass, node_data(node, token="forgotten"))
    subentry_id = only_node(entry).subentry_id
    result = await start_reauth(hass, entry)
    assert result["description_placeholders"] == {"name": "Node mash-a", "node_id": "mash-a"}
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": node.line}
    )
    assert result["type"] is FlowResultType.ABORT
    assert (result["reason"], result["translation_domain"]) == (
        "reauth_successful",
        "homeassistant",
    )
    assert only_node(entry).subentry_id == subentry_id
    assert only_node(entry).data["token"] in node.clients
    assert entry.title == "Brewery"


async def test_reauth_finds_the_node_where_it_was(hass: HomeAssistant, node: NodeServer) -> None:
    entry = add_hub(hass, node_data(node, token="forgotten"))
    result = await start_reauth(hass, entry)
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": node.line_for(NOBODY)}
    )
    assert result["reason"] == "reauth_successful"
    assert only_node(entry).data["port"] == node.port


async def test_reauth_refuses_another_nodes_line(hass: HomeAssistant, node: NodeServer) -> None:
    entry = add_hub(hass, node_data(node, token="forgotten"))
    result = await start_reauth(hass, entry)
    async with running_node("mash-b", "Mash tun B") as other:
        result = await hass.config_entries.flow.async_configure(
            result["flow_id"], {"pairing_line": other.line}
        )
        assert other.code is not None
    assert result["errors"] == {"pairing_line": "wrong_node"}
    assert shown(result)["found"] == "mash-b"
    assert only_node(entry).data["token"] == "forgotten"
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": node.line}
    )
    assert result["reason"] == "reauth_successful"


async def test_reauth_of_a_node_that_is_gone_ends(hass: HomeAssistant, node: NodeServer) -> None:
    entry = add_hub(hass, node_data(node))
    result = await start_reauth(hass, entry)
    hass.config_entries.async_remove_subentry(entry, only_node(entry).subentry_id)
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": node.line}
    )
    assert result["reason"] == "node_removed"
    result = await entry.start_reauth_flow(hass, data={"subentry_id": "gone"})
    assert result["reason"] == "node_removed"
