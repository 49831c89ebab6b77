"""Names that several modules of the integration share."""

import logging
from typing import Final

from homeassistant.const import Platform

DOMAIN: Final = "smart_beer"
LOGGER: Final = logging.getLogger(__package__)

# Fixed unique id of the hub entry: it keeps the brewery single without
# `single_config_entry`, which would also turn discovered nodes away.
HUB_ID: Final = "brewery"
HUB_TITLE: Final = "Brewery"
SUBENTRY_NODE: Final = "node"

CONF_CLIENT_ID: Final = "client_id"
CONF_FINGERPRINT: Final = "fingerprint"
CONF_NODE_ID: Final = "node_id"

PLATFORMS: Final = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.CLIMATE,
    Platform.EVENT,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
)
MANUFACTURER: Final = "smart-beer"
