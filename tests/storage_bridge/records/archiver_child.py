"""An archiver in a process of its own, for tests that kill it: `archiver_child.py STORE`."""

import asyncio
import sys
from pathlib import Path

from storage_bridge.records.archive import RecordArchiver
from storage_bridge.tiers import embedded


async def main(path: Path) -> None:
    """Archive all there is, without a settle time to speak of, until killed."""
    tiers = embedded(path)
    await tiers.open()
    archiver = RecordArchiver(tiers.warm.records, tiers.cold.records, settle_s=0.0001, per_pass=7)
    print("ready", flush=True)  # noqa: T201 - what the test waits for
    while True:
        await archiver.run_pass()


asyncio.run(main(Path(sys.argv[1])))
