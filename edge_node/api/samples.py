"""The samples, by cursor: as one answer, or as a stream of the same answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

from edge_node.api.auth import unknown_token
from edge_node.api.errors import ApiError, dump, envelope, reply
from edge_node.api.operation import Call, Operation
from edge_node.api.replies import (
    ENVELOPE,
    RANGE,
    TEXT,
    WHOLE,
    array,
    optional,
    record,
)
from edge_node.api.schema import Integer, Number, Parameter, Text
from edge_node.spool import SpoolError
from edge_node.tokens import Scope

if TYPE_CHECKING:
    from edge_node.spool import Spool, SpoolPage

MAX_SEQ = 2**63 - 1
STREAM_WAIT_S = 15.0
READ_TRIES = 5
READ_AGAIN_S = 0.05
MIN_STREAM_WAIT_S = 1.0  # shorter would be a busy loop


async def get_samples(call: Call) -> web.StreamResponse:
    """The samples after a cursor, waiting for some if asked to."""
    query = call.query
    if query["stream"] == "1":
        return await _stream(call)
    spool = call.node.spool
    spool_id = _check_cursor(spool, query["after"], query["spool"])
    await _wait(spool, query["after"], query["wait"] or 0.0)
    if call.revoked:  # during the wait
        raise unknown_token()
    page = await _page(spool, spool_id, query["after"], query["limit"])
    if page is None:
        raise _other_spool(spool)
    return reply(call.node, page)


async def _stream(call: Call) -> web.StreamResponse:
    """Answer after answer, one a line, for the cursor moved on each time."""
    node, after = call.node, call.query["after"]
    wait = STREAM_WAIT_S if call.query["wait"] is None else call.query["wait"]
    if wait < MIN_STREAM_WAIT_S:
        raise ApiError(
            400,
            "bad_parameter",
            f"wait must be {MIN_STREAM_WAIT_S:g} to 30 with stream=1",
            detail={"parameter": "wait"},
        )
    spool_id = _check_cursor(node.spool, after, call.query["spool"])
    response = web.StreamResponse(headers={"Cache-Control": "no-store"})
    response.content_type = "application/x-ndjson"
    await response.prepare(call.request)
    loop = asyncio.get_running_loop()
    end = loop.time() + call.services.limits.stream_s
    while (left := end - loop.time()) > 0:
        wait = min(wait, left)
        begun = loop.time()
        await _wait(node.spool, after, wait)
        if call.revoked:
            break
        page = await _page(node.spool, spool_id, after, call.query["limit"])
        if page is None:
            break
        await response.write(dump({**page, **envelope(node)}) + b"\n")
        if page["next"] == after and loop.time() - begun < wait / 2:
            break  # a wait that ends early with nothing: the spool is being closed
        after = page["next"]
    await response.write_eof()
    return response


async def _wait(spool: Spool, after: int, seconds: float) -> None:
    if seconds > 0 and spool.last_seq <= after:
        await spool.wait(after, seconds)


def _check_cursor(spool: Spool, after: int, spool_id: str | None) -> str:
    """Return the spool's id; ApiError 409 `other_spool` if the cursor is not one of this spool."""
    if spool_id not in (None, spool.spool_id) or after > spool.last_seq:
        raise _other_spool(spool)
    return spool.spool_id


def _other_spool(spool: Spool) -> ApiError:
    return ApiError(
        409,
        "other_spool",
        f"the cursor is not of this spool, {spool.spool_id}, which ends at {spool.last_seq}: "
        "start again with after=0",
        detail={"spool_id": spool.spool_id, "last_seq": spool.last_seq},
    )


async def _page(spool: Spool, spool_id: str, after: int, limit: int) -> dict[str, Any] | None:
    """What a poll answers, without the envelope; None if the spool is another by now.

    Raises ApiError 503 `spool_failing` if it cannot be read.
    """
    for _ in range(READ_TRIES):
        first = spool.first_seq
        try:
            page = await spool.read(after, limit)
        except SpoolError as err:
            if spool.spool_id != spool_id:
                return None
            raise ApiError(503, "spool_failing", f"{err}") from err
        if spool.spool_id != spool_id:
            return None
        # The oldest samples may have been dropped during the read: then what the reader is told to
        # be gone and what it is given would not fit together.
        if spool.first_seq == first and _joins(page, max(after + 1, first), spool.holes):
            break
        await asyncio.sleep(READ_AGAIN_S)
    content: dict[str, Any] = {
        "spool_id": spool_id,
        "first_seq": spool.first_seq,
        "last_seq": spool.last_seq,
        "next": page.next,
        "holes": [{"from": start, "to": end} for start, end in spool.holes],
        "series": page.series,
        "batches": page.batches,
        "samples": page.samples,
    }
    if after + 1 < spool.first_seq:
        content["gap"] = {"from": after + 1, "to": spool.first_seq - 1}
    return content


def _joins(page: SpoolPage, wanted: int, holes: list[tuple[int, int]]) -> bool:
    """Whether the page begins with the sample wanted, or with the first behind a hole there."""
    if not page.samples:
        return True
    for start, end in sorted(holes):
        if start <= wanted <= end:
            wanted = end + 1
    first: int = page.samples[0][0]
    return first <= wanted


SAMPLE = {
    "type": "array",
    "prefixItems": [
        {"type": "integer", "minimum": 1, "description": "seq"},
        {"type": "integer", "description": "t, UTC milliseconds"},
        {"type": "integer", "minimum": 0, "description": "index into series"},
        {"type": ["number", "null"], "description": "value, null if the reading is bad"},
        {"type": "string", "description": "ok, suspect:<cause> or bad:<cause>"},
        {"type": ["integer", "null"], "minimum": 0, "description": "index into batches"},
    ],
    "minItems": 6,
    "maxItems": 6,
}
PAGE = optional(
    record(
        spool_id=TEXT,
        first_seq=WHOLE,
        last_seq=WHOLE,
        next=WHOLE,
        holes=array(RANGE),
        series=array(TEXT),
        batches=array(TEXT),
        samples=array(SAMPLE),
        **ENVELOPE,
    ),
    gap=RANGE,
)

OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/samples",
        handler=get_samples,
        summary="Committed samples after a cursor, in order of seq",
        scope=Scope.READ,
        streams=True,
        query=(
            Parameter(
                name="after",
                kind=Integer(0, MAX_SEQ),
                description="the last seq the reader has",
                default=0,
            ),
            Parameter(
                name="spool",
                kind=Text(pattern="[0-9A-Za-z_-]{1,64}"),
                description="the spool_id that seq is of",
            ),
            Parameter(
                name="limit",
                kind=Integer(1, 10_000),
                description="at most so many samples in one answer",
                default=1000,
            ),
            Parameter(
                name="wait",
                kind=Number(0, 30),
                description="wait so many seconds for a sample, if there is none yet; "
                "with stream=1 at least 1, and 15 unless given",
            ),
            Parameter(
                name="stream",
                kind=Text(choices=("0", "1")),
                description="1: go on, one answer a line; the server ends it after ten minutes, "
                "or when the spool is another",
                default="0",
            ),
        ),
        content={"application/json": PAGE, "application/x-ndjson": {"type": "string"}},
        refusals={
            409: "`other_spool`: start again with after=0",
            503: "`spool_failing`: the spool cannot be read; the node's alarms say why",
        },
    ),
)
