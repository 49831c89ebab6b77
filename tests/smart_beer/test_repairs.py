"""Repair issues: what is shown, and what mending them does."""

from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp.test_utils import TestClient
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.smart_beer.const import DOMAIN
from custom_components.smart_beer.coordinator import NodeCoordinator, SmartBeerData
from custom_components.smart_beer.repairs import ISSUES, LEARN_MORE, async_clear, async_raise
from tests.smart_beer.flow_helpers import (
    NOBODY,
    add_hub,
    node_data,
    node_fixture,  # noqa: F401
    only_node,
    setup_entry_fixture,  # noqa: F401
)
from tests.smart_beer.node_server import NodeServer, running_node
from tests.smart_beer.translation_check import check_translations_fixture  # noqa: F401

type Client = TestClient[Any, Any]

pytestmark = pytest.mark.usefixtures("socket_enabled", "setup_entry", "check_translations")


async def api_client(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> Client:
    assert await async_setup_component(hass, "repairs", {})
    assert await async_setup_component(hass, DOMAIN, {})
    client: Client = await hass_client()
    return client


async def start_fix(client: Client, issue_id: str) -> dict[str, Any]:
    response = await client.post(
        "/api/repairs/issues/fix", json={"handler": DOMAIN, "issue_id": issue_id}
    )
    assert response.status == 200
    result: dict[str, Any] = await response.json()
    assert result["type"] == "form"
    assert result["step_id"] == "confirm"
    return result


async def fix(client: Client, result: dict[str, Any], **data: Any) -> dict[str, Any]:
    response = await client.post(f"/api/repairs/issues/fix/{result['flow_id']}", json=data)
    assert response.status == 200
    answer: dict[str, Any] = await response.json()
    return answer


def shown(hass: HomeAssistant, issue_id: str) -> ir.IssueEntry | None:
    return ir.async_get(hass).async_get_issue(DOMAIN, issue_id)


@pytest.mark.parametrize("key", sorted(ISSUES))
async def test_an_issue_is_raised_named_and_taken_back(
    hass: HomeAssistant, node: NodeServer, key: str
) -> None:
    entry = add_hub(hass, node_data(node))
    extra = dict.fromkeys(ISSUES[key].extra, "x")
    async_raise(hass, entry, key, "mash-a", **extra)
    issue = shown(hass, f"{key}_mash-a")
    assert issue is not None
    assert issue.translation_key == key
    about = {"name": "Node mash-a", "node_id": "mash-a", "host": node.host}
    if ISSUES[key].about != "node":
        about = {}
    assert issue.translation_placeholders == {**about, **extra}
    assert issue.learn_more_url == LEARN_MORE
    assert (issue.is_fixable, issue.is_persistent) == (ISSUES[key].fixable, ISSUES[key].persistent)
    async_clear(hass, entry, key, "mash-a")
    assert shown(hass, f"{key}_mash-a") is None
    async_clear(hass, entry, key, "mash-a")  # twice is fine


async def test_an_issue_may_be_about_no_node_and_no_brewery(hass: HomeAssistant) -> None:
    async_raise(hass, None, "lovelace_yaml", url="/x.js")
    issue = shown(hass, "lovelace_yaml")
    assert issue is not None
    assert issue.translation_placeholders == {"url": "/x.js"}
    async_clear(hass, None, "lovelace_yaml")
    assert shown(hass, "lovelace_yaml") is None


async def test_a_node_that_is_not_there_any_more_is_named_by_its_id(hass: HomeAssistant) -> None:
    async_raise(hass, add_hub(hass), "fingerprint_changed", "mash-z")
    issue = shown(hass, "fingerprint_changed_mash-z")
    assert issue is not None
    assert issue.translation_placeholders == {"name": "mash-z", "node_id": "mash-z", "host": "?"}


async def test_a_missing_placeholder_is_refused(hass: HomeAssistant) -> None:
    with pytest.raises(ValueError, match="lacks the placeholders"):
        async_raise(hass, None, "other_node", "mash-a")


# A changed certificate


async def test_a_changed_certificate_is_mended_by_pairing_again(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, node: NodeServer
) -> None:
    entry = add_hub(hass, node_data(node, fingerprint="ab" * 32, token="of the old card"))
    subentry_id = only_node(entry).subentry_id
    client = await api_client(hass, hass_client)
    async_raise(hass, entry, "fingerprint_changed", "mash-a")
    result = await start_fix(client, "fingerprint_changed_mash-a")
    assert result["description_placeholders"]["name"] == "Node mash-a"
    assert [field["name"] for field in result["data_schema"]] == ["pairing_line"]
    result = await fix(client, result, pairing_line=node.line)
    assert result["type"] == "create_entry"
    subentry = only_node(entry)
    assert subentry.subentry_id == subentry_id
    assert subentry.data["fingerprint"] == node.fingerprint
    assert subentry.data["token"] in node.clients
    assert shown(hass, "fingerprint_changed_mash-a") is None


@pytest.mark.parametrize(
    ("break_it", "errors"),
    [
        ("not a line", {"pairing_line": "invalid_pairing_line"}),
        ("window closed", {"pairing_line": "pairing_refused"}),
        ("other node", {"pairing_line": "wrong_node"}),
        ("too new", {"base": "api_too_new"}),
        ("broken", {"base": "invalid_answer"}),
        ("nobody", {"base": "cannot_connect"}),
    ],
)
async def test_errors_of_pairing_again_recover(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    node: NodeServer,
    break_it: str,
    errors: dict[str, str],
) -> None:
    port = 1 if break_it == "nobody" else node.port
    before = node_data(node, fingerprint="ab" * 32, port=port)
    entry = add_hub(hass, before)
    client = await api_client(hass, hass_client)
    async_raise(hass, entry, "fingerprint_changed", "mash-a")
    result = await start_fix(client, "fingerprint_changed_mash-a")
    line = node.line
    async with running_node("mash-b", "Mash tun B") as other:
        match break_it:
            case "not a line":
                line = "SB1-"
            case "window closed":
                node.code = None
            case "other node":
                line = other.line
            case "too new":
                node.api = 2
            case "broken":
                node.broken = True
            case "nobody":
                line = node.line_for(NOBODY)
        result = await fix(client, result, pairing_line=line)
        assert "/v1/pair" not in other.paths
    assert result["errors"] == errors
    assert only_node(entry).data == before
    assert shown(hass, "fingerprint_changed_mash-a") is not None
    node.code, node.api, node.broken = "k7Qm2x", 1, False
    result = await fix(client, result, pairing_line=node.line)
    assert result["type"] == "create_entry"


async def test_pairing_a_removed_node_again_ends(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, node: NodeServer
) -> None:
    entry = add_hub(hass, node_data(node))
    client = await api_client(hass, hass_client)
    async_raise(hass, entry, "fingerprint_changed", "mash-a")
    result = await start_fix(client, "fingerprint_changed_mash-a")
    hass.config_entries.async_remove_subentry(entry, only_node(entry).subentry_id)
    result = await fix(client, result, pairing_line=node.line)
    assert (result["type"], result["reason"]) == ("abort", "node_removed")


# Other kettles


async def test_other_kettles_are_accepted_by_a_person(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, node: NodeServer
) -> None:
    entry = add_hub(hass, node_data(node))
    entry.mock_state(hass, ConfigEntryState.LOADED)
    changed = Mock(spec=NodeCoordinator, node_id="mash-a")
    bystander = Mock(spec=NodeCoordinator, node_id="mash-b")
    entry.runtime_data = Mock(spec=SmartBeerData, nodes={"1": changed, "2": bystander})
    client = await api_client(hass, hass_client)
    async_raise(hass, entry, "kettles_changed", "mash-a", before="mash-tun", now="boil")
    result = await start_fix(client, "kettles_changed_mash-a")
    assert result["description_placeholders"]["before"] == "mash-tun"
    changed.async_accept_kettles.assert_not_called()
    result = await fix(client, result)
    assert result["type"] == "create_entry"
    changed.async_accept_kettles.assert_called_once_with()
    bystander.async_accept_kettles.assert_not_called()
    assert shown(hass, "kettles_changed_mash-a") is None
    entry.mock_state(hass, ConfigEntryState.NOT_LOADED)


async def test_kettles_cannot_be_accepted_while_the_brewery_is_not_running(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, node: NodeServer
) -> None:
    entry = add_hub(hass, node_data(node))
    client = await api_client(hass, hass_client)
    async_raise(hass, entry, "kettles_changed", "mash-a", before="a", now="b")
    entry.mock_state(hass, ConfigEntryState.SETUP_ERROR)
    result = await start_fix(client, "kettles_changed_mash-a")
    result = await fix(client, result)
    assert (result["type"], result["reason"]) == ("abort", "not_loaded")
    assert shown(hass, "kettles_changed_mash-a") is not None


# What happened once


@pytest.mark.parametrize(
    ("key", "extra"), [("spool_replaced", {}), ("clock_stepped", {"seconds": "3.0"})]
)
async def test_what_happened_once_stays_until_confirmed(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    node: NodeServer,
    key: str,
    extra: dict[str, str],
) -> None:
    entry = add_hub(hass, node_data(node))
    client = await api_client(hass, hass_client)
    async_raise(hass, entry, key, "mash-a", **extra)
    result = await start_fix(client, f"{key}_mash-a")
    assert result["description_placeholders"]["node_id"] == "mash-a"
    result = await fix(client, result)
    assert result["type"] == "create_entry"
    assert shown(hass, f"{key}_mash-a") is None
