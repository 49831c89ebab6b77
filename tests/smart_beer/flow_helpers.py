"""What the tests of all flows share: a hub with nodes, none of it set up."""

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, patch

import pytest
from homeassistant.config_entries import SOURCE_USER, SOURCE_ZEROCONF, ConfigFlowResult
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.smart_beer.const import DOMAIN, HUB_ID
from tests.smart_beer.node_server import NodeServer, running_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from homeassistant.config_entries import ConfigEntry, ConfigSubentry
    from homeassistant.core import HomeAssistant
    from homeassistant.data_entry_flow import FlowResult

NOBODY = "127.0.0.1:1"  # nothing listens on tcpmux


@pytest.fixture(name="setup_entry")
def setup_entry_fixture() -> Iterator[AsyncMock]:
    """Flows alone: what they leave behind is not set up."""
    with (
        patch("custom_components.smart_beer.async_setup", return_value=True),
        patch("custom_components.smart_beer.async_setup_entry", return_value=None) as mock,
    ):
        yield mock


@pytest.fixture(name="node")
async def node_fixture(socket_enabled: None) -> AsyncIterator[NodeServer]:
    """A node called mash-a, its pairing window open."""
    async with running_node() as server:
        yield server


def node_data(node: NodeServer, **changes: Any) -> dict[str, Any]:
    """The data of the node's subentry, its token known to the node."""
    node.know("old-token")
    return {
        "host": node.host,
        "port": node.port,
        "token": "old-token",
        "fingerprint": node.fingerprint,
        "node_id": node.node_id,
        **changes,
    }


def add_hub(hass: HomeAssistant, *nodes: dict[str, Any]) -> MockConfigEntry:
    """The brewery with the nodes of these data, not set up."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Brewery",
        unique_id=HUB_ID,
        data={"client_id": "c" * 32},
        subentries_data=[
            {
                "data": data,
                "subentry_type": "node",
                "title": f"Node {data['node_id']}",
                "unique_id": data["node_id"],
            }
            for data in nodes
        ],
    )
    entry.add_to_hass(hass)
    return entry


def only_node(entry: ConfigEntry[Any]) -> ConfigSubentry:
    """The one node that the brewery has."""
    (subentry,) = entry.subentries.values()
    return subentry


def announcement(node: NodeServer, **changes: Any) -> ZeroconfServiceInfo:
    """What a node announces of itself."""
    fields: dict[str, Any] = {
        "ip_address": ip_address(node.host),
        "ip_addresses": [ip_address(node.host)],
        "port": node.port,
        "hostname": "mash-a.local.",
        "type": "_smart-beer._tcp.local.",
        "name": "mash-a._smart-beer._tcp.local.",
        "properties": {
            "node_id": node.node_id,
            "kettles": "mash-tun",
            "version": "0.1.0",
            "fp": node.fingerprint[:32],
            "api": "1",
        },
    }
    return ZeroconfServiceInfo(**{**fields, **changes})


def shown(result: FlowResult[Any, Any]) -> Mapping[str, str]:
    """The placeholders of what a flow shows."""
    placeholders = result["description_placeholders"]
    assert placeholders is not None
    return placeholders


def fields(result: FlowResult[Any, Any]) -> dict[str, Any]:
    """The fields of the form that a flow shows, with what is suggested for each."""
    schema = result["data_schema"]
    assert schema is not None
    return {key.schema: (key.description or {}).get("suggested_value") for key in schema.schema}


async def start_user(hass: HomeAssistant) -> ConfigFlowResult:
    """The form that begins the brewery."""
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "user"
    assert not result["errors"]
    return result


async def announce(hass: HomeAssistant, info: ZeroconfServiceInfo) -> ConfigFlowResult:
    """What becomes of an announcement."""
    return await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_ZEROCONF}, data=info
    )


async def to_pair_step(hass: HomeAssistant, node: NodeServer) -> ConfigFlowResult:
    """The form that asks for the pairing line of an announced node."""
    result = await announce(hass, announcement(node))
    assert result["step_id"] == "discovery_confirm"
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["step_id"] == "pair"
    return result
