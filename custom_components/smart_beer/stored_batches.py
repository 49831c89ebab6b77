"""Batches that the storage bridge keeps: their list, all of one, its file, and notes on it."""

from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from .bridge_http import BRIDGE_UNAVAILABLE, BridgeError, async_call, async_file

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from homeassistant.core import HomeAssistant

BAD_QUESTION: Final = "invalid_format"

type Format = Literal["csv", "parquet"]

CONTENT_TYPES: Final[dict[Format, str]] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}


async def async_batches(
    hass: HomeAssistant, start: int | None, end: int | None, kettle_id: str | None
) -> dict[str, Any]:
    """`{batches, more, partial}`: those of all kettles or one that began in [start, end), UTC ms.

    Oldest first, at most 1,000: `more` says that others follow the last one. Raises BridgeError.
    """
    asked = {"start": start, "end": end, "kettle": kettle_id}
    query = [(name, str(value)) for name, value in asked.items() if value is not None]
    _raw, reply = await async_call(hass, "/v1/batches", query, refused=BAD_QUESTION)
    batches = reply.get("batches")
    if not isinstance(batches, list) or not all(_sound(batch) for batch in batches):
        raise BridgeError(
            BRIDGE_UNAVAILABLE, "The storage bridge's batches are not as they should be."
        )
    return reply


async def async_batch(hass: HomeAssistant, batch_id: str) -> bytes:
    """A batch with its kettles, series, alarms, acknowledgements and notes, as JSON.

    Raises BridgeError.
    """
    raw, _reply = await async_call(hass, _path(batch_id), refused=BAD_QUESTION)
    return raw


async def async_add_note(
    hass: HomeAssistant, batch_id: str, *, kettle_id: str, by: str, text: str
) -> dict[str, Any]:
    """Keep a note on a batch that is or was in the kettle; the note as the bridge keeps it.

    Raises BridgeError, `invalid_format` where the bridge does not take it.
    """
    note = {"kettle_id": kettle_id, "by": by, "text": text}
    _raw, kept = await async_call(hass, f"{_path(batch_id)}/notes", body=note, refused=BAD_QUESTION)
    return kept


def async_batch_file(
    hass: HomeAssistant, batch_id: str, file_format: Format
) -> AsyncGenerator[bytes]:
    """Every sample of a batch as a file, in pieces; raises BridgeError, also half-way."""
    query = [("format", file_format)]
    return async_file(hass, f"{_path(batch_id)}/export", query, refused=BAD_QUESTION)


def _sound(batch: object) -> bool:
    kettles = batch.get("kettles") if isinstance(batch, dict) else None
    return isinstance(kettles, list) and all(isinstance(one, dict) for one in kettles)


def _path(batch_id: str) -> str:
    return f"/v1/batches/{quote(batch_id, safe='')}"
