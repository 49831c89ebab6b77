"""A mover in a process of its own, for tests that kill it: `mover_child.py STORE NOW_MS`."""

import asyncio
import sys
from pathlib import Path

from storage_bridge.mover import Mover
from storage_bridge.tiers import embedded


async def main(path: Path, now_ms: int) -> None:
    """Move all there is, without a settle time to speak of, until killed."""
    tiers = embedded(path)
    await tiers.open()
    mover = Mover(tiers.warm, tiers.cold, keep_ms=0, settle_s=0.001, hours_per_pass=3)
    print("ready", flush=True)  # noqa: T201 - what the test waits for
    while True:
        await mover.run_pass(now_ms)


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
