"""Nodes that announce themselves - against a node over TLS."""

from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from homeassistant.config_entries import (
    SOURCE_IGNORE,
    ConfigEntryState,
    ConfigSubentry,
)
from homeassistant.data_entry_flow import FlowResultType

from custom_components.smart_beer.const import DOMAIN, HUB_ID
from custom_components.smart_beer.coordinator import NodeCoordinator, SmartBeerData
from tests.smart_beer.flow_helpers import (
    NOBODY,
    add_hub,
    announce,
    announcement,
    fields,
    node_data,
    node_fixture,  # noqa: F401
    only_node,
    setup_entry_fixture,  # noqa: F401
    shown,
    start_user,
    to_pair_step,
)
from tests.smart_beer.node_server import NodeServer, running_node
from tests.smart_beer.translation_check import check_translations_fixture  # noqa: F401

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

pytestmark = pytest.mark.usefixtures("socket_enabled", "setup_entry", "check_translations")


async def test_an_announced_node_is_shown_paired_and_creates_the_brewery(
    hass: HomeAssistant, node: NodeServer
) -> None:
    result = await announce(hass, announcement(node))
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "discovery_confirm"
    assert result["description_placeholders"] == {
        "name": "Mash tun A",
        "node_id": "mash-a",
        "kettles": "Mash tun",
        "model": "Raspberry Pi 4",
        "version": "0.1.0",
        "host": node.host,
        "fingerprint": node.fingerprint[:32],
    }
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["title_placeholders"] == {"name": "Mash tun A"}
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert fields(result) == {"pairing_line": None}
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": node.line}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["result"].unique_id == HUB_ID
    assert only_node(result["result"]).unique_id == "mash-a"


async def test_what_a_stranger_calls_itself_makes_no_link_in_the_form(
    hass: HomeAssistant, node: NodeServer
) -> None:
    node.name = "![x](http://192.0.2.1/x.png)\n<a>`y`" + "z" * 200
    result = await announce(hass, announcement(node))
    name = shown(result)["name"]
    assert name.startswith("!x(http://192.0.2.1/x.png)ayzz")
    assert len(name) == 100


async def test_an_announced_node_joins_the_brewery(hass: HomeAssistant, node: NodeServer) -> None:
    entry = add_hub(hass)
    result = await to_pair_step(hass, node)
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": node.line}
    )
    assert result["type"] is FlowResultType.ABORT
    assert (result["reason"], result["description_placeholders"]) == (
        "node_added",
        {"name": "Mash tun A"},
    )
    assert only_node(entry).title == "Mash tun A"
    ((_, client),) = node.clients.items()
    assert client["client_id"] == entry.data["client_id"]


async def test_the_announced_address_serves_where_that_of_the_line_does_not(
    hass: HomeAssistant, node: NodeServer
) -> None:
    entry = add_hub(hass)
    result = await to_pair_step(hass, node)
    await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": node.line_for("mash-a.invalid:8443")}
    )
    assert (only_node(entry).data["host"], only_node(entry).data["port"]) == (
        node.host,
        node.port,
    )


async def test_the_address_of_the_line_serves_where_the_announcement_lied(
    hass: HomeAssistant, node: NodeServer
) -> None:
    entry = add_hub(hass)
    async with running_node() as liar:  # says it is mash-a too, with its own certificate
        result = await to_pair_step(hass, liar)
        await hass.config_entries.flow.async_configure(
            result["flow_id"], {"pairing_line": node.line}
        )
        assert "/v1/pair" not in liar.paths
    assert only_node(entry).data["port"] == node.port
    assert only_node(entry).data["fingerprint"] == node.fingerprint


@pytest.mark.parametrize(
    ("break_it", "field", "error"),
    [
        ("not a line", "pairing_line", "invalid_pairing_line"),
        ("nobody", "base", "cannot_connect"),
        ("other certificate", "base", "fingerprint_mismatch"),
        ("window closed", "pairing_line", "pairing_refused"),
    ],
)
async def test_errors_of_the_pair_step_recover(
    hass: HomeAssistant, node: NodeServer, break_it: str, field: str, error: str
) -> None:
    entry = add_hub(hass)
    result = await to_pair_step(hass, node)
    line, port = node.line, node.port
    match break_it:
        case "not a line":
            line = "mash-a"
        case "nobody":
            line = node.line_for(NOBODY)
            node.broken = True  # an answer, but not one of use
            error = "invalid_answer"
        case "other certificate":
            line = f"SB1-{node.host}:{port}-{'0' * 32}-k7Qm2x"
        case "window closed":
            node.code = None
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": line}
    )
    assert result["step_id"] == "pair"
    assert result["errors"] == {field: error}
    assert shown(result)["name"] == "Mash tun A"
    node.broken, node.code = False, "k7Qm2x"
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": node.line}
    )
    assert result["reason"] == "node_added"
    assert len(entry.subentries) == 1


async def test_the_line_of_another_node_is_refused_unspent(
    hass: HomeAssistant, node: NodeServer
) -> None:
    entry = add_hub(hass)
    async with running_node("mash-b", "Mash tun B") as other:
        result = await to_pair_step(hass, node)
        result = await hass.config_entries.flow.async_configure(
            result["flow_id"], {"pairing_line": other.line}
        )
        assert result["errors"] == {"pairing_line": "wrong_node"}
        assert shown(result)["found"] == "mash-b"
        assert other.code is not None
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": node.line}
    )
    assert result["reason"] == "node_added"
    assert only_node(entry).unique_id == "mash-a"


async def test_a_node_added_by_hand_meanwhile_gets_the_newest_pairing(
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
    result = await to_pair_step(hass, node)
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": node.line}
    )
    assert result["reason"] == "already_configured"
    assert only_node(entry).data["token"] not in ("", "old-token")


async def test_one_card_for_a_node_that_announces_itself_twice(
    hass: HomeAssistant, node: NodeServer
) -> None:
    await announce(hass, announcement(node))
    result = await announce(hass, announcement(node))
    assert result["reason"] == "already_in_progress"


async def test_an_ignored_node_stays_ignored(hass: HomeAssistant, node: NodeServer) -> None:
    result = await announce(hass, announcement(node))
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_IGNORE},
        data={"unique_id": flow["context"]["unique_id"], "title": "Mash tun A"},
    )
    result = await announce(hass, announcement(node))
    assert result["reason"] == "already_configured"
    result = await start_user(hass)  # and does not stand for the brewery
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"pairing_line": node.line}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_node_called_like_the_hub_is_a_node(hass: HomeAssistant) -> None:
    entry = add_hub(hass)
    async with running_node(HUB_ID, "All of it") as node:
        result = await to_pair_step(hass, node)
        result = await hass.config_entries.flow.async_configure(
            result["flow_id"], {"pairing_line": node.line}
        )
    assert result["reason"] == "node_added"
    assert only_node(entry).unique_id == HUB_ID


@pytest.mark.parametrize("changes", [{"properties": {"kettles": "x"}}, {"port": None}])
async def test_an_announcement_without_the_needed_is_dropped(
    hass: HomeAssistant, node: NodeServer, changes: dict[str, Any]
) -> None:
    result = await announce(hass, announcement(node, **changes))
    assert result["reason"] == "not_smart_beer"
    assert node.paths == []


async def test_an_announcement_of_another_id_than_answers_is_dropped(
    hass: HomeAssistant, node: NodeServer
) -> None:
    result = await announce(hass, announcement(node, properties={"node_id": "mash-x"}))
    assert result["reason"] == "not_smart_beer"


async def test_an_announced_node_that_does_not_answer_is_dropped(
    hass: HomeAssistant, node: NodeServer
) -> None:
    result = await announce(hass, announcement(node, port=1))
    assert result["reason"] == "cannot_connect"


@pytest.mark.parametrize(("api", "reason"), [(2, "api_too_new"), (0, "api_too_old")])
async def test_an_announced_node_with_another_api_is_dropped(
    hass: HomeAssistant, node: NodeServer, api: int, reason: str
) -> None:
    node.api = api
    result = await announce(hass, announcement(node))
    assert result["reason"] == reason


async def test_the_new_address_of_a_known_node_is_taken_over(
    hass: HomeAssistant, node: NodeServer
) -> None:
    entry = add_hub(hass, node_data(node, host="192.0.2.7", port=8443))
    result = await announce(hass, announcement(node))
    assert result["reason"] == "already_configured"
    assert only_node(entry).data == node_data(node)
    assert node.paths == ["/v1/identity"]


async def test_a_known_node_at_its_address_is_not_asked(
    hass: HomeAssistant, node: NodeServer
) -> None:
    add_hub(hass, node_data(node))
    result = await announce(hass, announcement(node))
    assert result["reason"] == "already_configured"
    assert node.paths == []


async def test_an_announcement_wakes_the_loop_of_a_running_node(
    hass: HomeAssistant, node: NodeServer
) -> None:
    entry = add_hub(hass, node_data(node))
    entry.mock_state(hass, ConfigEntryState.LOADED)
    running = Mock(spec=NodeCoordinator)
    entry.runtime_data = Mock(spec=SmartBeerData, nodes={only_node(entry).subentry_id: running})
    await announce(hass, announcement(node))
    running.async_wake.assert_called_once_with()
    entry.runtime_data.nodes = {}  # just added, not running yet
    result = await announce(hass, announcement(node))
    assert result["reason"] == "already_configured"


async def test_a_spoofed_announcement_changes_nothing(
    hass: HomeAssistant, node: NodeServer
) -> None:
    before = node_data(node, host="192.0.2.7", port=8443, fingerprint="ab" * 32)
    entry = add_hub(hass, before)
    result = await announce(hass, announcement(node))  # mash-a by name, not by certificate
    assert result["reason"] == "already_configured"
    assert only_node(entry).data == before
    assert node.paths == []


async def test_a_renamed_node_behind_the_pin_does_not_take_another_ones_place(
    hass: HomeAssistant, node: NodeServer
) -> None:
    before = node_data(node, host="192.0.2.7")
    entry = add_hub(hass, before)
    announced = announcement(node)
    node.node_id = "mash-x"
    result = await announce(hass, announced)
    assert result["reason"] == "already_configured"
    assert only_node(entry).data == before
