"""`/api/smart_beer/export`: stored samples as a file, for people who are logged in."""

import asyncio
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import probatio
from aiohttp import web
from homeassistant.auth.permissions.const import POLICY_READ
from homeassistant.components.http import KEY_HASS, KEY_HASS_USER, HomeAssistantView
from homeassistant.exceptions import Unauthorized

from .bridge_http import BRIDGE_UNAVAILABLE, NO_SUCH_BATCH, BridgeError
from .const import LOGGER
from .history import async_export
from .stored_batches import CONTENT_TYPES, async_batch_file
from .validators import BATCH, SERIES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable

    from homeassistant.core import HomeAssistant

MAX_SERIES: Final = 32
READER_S: Final = 300.0  # how long a piece may take to be taken, before its reader is given up
# Query parameters of the core's signed addresses, which a download link needs.
SIGNED: Final = frozenset({"authSig"})

_TIME = probatio.All(probatio.Coerce(int), probatio.Range(min=0))
OF_SERIES = probatio.Schema(
    {
        probatio.Required("series"): probatio.All([SERIES], probatio.Length(min=1, max=MAX_SERIES)),
        probatio.Required("start"): _TIME,
        probatio.Required("end"): _TIME,
        probatio.Optional("format", default="csv"): "csv",
    }
)
OF_BATCH = probatio.Schema(
    {
        probatio.Required("batch"): BATCH,
        probatio.Optional("format", default="csv"): probatio.In(CONTENT_TYPES),
    }
)
_STATUS: Final = {
    BRIDGE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    NO_SUCH_BATCH: HTTPStatus.NOT_FOUND,
}


class _ReaderGoneError(Exception):
    """The reader of an export keeps its connection, and takes next to nothing."""


class ExportView(HomeAssistantView):
    """Streams the bridge's samples; holds no more than a page of them."""

    url = "/api/smart_beer/export"
    name = "api:smart_beer:export"

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The file of `?series=&series=&start=&end=` (UTC ms), or of `?batch=&format=csv|parquet`.

        400 for a query that is wrong, 404 for a batch that is not there, 503 without a bridge, each
        with a reason. A bridge that fails half-way cuts the connection, so that no file passes as
        whole which is not.
        """
        if not request[KEY_HASS_USER].permissions.access_all_entities(POLICY_READ):
            raise Unauthorized
        try:
            query = _query(request)
        except probatio.Invalid as err:
            return self.json_message(f"Export: {err}", HTTPStatus.BAD_REQUEST)
        async with aclosing(_pieces(request.app[KEY_HASS], query)) as pieces:
            try:
                first = await anext(pieces, b"")
            except BridgeError as err:
                status = _STATUS.get(err.code, HTTPStatus.BAD_REQUEST)
                return self.json_message(str(err), status, err.code)
            response = web.StreamResponse(headers=_headers(query))
            await _stream(request, response, first, pieces)
            return response


def _query(request: web.Request) -> dict[str, Any]:
    """The parameters of a request; probatio.Invalid where they make no sense."""
    given: dict[str, Any] = {
        name: request.query[name] for name in request.query if name not in SIGNED
    }
    schema = OF_BATCH
    if "batch" not in given:
        schema = OF_SERIES
        given["series"] = request.query.getall("series", [])
    checked: dict[str, Any] = schema(given)
    return checked


async def _pieces(hass: HomeAssistant, query: dict[str, Any]) -> AsyncGenerator[bytes]:
    """The file; raises BridgeError, also half-way."""
    if "batch" in query:
        async with aclosing(async_batch_file(hass, query["batch"], query["format"])) as pieces:
            async for piece in pieces:
                yield piece
    else:
        pages = async_export(hass, query["series"], query["start"], query["end"])
        async with aclosing(pages):
            async for text in pages:
                yield text.encode()


def _headers(query: dict[str, Any]) -> dict[str, str]:
    name = quote(f"{query.get('batch', 'smart-beer')}.{query['format']}", safe="")
    return {
        "Content-Type": CONTENT_TYPES[query["format"]],
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
    }


async def _stream(
    request: web.Request,
    response: web.StreamResponse,
    first: bytes,
    pieces: AsyncGenerator[bytes],
) -> None:
    try:
        await response.prepare(request)
        await _taken(response.write(first))
        async for piece in pieces:
            await _taken(response.write(piece))
        await _taken(response.write_eof())
    except (BridgeError, _ReaderGoneError) as err:
        LOGGER.warning("An export was cut off: %s", err)
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError as err:
        LOGGER.debug("An export was given up by its reader: %s", err)


async def _taken(written: Awaitable[None]) -> None:
    """Wait until the reader has taken most of what is written; it may be slow, but not asleep."""
    try:
        async with asyncio.timeout(READER_S):
            await written
    except TimeoutError as err:
        raise _ReaderGoneError(f"its reader took next to nothing for {READER_S:g} s") from err
