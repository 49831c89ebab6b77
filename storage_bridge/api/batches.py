"""The paths below `/v1/batches`."""

import asyncio
import logging
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import orjson
from aiohttp import web

from storage_bridge import batches
from storage_bridge.batch_record import dump, read_batch
from storage_bridge.model import T_MAX
from storage_bridge.records.model import MAX_TEXT
from storage_bridge.samples_file import FORMATS, Format, ParquetMissingError, Pieces, writer_of
from storage_bridge.stored import StoreError
from storage_bridge.tiers.base import TierError, TierUnavailableError

from . import query
from .context import CONTEXT, json_reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storage_bridge.model import Sample
    from storage_bridge.samples_file import Writer

LOGGER = logging.getLogger(__name__)

MAX_NOTE: Final = 4 * MAX_TEXT + 4096  # bytes of a request


async def listed(request: web.Request) -> web.Response:
    """Batches, oldest first: `{batches: [{batch_id, name, started, ended, running, kettles}]}`.

    Also `more`, whether there are others after them, and `partial`.
    """
    query.only(request, ("start", "end", "kettle", "limit"))
    start = query.number(request, "start", 0, T_MAX, 0)
    end = query.number(request, "end", 0, T_MAX, T_MAX)
    limit = query.number(request, "limit", 1, batches.MAX_BATCHES, batches.MAX_BATCHES)
    kettle = query.one(request, "kettle")
    return json_reply(
        await batches.list_batches(request.app[CONTEXT].tiers, start, end, kettle, limit)
    )


async def one(request: web.Request) -> web.Response:
    """A batch with its kettles, series, alarms, acknowledgements and notes."""
    query.only(request, ())
    context = request.app[CONTEXT]
    return json_reply(
        await batches.describe(context.tiers, context.reader, request.match_info["id"])
    )


async def export(request: web.Request) -> web.StreamResponse:
    """Every sample of a batch as `format=csv|parquet`, streamed; Parquet has its record too.

    What fails on the way cuts the connection, so that no file passes as whole which is not.
    """
    query.only(request, ("format",))
    name = _format(request)
    batch_id = request.match_info["id"]
    context, record = request.app[CONTEXT], None
    if name == "parquet":
        try:
            record = dump(await read_batch(context.tiers, batch_id))
        except StoreError as err:
            raise TierUnavailableError(str(err)) from err
    pieces = Pieces()
    try:
        writer = writer_of(name, pieces, record)
    except ParquetMissingError as err:
        raise query.BadQueryError(str(err)) from err
    samples = batches.batch_samples(context.tiers, context.reader, batch_id)
    async with aclosing(samples) as pages:
        try:
            first: list[Sample] = await anext(pages, [])
        except StoreError as err:
            raise TierUnavailableError(str(err)) from err
        response = web.StreamResponse(
            headers={
                "Content-Type": FORMATS[name],
                "Content-Disposition": f"attachment; filename*=UTF-8''{quote(batch_id, '')}.{name}",
            }
        )
        await response.prepare(request)
        try:
            await _stream(response, writer, pieces, first, pages)
        except (StoreError, TierError) as err:
            LOGGER.warning("The export of batch %s was cut off: %s", batch_id, err)
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError as err:
            LOGGER.debug("The export of batch %s was given up by its reader: %s", batch_id, err)
    return response


async def note(request: web.Request) -> web.Response:
    """Add a note `{text, by, kettle_id?}` to a batch; answers with the note, 201."""
    query.only(request, ())
    fields = await _body(request)
    kettle_id = _text(fields, "kettle_id") if "kettle_id" in fields else None
    by, text = _text(fields, "by"), _text(fields, "text")
    with query.sense():
        made = await batches.add_note(
            request.app[CONTEXT].tiers,
            request.match_info["id"],
            by=by,
            text=text,
            now=time.time_ns() // 1_000_000,
            kettle_id=kettle_id,
        )
    return json_reply(made.body(), 201)


async def _body(request: web.Request) -> dict[str, object]:
    if (request.content_length or 0) > MAX_NOTE:
        raise query.BadQueryError(f"A note has at most {MAX_TEXT} characters")
    try:
        fields = orjson.loads(await request.read())
    except orjson.JSONDecodeError as err:
        raise query.BadQueryError(f"The body is no JSON: {err}") from err
    if not isinstance(fields, dict) or fields.keys() - {"text", "by", "kettle_id"}:
        raise query.BadQueryError("The body must be an object with text, by and perhaps kettle_id")
    return fields


def _text(fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise query.BadQueryError(f"`{name}` must be a text")
    return value


def _format(request: web.Request) -> Format:
    name = query.one(request, "format") or "csv"
    found = next((known for known in FORMATS if known == name), None)
    if found is None:
        raise query.BadQueryError(f"Parameter 'format' must be {' or '.join(FORMATS)}")
    return found


async def _stream(
    response: web.StreamResponse,
    writer: Writer,
    pieces: Pieces,
    first: list[Sample],
    pages: AsyncIterator[list[Sample]],
) -> None:
    await asyncio.to_thread(writer.write, first)
    await response.write(pieces.take())
    async for samples in pages:
        await asyncio.to_thread(writer.write, samples)
        if piece := pieces.take():
            await response.write(piece)
    await asyncio.to_thread(writer.close)
    await response.write(pieces.take())
    await response.write_eof()
