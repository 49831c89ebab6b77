"""What can be set up besides the nodes: a storage bridge."""

from typing import TYPE_CHECKING, Any

import probatio
from homeassistant.config_entries import ConfigFlowResult, OptionsFlow
from homeassistant.helpers.network import NoURLAvailableError, get_url
from yarl import URL

from .bridge import async_create_bridge_token

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant


def bridge_command(url: str) -> str:
    """Return the command that sets up a bridge; it asks for the token on its standard input."""
    return (
        f"smart-beer-bridge init --home-assistant {url} --token-file -"
        " --data-dir ~/smart-beer-bridge --config ~/smart-beer-bridge/bridge.yaml"
    )


def websocket_url(hass: HomeAssistant) -> str:
    """Return this Home Assistant's websocket as the local network sees it.

    Where Home Assistant knows no such address, that of a bridge on the same machine.
    """
    try:
        base = URL(get_url(hass, allow_external=False, allow_cloud=False, allow_ip=True))
    except NoURLAvailableError:
        api = hass.config.api
        base = URL.build(
            scheme="https" if api is not None and api.use_ssl else "http",
            host="127.0.0.1",
            port=8123 if api is None else api.port,
        )
    scheme = "wss" if base.scheme == "https" else "ws"
    return str(base.with_scheme(scheme).with_path("/api/websocket"))


class SmartBeerOptionsFlow(OptionsFlow):
    """Flow behind "Configure" of the brewery. It keeps nothing secret."""

    async def async_step_init(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002  a menu has no input
    ) -> ConfigFlowResult:
        """Ask what to set up."""
        return self.async_show_menu(step_id="init", menu_options=["storage_bridge"])

    async def async_step_storage_bridge(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Explain what a bridge is given, before it is given."""
        if user_input is not None:
            return await self.async_step_bridge_token()
        return self.async_show_form(step_id="storage_bridge", data_schema=probatio.Schema({}))

    async def async_step_bridge_token(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Create the bridge's token and show it, once."""
        if user_input is not None:
            return self.async_create_entry(data=dict(self.config_entry.options))
        url = websocket_url(self.hass)
        return self.async_show_form(
            step_id="bridge_token",
            data_schema=probatio.Schema({}),
            description_placeholders={
                "token": await async_create_bridge_token(self.hass),
                "url": url,
                "command": bridge_command(url),
            },
        )
