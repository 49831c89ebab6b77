"""Stored samples: questions passed on to the storage bridge that has registered itself."""

import csv
import io
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientError, ClientTimeout
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util.json import JSON_DECODE_EXCEPTIONS, json_loads

from .bridge import BRIDGE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from aiohttp import ClientResponse
    from homeassistant.core import HomeAssistant

BRIDGE_UNAVAILABLE: Final = "bridge_unavailable"
INVALID_RANGE: Final = "invalid_range"

TIMEOUT: Final = ClientTimeout(total=30, connect=5)
# 32 series of 5,000 points, four numbers each, are about 10 MB.
MAX_REPLY: Final = 16 * 1024 * 1024
EXPORT_PAGE: Final = 2000
CSV_HEADER: Final = ("series", "t", "time", "value", "quality", "batch")


class BridgeError(Exception):
    """The bridge cannot answer; `code` is `bridge_unavailable` or `invalid_range`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def async_history(
    hass: HomeAssistant, series: Sequence[str], start: int, end: int, points: int
) -> bytes:
    """The bridge's `/v1/history` reply as JSON, unchanged; `start` <= t < `end` in UTC ms.

    Raises BridgeError.
    """
    _check_range(start, end)
    query = [("series", name) for name in series]
    query += [("start", str(start)), ("end", str(end)), ("points", str(points))]
    raw, _reply = await _get(hass, "/v1/history", query)
    return raw


async def async_export(
    hass: HomeAssistant, series: Sequence[str], start: int, end: int
) -> AsyncGenerator[str]:
    """CSV text of every stored sample of the series in the range, a page at a time.

    Raises BridgeError, before the first text when the bridge cannot answer at all.
    """
    _check_range(start, end)
    header: tuple[str, ...] | None = CSV_HEADER
    for name in series:
        cursor: str | None = ""
        while cursor is not None:
            query = [("series", name), ("start", str(start)), ("end", str(end))]
            query += [("limit", str(EXPORT_PAGE))] + ([("cursor", cursor)] if cursor else [])
            _raw, reply = await _get(hass, "/v1/samples", query)
            if partial := reply.get("partial"):
                raise BridgeError(
                    BRIDGE_UNAVAILABLE,
                    f"The storage bridge cannot read all of its stores now: {partial}",
                )
            try:
                rows = [_row(name, *sample) for sample in reply["samples"]]
                following = reply["next"]
            except (KeyError, TypeError, ValueError, OverflowError) as err:
                raise BridgeError(
                    BRIDGE_UNAVAILABLE, "The storage bridge's samples are not as they should be."
                ) from err
            if following == cursor:
                raise BridgeError(
                    BRIDGE_UNAVAILABLE, "The storage bridge repeats itself; update it."
                )
            cursor = following
            yield _csv(([header] if header else []) + rows)
            header = None


def _row(
    series: str, t: int, value: float | None, quality: str, batch: str | None
) -> tuple[Any, ...]:
    time = datetime.fromtimestamp(t / 1000, UTC).isoformat(timespec="milliseconds")
    return (series, t, time, value, quality, batch)


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _check_range(start: int, end: int) -> None:
    if start >= end:
        raise BridgeError(INVALID_RANGE, f"The range ends ({end}) before it starts ({start}).")


async def _get(
    hass: HomeAssistant, path: str, query: Sequence[tuple[str, str]]
) -> tuple[bytes, dict[str, Any]]:
    """One call of the bridge: its reply as it came, and decoded."""
    async with _open(hass, path, query) as response:
        status = response.status
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_REPLY:
                raise BridgeError(
                    BRIDGE_UNAVAILABLE,
                    f"The storage bridge's reply is larger than {MAX_REPLY} bytes; "
                    "ask for fewer series or points.",
                )
    raw = bytes(body)
    try:
        reply = json_loads(raw)
    except JSON_DECODE_EXCEPTIONS:
        reply = None
    if status == HTTPStatus.BAD_REQUEST:
        raise BridgeError(INVALID_RANGE, f"The storage bridge refuses: {_reason(reply)}.")
    if status != HTTPStatus.OK:
        raise BridgeError(
            BRIDGE_UNAVAILABLE, f"The storage bridge fails ({status}): {_reason(reply)}."
        )
    if not isinstance(reply, dict):
        raise BridgeError(BRIDGE_UNAVAILABLE, f"The storage bridge's reply to {path} is no object.")
    return raw, reply


@asynccontextmanager
async def _open(
    hass: HomeAssistant, path: str, query: Sequence[tuple[str, str]]
) -> AsyncIterator[ClientResponse]:
    if (registration := hass.data.get(BRIDGE)) is None:
        raise BridgeError(
            BRIDGE_UNAVAILABLE,
            "No storage bridge is connected; start smart-beer-bridge, or connect one in the "
            "options of the brewery.",
        )
    try:
        async with async_get_clientsession(hass).get(
            f"{registration.url}{path}",
            params=query,
            headers={"Authorization": f"Bearer {registration.secret}"},
            timeout=TIMEOUT,
            allow_redirects=False,  # the secret is for this address alone
        ) as response:
            yield response
    except TimeoutError as err:
        raise BridgeError(
            BRIDGE_UNAVAILABLE, f"The storage bridge did not answer within {TIMEOUT.total:g} s."
        ) from err
    except ClientError as err:
        raise BridgeError(
            BRIDGE_UNAVAILABLE, f"The storage bridge cannot be reached: {type(err).__name__}."
        ) from err


def _reason(reply: object) -> str:
    """The sentence of the bridge's error reply."""
    if isinstance(reply, dict) and isinstance(error := reply.get("error"), dict):
        return str(error.get("message")).rstrip(".")
    return "it gives no reason"
