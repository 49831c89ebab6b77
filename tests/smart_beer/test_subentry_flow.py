"""Adding a node by hand and reconfiguring one - against a node over TLS."""

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from homeassistant.config_entries import (
    SOURCE_USER,
    SOURCE_ZEROCONF,
    ConfigSubentry,
    SubentryFlowResult,
)
from homeassistant.data_entry_flow import FlowResultType

from custom_components.smart_beer.const import DOMAIN
from tests.smart_beer.flow_helpers import (
    NOBODY,
    add_hub,
    announcement,
    fields,
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


async def start_add(hass: HomeAssistant, entry: MockConfigEntry) -> SubentryFlowResult:
    result = await hass.config_entries.subentries.async_init(
        (entry.entry_id, "node"), context={"source": SOURCE_USER}
    )
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "user"
    assert not result["errors"]
    return result


async def configure(
    hass: HomeAssistant, result: SubentryFlowResult, **user_input: Any
) -> SubentryFlowResult:
    return await hass.config_entries.subentries.async_configure(result["flow_id"], user_input)


async def test_a_pasted_line_adds_the_node(hass: HomeAssistant, node: NodeServer) -> None:
    entry = add_hub(hass)
    result = await configure(hass, await start_add(hass, entry), pairing_line=node.line)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    subentry = only_node(entry)
    assert (subentry.title, subentry.unique_id) == ("Mash tun A", "mash-a")
    ((token, client),) = node.clients.items()
    assert subentry.data == {
        "host": node.host,
        "port": node.port,
        "token": token,
        "fingerprint": node.fingerprint,
        "node_id": "mash-a",
    }
    assert client["client_id"] == "c" * 32


async def test_the_typed_address_replaces_that_of_the_line(
    hass: HomeAssistant, node: NodeServer
) -> None:
    entry = add_hub(hass)
    result = await configure(
        hass,
        await start_add(hass, entry),
        pairing_line=node.line_for("mash-a.invalid:8443"),
        host=node.host,
        port=node.port,
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert only_node(entry).data["host"] == node.host


async def test_adding_by_hand_closes_the_discovery_card_of_that_node_only(
    hass: HomeAssistant, node: NodeServer
) -> None:
    entry = add_hub(hass)
    async with running_node("mash-b", "Mash tun B") as other:
        for server in (node, other):
            await hass.config_entries.flow.async_init(
                DOMAIN, context={"source": SOURCE_ZEROCONF}, data=announcement(server)
            )
    await configure(hass, await start_add(hass, entry), pairing_line=node.line)
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["title_placeholders"] == {"name": "Mash tun B"}


@pytest.mark.parametrize(
    ("break_it", "field", "error"),
    [
        ("not a line", "pairing_line", "invalid_pairing_line"),
        ("host", "host", "invalid_host"),
        ("nobody", "base", "cannot_connect"),
        ("somebody else", "base", "fingerprint_mismatch"),
        ("window closed", "pairing_line", "pairing_refused"),
        ("wrong code", "pairing_line", "pairing_refused"),
        ("have it", "pairing_line", "already_configured"),
        ("too new", "base", "api_too_new"),
        ("too old", "base", "api_too_old"),
        ("broken", "base", "invalid_answer"),
    ],
)
async def test_every_error_can_be_mended_in_the_form(
    hass: HomeAssistant, node: NodeServer, break_it: str, field: str, error: str
) -> None:
    entry = add_hub(hass)
    user_input: dict[str, Any] = {"pairing_line": node.line}
    async with running_node("mash-b", "Mash tun B") as other:
        match break_it:
            case "not a line":
                user_input["pairing_line"] = node.line[:-20]
            case "host":
                user_input["host"] = "mash a"
            case "nobody":
                user_input["pairing_line"] = node.line_for(NOBODY)
            case "somebody else":
                user_input["port"] = other.port
            case "window closed":
                node.code = None
            case "wrong code":
                user_input["pairing_line"] = f"{node.line}9"
            case "have it":
                hass.config_entries.async_add_subentry(
                    entry,
                    ConfigSubentry(
                        data=MappingProxyType(node_data(other)),
                        subentry_type="node",
                        title="Mash tun B",
                        unique_id="mash-b",
                    ),
                )
                user_input["pairing_line"] = other.line
            case "too new":
                node.api = 2
            case "too old":
                node.api = 0
            case "broken":
                node.broken = True
        result = await configure(hass, await start_add(hass, entry), **user_input)
        assert result["type"] is FlowResultType.FORM
        assert result["errors"] == {field: error}
        assert "/v1/pair" not in other.paths
    node.code, node.api, node.broken = "k7Qm2x", 1, False
    result = await configure(hass, result, pairing_line=node.line)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Mash tun A"


async def test_a_node_added_from_its_card_meanwhile_gets_the_newest_pairing(
    hass: HomeAssistant, node: NodeServer
) -> None:
    entry = add_hub(hass)

    async def somebody_else_is_faster() -> None:
        hass.config_entries.async_add_subentry(
            entry,
            ConfigSubentry(
                data=MappingProxyType(node_data(node)),
                subentry_type="node",
                title="Mash tun A",
                unique_id="mash-a",
            ),
        )

    node.before_paired = somebody_else_is_faster
    result = await configure(hass, await start_add(hass, entry), pairing_line=node.line)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    assert only_node(entry).data["token"] != "old-token"


# Reconfigure


async def start_change(hass: HomeAssistant, entry: MockConfigEntry) -> SubentryFlowResult:
    result: SubentryFlowResult = await entry.start_subentry_reconfigure_flow(
        hass, only_node(entry).subentry_id
    )
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "reconfigure"
    assert result["description_placeholders"] == {"name": "Node mash-a"}
    return result


async def test_the_address_can_be_changed(hass: HomeAssistant, node: NodeServer) -> None:
    entry = add_hub(hass, node_data(node, host="192.0.2.7", port=8443))
    result = await start_change(hass, entry)
    assert fields(result) == {"host": "192.0.2.7", "port": 8443, "pairing_line": None}
    result = await configure(hass, result, host=node.host, port=node.port)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    assert only_node(entry).data == node_data(node)
    assert "/v1/pair" not in node.paths


async def test_a_new_line_pairs_the_node_again(hass: HomeAssistant, node: NodeServer) -> None:
    entry = add_hub(hass, node_data(node, token="forgotten", fingerprint="ab" * 32))
    subentry_id = only_node(entry).subentry_id
    result = await configure(
        hass,
        await start_change(hass, entry),
        host=node.host,
        port=node.port,
        pairing_line=node.line,
    )
    assert result["reason"] == "reconfigure_successful"
    subentry = only_node(entry)
    assert subentry.subentry_id == subentry_id
    assert subentry.data["token"] in node.clients
    assert subentry.data["fingerprint"] == node.fingerprint


async def test_a_new_line_helps_where_the_old_address_no_longer_does(
    hass: HomeAssistant, node: NodeServer
) -> None:
    entry = add_hub(hass, node_data(node, host="127.0.0.1", port=1))
    result = await configure(
        hass, await start_change(hass, entry), host="127.0.0.1", port=1, pairing_line=node.line
    )
    assert result["reason"] == "reconfigure_successful"
    assert only_node(entry).data["port"] == node.port


async def test_pairing_again_closes_the_reauthentication(
    hass: HomeAssistant, node: NodeServer
) -> None:
    entry = add_hub(hass, node_data(node, token="forgotten"))
    await entry.start_reauth_flow(hass, data={"subentry_id": only_node(entry).subentry_id})
    assert len(hass.config_entries.flow.async_progress_by_handler(DOMAIN)) == 1
    await configure(
        hass,
        await start_change(hass, entry),
        host=node.host,
        port=node.port,
        pairing_line=node.line,
    )
    assert hass.config_entries.flow.async_progress_by_handler(DOMAIN) == []


@pytest.mark.parametrize(
    ("break_it", "field", "error"),
    [
        ("host", "host", "invalid_host"),
        ("nobody", "base", "cannot_connect"),
        ("somebody else", "base", "fingerprint_mismatch"),
        ("forgotten", "base", "invalid_auth"),
        ("too new", "base", "api_too_new"),
        ("too old", "base", "api_too_old"),
        ("broken", "base", "invalid_answer"),
        ("not a line", "pairing_line", "invalid_pairing_line"),
        ("window closed", "pairing_line", "pairing_refused"),
    ],
)
async def test_every_error_of_a_change_can_be_mended(
    hass: HomeAssistant, node: NodeServer, break_it: str, field: str, error: str
) -> None:
    before = node_data(node)
    entry = add_hub(hass, before)
    user_input: dict[str, Any] = {"host": node.host, "port": node.port}
    async with running_node("mash-b", "Mash tun B") as other:
        match break_it:
            case "host":
                user_input["host"] = "mash-a/x"
            case "nobody":
                user_input["port"] = 1
            case "somebody else":
                user_input["port"] = other.port
            case "forgotten":
                node.clients.clear()
            case "too new":
                node.api = 2
            case "too old":
                node.api = 0
            case "broken":
                node.broken = True
            case "not a line":
                user_input["pairing_line"] = "SB1"
            case "window closed":
                user_input["pairing_line"], node.code = node.line, None
        result = await configure(hass, await start_change(hass, entry), **user_input)
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {field: error}
    assert shown(result)["name"] == "Node mash-a"
    assert only_node(entry).data == before
    node.code, node.api, node.broken = "k7Qm2x", 1, False
    node.know("old-token")
    result = await configure(hass, result, host=f"[{node.host}]", port=node.port)
    assert result["reason"] == "reconfigure_successful"


async def test_a_node_cannot_become_another(hass: HomeAssistant, node: NodeServer) -> None:
    before = node_data(node)
    entry = add_hub(hass, before)
    async with running_node("mash-b", "Mash tun B") as other:
        result = await configure(
            hass,
            await start_change(hass, entry),
            host=other.host,
            port=other.port,
            pairing_line=other.line,
        )
        assert other.code is not None
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "wrong_device"
    assert result["description_placeholders"] == {"name": "Node mash-a", "found": "mash-b"}
    assert only_node(entry).data == before


async def test_a_node_that_changed_its_id_is_another(hass: HomeAssistant, node: NodeServer) -> None:
    entry = add_hub(hass, node_data(node))
    node.node_id = "mash-x"
    result = await configure(hass, await start_change(hass, entry), host=node.host, port=node.port)
    assert result["reason"] == "wrong_device"
