"""From a kettle's device, as people choose it, to the kettle; and what a user may do with it."""

from typing import TYPE_CHECKING, Final

import probatio
from homeassistant.auth.permissions.const import POLICY_CONTROL
from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.exceptions import ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.service import async_get_config_entry, async_get_device_and_config_entry

from .const import DOMAIN
from .helpers import kettle_identifier

if TYPE_CHECKING:
    from collections.abc import Collection

    from homeassistant.auth.models import User
    from homeassistant.core import Context, HomeAssistant, ServiceCall

    from .coordinator import NodeCoordinator, SmartBeerConfigEntry
    from .kettle import KettleCoordinator
    from .models import Latch

AUTOMATION: Final = "Home Assistant"  # who calls, when no user is behind it
NAME_LENGTH: Final = 64  # as the node's API has it

_KETTLE = kettle_identifier("")[1]


def kettle_id_of(device: dr.AnyDeviceEntry) -> str | None:
    """The id of the kettle that a device is, None if it is none."""
    for domain, name in device.identifiers:
        if domain == DOMAIN and name.startswith(_KETTLE):
            return name.removeprefix(_KETTLE)
    return None


def chosen_kettle_id(hass: HomeAssistant, device_id: str) -> str:
    """The id of the kettle that a device is, for an automation's options; Invalid if it is none."""
    device, _ = dr.async_get_device_and_config_entry_for_domain(hass, device_id, domain=DOMAIN)
    kettle_id = None if device is None else kettle_id_of(device)
    if kettle_id is None:
        raise probatio.Invalid(f"Device {device_id} is no kettle of the brewery")
    return kettle_id


def kettle_of_device(hass: HomeAssistant, device_id: str) -> KettleCoordinator:
    """The kettle of a device; ServiceValidationError if there is none, or the brewery is off."""
    device, entry = async_get_device_and_config_entry(hass, DOMAIN, device_id)
    kettles: dict[str, KettleCoordinator] = entry.runtime_data.kettles
    kettle = kettles.get(kettle_id_of(device) or "")
    if kettle is None:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="not_a_kettle",
            translation_placeholders={"device": device.name_by_user or device.name or device_id},
        )
    return kettle


def kettles_of_devices(hass: HomeAssistant, device_ids: list[str]) -> list[KettleCoordinator]:
    """The kettles of these devices, all of the brewery if none is named; ordered by id.

    ServiceValidationError as `kettle_of_device`.
    """
    if device_ids:
        named = {kettle_of_device(hass, device_id) for device_id in device_ids}
        return sorted(named, key=lambda kettle: kettle.kettle_id)
    entry: SmartBeerConfigEntry = async_get_config_entry(hass, DOMAIN, None)
    return [kettle for _, kettle in sorted(entry.runtime_data.kettles.items())]


def device_id_of(hass: HomeAssistant, kettle: KettleCoordinator) -> str | None:
    """The id of a kettle's device."""
    device = dr.async_get(hass).async_get_device_by_identifier(
        kettle_identifier(kettle.kettle_id), kettle.config_entry.entry_id
    )
    return None if device is None else device.id


def latches_of(kettle: KettleCoordinator, node: NodeCoordinator) -> dict[str, Latch] | None:
    """The latches of a kettle at one of its nodes, by name; None: that is not known now."""
    if not node.connected or node.state is None:
        return None
    return {
        latch.latch: latch for latch in node.state.latches if latch.kettle_id == kettle.kettle_id
    }


async def async_user(hass: HomeAssistant, context: Context) -> User | None:
    """Who is behind a call; None for an automation. UnknownUser if there is no such user."""
    if context.user_id is None:
        return None
    user = await hass.auth.async_get_user(context.user_id)
    if user is None:
        raise UnknownUser(context=context)
    return user


async def async_caller(hass: HomeAssistant, context: Context) -> str:
    """The name of who is behind a call, as it is written down."""
    user = await async_user(hass, context)
    return ((user.name if user else None) or AUTOMATION)[:NAME_LENGTH]


async def async_commanded(call: ServiceCall) -> KettleCoordinator:
    """The kettle that a call is about, if its caller may command it."""
    kettle = kettle_of_device(call.hass, call.data[ATTR_DEVICE_ID])
    await async_check_user(call.hass, call.context, [kettle], POLICY_CONTROL)
    return kettle


async def async_check_user(
    hass: HomeAssistant, context: Context, kettles: Collection[KettleCoordinator], policy: str
) -> None:
    """Raise Unauthorized unless the caller may do this with every entity of these kettles.

    Of none, unless with every entity there is. Home Assistant checks permissions of actions on
    entities only; these act on devices.
    """
    user = await async_user(hass, context)
    if user is None or user.permissions.access_all_entities(policy):
        return
    if not kettles:
        raise Unauthorized(context=context, permission=policy)
    registry = er.async_get(hass)
    for kettle in kettles:
        device_id = device_id_of(hass, kettle)
        entities = er.async_entries_for_device(registry, device_id or "")
        if not entities or not all(
            user.permissions.check_entity(entity.entity_id, policy) for entity in entities
        ):
            raise Unauthorized(context=context, permission=policy)
