"""What each path answers."""

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web

from storage_bridge.side_by_side import side_by_side
from storage_bridge.tiers.base import Tier, TierError

from . import query
from .context import CONTEXT, json_reply

if TYPE_CHECKING:
    from storage_bridge.model import Last

SERIES_S: Final = 10.0  # what each tier may take to tell all its series
AT_ONCE: Final = 8  # series of a tier that are looked at side by side


async def series(request: web.Request) -> web.Response:
    """Every stored series: `{series: [{series, first, last}], partial}`, times in ms."""
    query.only(request, ())
    context = request.app[CONTEXT]
    spans: dict[str, tuple[int, int]] = {}
    partial: list[dict[str, str]] = []

    async def ask(tier: Tier) -> None:
        try:
            async with asyncio.timeout(SERIES_S):
                names = iter(await tier.series())

                async def look() -> None:
                    for name in names:
                        span = await tier.span(name)
                        if span is not None:
                            low, high = spans.get(name, span)
                            spans[name] = (min(low, span.first), max(high, span.last))

                await side_by_side(AT_ONCE, look)
        except TimeoutError:
            error = f"The {tier.role} tier did not answer within {SERIES_S:g} s."
            partial.append({"tier": tier.role, "error": error})
        except TierError as err:
            partial.append({"tier": tier.role, "error": str(err)})

    tiers: tuple[Tier, ...] = tuple(context.tiers)
    await asyncio.gather(*(ask(tier) for tier in tiers))
    listed = [
        {"series": name, "first": low, "last": high} for name, (low, high) in sorted(spans.items())
    ]
    return json_reply({"series": listed, "partial": partial})


async def samples(request: web.Request) -> web.Response:
    """One series exactly: `{series, samples: [[t, value, quality, batch]], next, partial}`.

    `next` is the `cursor` to ask with for what follows, null at the end of the range.
    """
    query.only(request, ("series", "start", "end", "limit", "cursor"))
    name = query.one_series(request)
    start, end = query.time_range(request)
    limit = query.number(request, "limit", 1, query.MAX_LIMIT, query.DEFAULT_LIMIT)
    with query.sense():
        page = await request.app[CONTEXT].reader.samples(
            name, start, end, limit, query.cursor(request)
        )
    rows = [sample[1:] for sample in page.samples]
    return json_reply(
        {"series": name, "samples": rows, "next": page.cursor, "partial": page.partial}
    )


async def history(request: web.Request) -> web.Response:
    """Charts: min, max and mean of each bucket, for one or more series."""
    query.only(request, ("series", "start", "end", "points"))
    names = query.series_list(request)
    start, end = query.time_range(request)
    points = query.number(request, "points", 1, query.MAX_POINTS)
    with query.sense():
        chart = await request.app[CONTEXT].reader.history(names, start, end, points)
    return json_reply(chart)


async def live(request: web.Request) -> web.Response:
    """The newest sample of each series, or of those asked for.

    `{samples: {series: [t, value, quality, batch]}, partial}`.
    """
    query.only(request, ("series",))
    context = request.app[CONTEXT]
    wanted = query.series_list(request) if "series" in request.query else None
    newest: dict[str, Last] = await context.tiers.hot.newest()
    stale = context.stale()
    return json_reply(
        {
            "samples": {
                name: [last.t, last.value, last.quality, last.batch]
                for name, last in newest.items()
                if wanted is None or name in wanted
            },
            "partial": [] if stale is None else [{"tier": "hot", "error": stale}],
        }
    )


async def status(request: web.Request) -> web.Response:
    """Everything the bridge knows of itself."""
    query.only(request, ())
    return json_reply(await request.app[CONTEXT].status())


async def healthz(request: web.Request) -> web.Response:
    """200 while samples can be taken in, else 503 with the part that fails."""
    failing = request.app[CONTEXT].failing()
    if failing is None:
        return json_reply({"status": "ok"})
    return json_reply({"status": "failing", "part": failing}, 503)


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text."""
    async with asyncio.timeout(10):
        text = await request.app[CONTEXT].metrics()
    return web.Response(
        body=text.encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )
