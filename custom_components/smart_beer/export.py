"""`/api/smart_beer/export`: stored samples as a CSV file, for people who are logged in."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

import probatio
from aiohttp import web
from homeassistant.auth.permissions.const import POLICY_READ
from homeassistant.components.http import KEY_HASS, KEY_HASS_USER, HomeAssistantView
from homeassistant.exceptions import Unauthorized

from .const import LOGGER
from .history import BRIDGE_UNAVAILABLE, BridgeError, async_export
from .validators import SERIES

MAX_SERIES: Final = 32
# Query parameters of the core's signed addresses, which a download link needs.
SIGNED: Final = frozenset({"authSig"})

QUERY = probatio.Schema(
    {
        probatio.Required("series"): probatio.All([SERIES], probatio.Length(min=1, max=MAX_SERIES)),
        probatio.Required("start"): probatio.All(probatio.Coerce(int), probatio.Range(min=0)),
        probatio.Required("end"): probatio.All(probatio.Coerce(int), probatio.Range(min=0)),
        probatio.Optional("format", default="csv"): "csv",
    }
)


class ExportView(HomeAssistantView):
    """Streams the bridge's samples; holds no more than a page of them."""

    url = "/api/smart_beer/export"
    name = "api:smart_beer:export"

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The CSV of `?series=&series=&start=&end=&format=csv` (UTC milliseconds).

        400 for a query that is wrong, 503 without a bridge, both with a reason. A bridge that
        fails half-way cuts the connection, so that no file passes as whole which is not.
        """
        if not request[KEY_HASS_USER].permissions.access_all_entities(POLICY_READ):
            raise Unauthorized
        given = {name: request.query[name] for name in request.query if name not in SIGNED}
        try:
            query = QUERY({**given, "series": request.query.getall("series", [])})
        except probatio.Invalid as err:
            return self.json_message(f"Export: {err}", HTTPStatus.BAD_REQUEST)
        pages = async_export(request.app[KEY_HASS], query["series"], query["start"], query["end"])
        async with aclosing(pages):
            try:
                text = await anext(pages)
            except BridgeError as err:
                status = (
                    HTTPStatus.SERVICE_UNAVAILABLE
                    if err.code == BRIDGE_UNAVAILABLE
                    else HTTPStatus.BAD_REQUEST
                )
                return self.json_message(str(err), status, err.code)
            return await _stream(request, text, pages)


async def _stream(
    request: web.Request, text: str, pages: AsyncGenerator[str]
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": 'attachment; filename="smart-beer.csv"',
        }
    )
    try:
        await response.prepare(request)
        await response.write(text.encode())
        async for following in pages:
            await response.write(following.encode())
        await response.write_eof()
    except BridgeError as err:
        LOGGER.warning("An export was cut off: %s", err)
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError as err:
        LOGGER.debug("An export was given up by its reader: %s", err)
    return response
