"""Loaded with `-p tests.preload` before the Home Assistant pytest plugin.

The plugin 0.13.375 was made for Home Assistant 2026.10; on 2026.11 it needs
`homeassistant` imported before httpx, and one helper where it used to be.
Our package is imported here because Home Assistant looks for custom
integrations in what is imported already. Delete it when the plugin has caught up.
"""

import homeassistant  # noqa: F401
from homeassistant.components import logger
from homeassistant.components.logger import helpers

import custom_components.smart_beer  # noqa: F401

if not hasattr(logger, "_clear_logger_overwrites"):
    logger._clear_logger_overwrites = helpers._clear_logger_overwrites  # type: ignore[attr-defined]
