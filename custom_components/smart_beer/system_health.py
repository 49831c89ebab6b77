"""What the system information page says about the brewery."""

from typing import TYPE_CHECKING, Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.loader import async_get_integration

from .bridge import BRIDGE
from .const import DOMAIN

if TYPE_CHECKING:
    from homeassistant.components.system_health import SystemHealthRegistration

    from .coordinator import SmartBeerConfigEntry


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:  # noqa: ARG001
    """Register the one thing there is to tell."""
    register.async_register_info(async_info)


async def async_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return versions, how many nodes are connected, and whether a bridge is; nothing is asked."""
    entries: list[SmartBeerConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    nodes = [node for entry in entries for node in entry.runtime_data.nodes.values()]
    versions = {node.info.version for node in nodes if node.info and node.info.version}
    problems = [f"{node.title}: {node.problem}" for node in nodes if node.problem]
    bridge = hass.data.get(BRIDGE)
    integration = await async_get_integration(hass, DOMAIN)
    return {
        "version": str(integration.version),
        "nodes_connected": f"{sum(node.connected for node in nodes)} / {len(nodes)}",
        "node_versions": ", ".join(sorted(versions)) or "-",
        "problems": ", ".join(problems) or "-",
        "kettles": sum(len(entry.runtime_data.kettles) for entry in entries),
        "bridge": bridge.version if bridge else "-",
    }
