"""A hot tier that lost its content is filled from warm."""

from storage_bridge.model import Last

from .base import HotTier, WarmTier

_BATCH = 5000


async def rebuild_hot(hot: HotTier, warm: WarmTier, since: int) -> int:
    """Copy the samples with `t >= since` (ms), and make the newest ones `last`; how many samples.

    `last` comes without seq, which warm does not know, and so yields to the next live sample.
    Safe while both are being fed; raises TierError.
    """
    copied = 0
    for series in await warm.series():
        span = await warm.span(series)
        if span is None:
            continue
        start, end = max(since, span.first), span.last + 1
        while not hot.shares_rows and start < end:
            rows = await warm.read(series, start, end, _BATCH)
            if not rows:
                break
            await hot.write(rows)
            copied += len(rows)
            start = rows[-1].t + 1
        for newest in await warm.read(series, span.last, end):
            rebuilt = Last(*newest[1:], spool_id=None, seq=None)
            await hot.write_last({series: rebuilt})
    return copied
