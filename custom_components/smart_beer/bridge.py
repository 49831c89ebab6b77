"""The storage bridge as Home Assistant sees it: its user, its token, its registration."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from homeassistant.auth.const import GROUP_ID_READ_ONLY
from homeassistant.util.hass_dict import HassKey

if TYPE_CHECKING:
    from homeassistant.auth.models import User
    from homeassistant.core import HomeAssistant

BRIDGE_USER_NAME: Final = "smart-beer bridge"
# The bridge has nobody to log it in again; a new token replaces this one at any time.
TOKEN_LIFE: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class BridgeRegistration:
    """Where the bridge's HTTP API answers, for as long as its connection lasts.

    `url` has no trailing slash; `secret` is the bearer token of this run of the bridge.
    """

    url: str
    secret: str = field(repr=False)
    version: str


BRIDGE: HassKey[BridgeRegistration | None] = HassKey("smart_beer_bridge")


async def async_create_bridge_token(hass: HomeAssistant) -> str:
    """Make the bridge's access token, valid ten years; whatever token it had before ends now.

    The bridge is a system user in the read-only group that may log in from the local
    network only. It is created at the first call.
    """
    user = await _async_bridge_user(hass)
    for refresh_token in list(user.refresh_tokens.values()):
        hass.auth.async_remove_refresh_token(refresh_token)
    refresh_token = await hass.auth.async_create_refresh_token(
        user, access_token_expiration=TOKEN_LIFE
    )
    return hass.auth.async_create_access_token(refresh_token)


async def async_remove_bridge_user(hass: HomeAssistant) -> None:
    """Take the bridge's access away with its user, which no screen of Home Assistant can delete."""
    for user in await hass.auth.async_get_users():
        if is_bridge_user(user):
            await hass.auth.async_remove_user(user)


async def _async_bridge_user(hass: HomeAssistant) -> User:
    for user in await hass.auth.async_get_users():
        if is_bridge_user(user):
            return user
    return await hass.auth.async_create_system_user(
        BRIDGE_USER_NAME, group_ids=[GROUP_ID_READ_ONLY], local_only=True
    )


def is_bridge_user(user: User) -> bool:
    """Whether this is the bridge's own user; people cannot make system users."""
    return user.system_generated and user.name == BRIDGE_USER_NAME
