"""Which series a Redis holds: asked in few round trips, however many there are."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from storage_bridge.model import HOUR_MS, MINUTE_MS, Sample
from storage_bridge.tiers.redis_client import Command
from storage_bridge.tiers.redis_hot import RedisHot
from storage_bridge.tiers.redis_settings import RedisSettings
from tests.storage_bridge.servers.redis import PREFIX

NOW = time.time_ns() // 1_000_000
BASE = NOW - NOW % HOUR_MS - HOUR_MS
BUSY = [Sample("n/busy", BASE - n * MINUTE_MS, 1.0, "ok", None) for n in range(700)]
SILENT = [
    Sample(f"n/t{n}", BASE - n * MINUTE_MS, 1.0, "ok", None) for n in (0, 1, 8, 9, 73, 600, 699)
]
MANY = [Sample(f"m{n}/t", BASE - n % 3 * MINUTE_MS, 1.0, "ok", None) for n in range(1200)]


async def test_series_are_found_in_whatever_minute_of_their_node_they_are(redis_url: str) -> None:
    """However long a channel has been silent, and in as many round trips for many as for few."""
    hot = RedisHot(RedisSettings(url=redis_url, prefix=f"{PREFIX}{uuid.uuid4().hex}"))
    await hot.open()
    try:
        rows = [*BUSY, *SILENT, *MANY]
        await hot.write(rows)
        calls = _counted(hot)
        assert await hot.series() == sorted({row.series for row in rows})
        assert len(calls) <= 20
        assert max(calls) <= 600, "no call is long"
        await hot.expire(BASE - MINUTE_MS)
        assert await hot.series() == sorted(
            {row.series for row in rows if row.t >= BASE - MINUTE_MS}
        )
    finally:
        await hot.close()


def _counted(hot: RedisHot) -> list[int]:
    """How many commands were in each of the calls from now on."""
    run, calls = hot._client.run, list[int]()

    async def counted(commands: Sequence[Command]) -> list[Any]:
        calls.append(len(commands))
        return await run(commands)

    hot._client.run = counted  # type: ignore[method-assign]
    return calls
