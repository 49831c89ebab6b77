"""Actions on the batches that the storage bridge keeps: list them, and say something of one."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import probatio
from homeassistant.auth.permissions.const import POLICY_READ
from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError, Unauthorized
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util

from .bridge import BRIDGE
from .bridge_http import BRIDGE_UNAVAILABLE, NO_SUCH_BATCH, BridgeError
from .const import DOMAIN
from .kettle_devices import (
    async_caller,
    async_check_user,
    async_commanded,
    async_user,
    kettle_of_device,
)
from .stored_batches import async_add_note, async_batches
from .validators import BATCH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from .kettle import KettleCoordinator

ATTR_BATCH: Final = "batch"
ATTR_END: Final = "end"
ATTR_START: Final = "start"
ATTR_TEXT: Final = "text"

NOTE_LENGTH: Final = 10_000
_TIMES: Final = ("started", "ended", "t", "changed")

_ADD_NOTE: Final = probatio.Schema(
    {
        probatio.Required(ATTR_DEVICE_ID): cv.string,
        probatio.Required(ATTR_TEXT): probatio.All(
            cv.string, str.strip, probatio.Length(min=1, max=NOTE_LENGTH)
        ),
        probatio.Optional(ATTR_BATCH): probatio.All(cv.string, BATCH),
    }
)
_GET_BATCHES: Final = probatio.Schema(
    {
        probatio.Optional(ATTR_DEVICE_ID): cv.string,
        probatio.Optional(ATTR_START): cv.datetime,
        probatio.Optional(ATTR_END): cv.datetime,
    }
)


@callback
def async_setup_batch_services(hass: HomeAssistant) -> None:
    """Register the actions, once for the integration."""
    for name, handler, schema, response in (
        ("add_note", _add_note, _ADD_NOTE, SupportsResponse.OPTIONAL),
        ("get_batches", _get_batches, _GET_BATCHES, SupportsResponse.ONLY),
    ):
        hass.services.async_register(DOMAIN, name, handler, schema, supports_response=response)


async def _add_note(call: ServiceCall) -> ServiceResponse:
    """Keep a note on a batch of the kettle, on the one that is in it unless one is named."""
    kettle = await async_commanded(call)
    batch = call.data.get(ATTR_BATCH) or kettle.data.batch
    if batch is None:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="no_batch",
            translation_placeholders={"kettle": kettle.kettle_name},
        )
    by = await async_caller(call.hass, call.context)
    with _translated(call.hass, batch):
        note = await async_add_note(
            call.hass, batch, kettle_id=kettle.kettle_id, by=by, text=call.data[ATTR_TEXT]
        )
    return {"note": _with_times(note)}


async def _get_batches(call: ServiceCall) -> ServiceResponse:
    """Batches that began in a range of time, of all kettles or of one, oldest first."""
    kettle: KettleCoordinator | None = None
    if ATTR_DEVICE_ID in call.data:
        kettle = kettle_of_device(call.hass, call.data[ATTR_DEVICE_ID])
        await async_check_user(call.hass, call.context, [kettle], POLICY_READ)
    else:
        # Of kettles that are no more as well, whose entities nobody can be asked about.
        user = await async_user(call.hass, call.context)
        if user is not None and not user.permissions.access_all_entities(POLICY_READ):
            raise Unauthorized(context=call.context, permission=POLICY_READ)
    with _translated(call.hass):
        reply = await async_batches(
            call.hass,
            _milliseconds(call.data.get(ATTR_START)),
            _milliseconds(call.data.get(ATTR_END)),
            None if kettle is None else kettle.kettle_id,
        )
    return {
        "batches": [
            _with_times(batch) | {"kettles": [_with_times(one) for one in batch["kettles"]]}
            for batch in reply["batches"]
        ],
        "more": reply.get("more", False),
        "partial": reply.get("partial", []),
    }


@contextmanager
def _translated(hass: HomeAssistant, batch: str = "") -> Iterator[None]:
    """What the bridge does not do, in words for people."""
    try:
        yield
    except BridgeError as err:
        if err.code == BRIDGE_UNAVAILABLE:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="no_bridge" if hass.data.get(BRIDGE) is None else "bridge_fails",
                translation_placeholders={"error": str(err)},
            ) from err
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key=NO_SUCH_BATCH if err.code == NO_SUCH_BATCH else "bridge_refuses",
            translation_placeholders={"batch": batch, "error": str(err)},
        ) from err


def _milliseconds(time: datetime | None) -> int | None:
    """UTC ms; a time without a zone is one of Home Assistant's."""
    return None if time is None else int(dt_util.as_utc(time).timestamp() * 1000)


def _with_times(record: dict[str, Any]) -> dict[str, Any]:
    """A record with its times (UTC ms) as ISO 8601, which templates take."""
    return {
        name: dt_util.utc_from_timestamp(value / 1000).isoformat(timespec="milliseconds")
        if name in _TIMES and isinstance(value, int)
        else value
        for name, value in record.items()
    }
