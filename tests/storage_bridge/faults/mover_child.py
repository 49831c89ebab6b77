"""Archives what is old enough on the configured stores, without pause: `mover_child.py CONFIG`."""

import asyncio
import sys
import time
from pathlib import Path

from storage_bridge.config import load
from storage_bridge.keeper import DAY_MS
from storage_bridge.mover import Moved, Mover
from storage_bridge.tiers import tiers_of
from storage_bridge.tiers.base import TierUnavailableError


async def main(path: Path) -> None:
    """Until it is killed; a store that is away is asked again. The stores keep what they say."""
    config = load(path)
    tiers = tiers_of(config.tiers, config.store_path)
    keep_ms = config.tiers.warm_days * DAY_MS
    mover = Mover(
        tiers.warm,
        tiers.cold,
        keep_ms=keep_ms,
        settle_s=0.2,
        hours_per_pass=50,
        progress=_tell,
    )
    while True:
        try:
            await tiers.warm.open()
            await tiers.cold.open()
            result = await mover.run_pass(time.time_ns() // 1_000_000)
        except TierUnavailableError as err:
            print(err, flush=True)  # noqa: T201 - its log
            await asyncio.sleep(0.2)
            continue
        for sentence in result.failed:
            print(sentence, flush=True)  # noqa: T201 - its log
        await asyncio.sleep(0.02)


def _tell(moved: Moved) -> None:
    print(f"{moved.done} of {moved.due} hours, {moved.failed} failed", flush=True)  # noqa: T201 - its log


asyncio.run(main(Path(sys.argv[1])))
