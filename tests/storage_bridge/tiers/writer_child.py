"""A warm writer in a process of its own, for tests that kill it: `writer_child.py STORE`."""

import asyncio
import itertools
import sys
from pathlib import Path

from storage_bridge.model import Sample
from storage_bridge.tiers import embedded


async def main(path: Path) -> None:
    """Write batches for ever; print the number of samples after each that was acknowledged."""
    tiers = embedded(path)
    await tiers.open()
    for batch in itertools.count():
        rows = [
            Sample(f"n/{i % 4}", 1000 * (batch * 25 + i // 4), i / 16, "ok", f"b{batch}")
            for i in range(100)
        ]
        await tiers.warm.write(rows)
        print((batch + 1) * 100, flush=True)  # noqa: T201 - what the test waits for


asyncio.run(main(Path(sys.argv[1])))
