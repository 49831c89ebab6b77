"""Serves the bundled card and makes Lovelace load it."""

import hashlib
import logging
from pathlib import Path
from typing import Final

from homeassistant.components.frontend import (
    DATA_EXTRA_MODULE_URL,
    add_extra_js_url,
    remove_extra_js_url,
)
from homeassistant.components.http import StaticPathConfig
from homeassistant.components.lovelace.const import CONF_RESOURCE_TYPE_WS, LOVELACE_DATA
from homeassistant.components.lovelace.resources import (
    ResourceStorageCollection,
    ResourceYAMLCollection,
)
from homeassistant.const import CONF_ID, CONF_TYPE, CONF_URL
from homeassistant.core import HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from . import repairs

_LOGGER: Final = logging.getLogger(__package__)

BUNDLE: Final = Path(__file__).parent / "frontend" / "dist" / "smart-beer.js"
MODULE: Final = "module"
PREFIX: Final = "/smart_beer_static/"
URL: HassKey[str] = HassKey("smart_beer_frontend_url")


async def async_setup_frontend(hass: HomeAssistant) -> None:
    """Serve the card and have it loaded by every dashboard; may be called again at any time.

    Without a built card, and where no dashboards are loaded, there is nothing to do.
    """
    if URL not in hass.data:
        digest = await hass.async_add_executor_job(_digest, BUNDLE)
        if digest is None:
            _LOGGER.warning("The card is not built: %s is missing", BUNDLE)
            return
        # The hash in the address lets browsers keep the file for ever, and fetch the next one.
        hass.data[URL] = url = f"{PREFIX}{digest}/{BUNDLE.name}"
        await hass.http.async_register_static_paths([StaticPathConfig(url, str(BUNDLE))])
    url = hass.data[URL]
    if (lovelace := hass.data.get(LOVELACE_DATA)) is None:
        return
    if isinstance(lovelace.resources, ResourceStorageCollection):
        await _async_store(lovelace.resources, url)
    else:
        _async_announce(hass, lovelace.resources, url)


async def async_remove_frontend(hass: HomeAssistant) -> None:
    """Have the card loaded no longer; what is being served stays until the next start."""
    repairs.async_clear(hass, None, "lovelace_yaml")
    _async_set_extra(hass, hass.data.get(URL), wanted=False)
    lovelace = hass.data.get(LOVELACE_DATA)
    if lovelace is None or not isinstance(lovelace.resources, ResourceStorageCollection):
        return
    await lovelace.resources.async_get_info()  # loads what is stored
    for item in list(lovelace.resources.async_items()):
        if item[CONF_URL].startswith(PREFIX):
            await lovelace.resources.async_delete_item(item[CONF_ID])


async def _async_store(resources: ResourceStorageCollection, url: str) -> None:
    """Make the stored resource of ours load this address, whichever it loaded before."""
    await resources.async_get_info()  # loads what is stored
    ours = [item for item in resources.async_items() if item[CONF_URL].startswith(PREFIX)]
    if not ours:
        await resources.async_create_item({CONF_RESOURCE_TYPE_WS: MODULE, CONF_URL: url})
        return
    if ours[0][CONF_URL] != url or ours[0][CONF_TYPE] != MODULE:
        await resources.async_update_item(
            ours[0][CONF_ID], {CONF_RESOURCE_TYPE_WS: MODULE, CONF_URL: url}
        )
    for item in ours[1:]:
        await resources.async_delete_item(item[CONF_ID])


@callback
def _async_announce(hass: HomeAssistant, resources: ResourceYAMLCollection, url: str) -> None:
    """Resources in YAML are a person's: say which line to add, and load the card meanwhile."""
    listed = any(item[CONF_URL] == url for item in resources.async_items())
    _async_set_extra(hass, url, wanted=not listed)
    if listed:
        repairs.async_clear(hass, None, "lovelace_yaml")
    else:
        repairs.async_raise(hass, None, "lovelace_yaml", url=url)


@callback
def _async_set_extra(hass: HomeAssistant, url: str | None, *, wanted: bool) -> None:
    """Have the frontend itself load the card on every page, or not."""
    extra = hass.data.get(DATA_EXTRA_MODULE_URL)
    if extra is None or url is None or (url in extra.urls) is wanted:
        return
    if wanted:
        add_extra_js_url(hass, url)
    else:
        remove_extra_js_url(hass, url)


def _digest(path: Path) -> str | None:
    """The first 12 hex digits of the file's SHA-256; None without the file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except FileNotFoundError:
        return None
