"""The main flow: creating and renaming the brewery - against a node over TLS."""

from typing import TYPE_CHECKING
from unittest.mock import AsyncMock

import pytest
from homeassistant.config_entries import (
    SOURCE_USER,
)
from homeassistant.data_entry_flow import FlowResultType

from custom_components.smart_beer.const import DOMAIN, HUB_ID
from tests.smart_beer.flow_helpers import (
    NOBODY,
    add_hub,
    announce,
    announcement,
    node_fixture,  # noqa: F401
    only_node,
    setup_entry_fixture,  # noqa: F401
    start_user,
)
from tests.smart_beer.node_server import NodeServer
from tests.smart_beer.translation_check import check_translations_fixture  # noqa: F401

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

pytestmark = pytest.mark.usefixtures("socket_enabled", "setup_entry", "check_translations")


async def test_a_brewery_can_begin_empty(hass: HomeAssistant) -> None:
    result = await start_user(hass)
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Brewery"
    assert result["result"].unique_id == HUB_ID
    assert len(result["data"]["client_id"]) == 32
    assert not result["result"].subentries


async def test_a_brewery_can_begin_with_its_first_node(
    hass: HomeAssistant, node: NodeServer
) -> None:
    hass.config.location_name = "Casa"
    result = await start_user(hass)
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": f"  {node.line}\n"}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    entry = result["result"]
    subentry = only_node(entry)
    assert (subentry.subentry_type, subentry.unique_id, subentry.title) == (
        "node",
        "mash-a",
        "Mash tun A",
    )
    ((token, client),) = node.clients.items()
    assert subentry.data == {
        "host": node.host,
        "port": node.port,
        "token": token,
        "fingerprint": node.fingerprint,
        "node_id": "mash-a",
    }
    assert client["client_id"] == entry.data["client_id"]
    assert (client["client_name"], client["scope"]) == ("Casa", "control")


async def test_there_is_one_brewery(hass: HomeAssistant) -> None:
    add_hub(hass)
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"


async def test_a_pending_discovery_does_not_block_the_user(
    hass: HomeAssistant, node: NodeServer
) -> None:
    discovered = await announce(hass, announcement(node))
    result = await start_user(hass)
    await hass.config_entries.flow.async_configure(result["flow_id"], {"pairing_line": node.line})
    in_progress = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert discovered["flow_id"] not in [flow["flow_id"] for flow in in_progress]


async def test_the_typed_address_replaces_that_of_the_line(
    hass: HomeAssistant, node: NodeServer
) -> None:
    result = await start_user(hass)
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"],
        {
            "pairing_line": node.line_for("mash-a.invalid:8443"),
            "host": node.host,
            "port": node.port,
        },
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert only_node(result["result"]).data["host"] == node.host


async def test_a_typed_address_may_carry_its_port(hass: HomeAssistant, node: NodeServer) -> None:
    result = await start_user(hass)
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"],
        {
            "pairing_line": node.line_for("mash-a.invalid:8443"),
            "host": f"[{node.host}]:{node.port}",
        },
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    data = only_node(result["result"]).data
    assert (data["host"], data["port"]) == (node.host, node.port)


@pytest.mark.parametrize(
    ("break_it", "field", "error"),
    [
        ("not a line", "pairing_line", "invalid_pairing_line"),
        ("host", "host", "invalid_host"),
        ("nobody", "base", "cannot_connect"),
        ("other certificate", "base", "fingerprint_mismatch"),
        ("window closed", "pairing_line", "pairing_refused"),
        ("wrong code", "pairing_line", "pairing_refused"),
        ("too new", "base", "api_too_new"),
        ("too old", "base", "api_too_old"),
        ("broken", "base", "invalid_answer"),
    ],
)
async def test_every_error_can_be_mended_in_the_form(
    hass: HomeAssistant, node: NodeServer, break_it: str, field: str, error: str
) -> None:
    user_input = {"pairing_line": node.line}
    match break_it:
        case "not a line":
            user_input["pairing_line"] = "SB1-no"
        case "host":
            user_input["host"] = "https://mash-a/"
        case "nobody":
            user_input["pairing_line"] = node.line_for(NOBODY)
        case "other certificate":
            user_input["pairing_line"] = (
                f"SB1-{node.host}:{node.port}-{node.fingerprint[32:]}-k7Qm2x"
            )
        case "window closed":
            node.code = None
        case "wrong code":
            user_input["pairing_line"] = node.line_for(f"{node.host}:{node.port}", code="zzzzzz")
        case "too new":
            node.api = 2
        case "too old":
            node.api = 0
        case "broken":
            node.broken = True
    result = await start_user(hass)
    result = await hass.config_entries.flow.async_configure(result["flow_id"], user_input)
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "user"
    assert result["errors"] == {field: error}
    assert node.clients == {}

    node.code, node.api, node.broken = "k7Qm2x", 1, False
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": node.line}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_no_code_leaves_before_the_certificate_is_right(
    hass: HomeAssistant, node: NodeServer
) -> None:
    result = await start_user(hass)
    await hass.config_entries.flow.async_configure(
        result["flow_id"],
        {"pairing_line": f"SB1-{node.host}:{node.port}-{'0' * 32}-k7Qm2x"},
    )
    assert "/v1/pair" not in node.paths


async def test_a_brewery_created_meanwhile_takes_the_node(
    hass: HomeAssistant, node: NodeServer
) -> None:
    async def somebody_else_is_faster() -> None:
        add_hub(hass)

    node.before_paired = somebody_else_is_faster
    result = await start_user(hass)
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": node.line}
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "node_added"
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    assert only_node(entry).data["token"] in node.clients


async def test_the_brewery_can_be_renamed(hass: HomeAssistant, setup_entry: AsyncMock) -> None:
    entry = add_hub(hass)
    result = await entry.start_reconfigure_flow(hass)
    assert result["step_id"] == "reconfigure"
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"name": "Casa Cerveza"}
    )
    assert (result["reason"], entry.title) == ("reconfigure_successful", "Casa Cerveza")
    assert setup_entry.call_count == 0  # renamed, not reloaded
