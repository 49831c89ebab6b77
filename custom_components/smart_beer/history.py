"""Stored samples: questions passed on to the storage bridge."""

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from .bridge_http import BRIDGE_UNAVAILABLE, INVALID_RANGE, BridgeError, async_call

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from homeassistant.core import HomeAssistant

EXPORT_PAGE: Final = 2000
CSV_HEADER: Final = ("series", "t", "time", "value", "quality", "batch")


async def async_history(
    hass: HomeAssistant, series: Sequence[str], start: int, end: int, points: int
) -> bytes:
    """The bridge's `/v1/history` reply as JSON, unchanged; `start` <= t < `end` in UTC ms.

    Raises BridgeError.
    """
    _check_range(start, end)
    query = [("series", name) for name in series]
    query += [("start", str(start)), ("end", str(end)), ("points", str(points))]
    raw, _reply = await async_call(hass, "/v1/history", query)
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
            _raw, reply = await async_call(hass, "/v1/samples", query)
            if partial := reply.get("partial"):
                raise BridgeError(
                    BRIDGE_UNAVAILABLE,
                    f"The storage bridge cannot give all samples now: {partial}",
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
