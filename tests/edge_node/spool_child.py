"""A process that writes a spool as fast as it can, until it is killed.

After each tick it prints what it has served: `seq t`. Run as
`python -m tests.edge_node.spool_child FOLDER SERIES TICKS_AT_MOST`.
"""

import asyncio
import sys
from pathlib import Path

from edge_node.spool import Entry, Spool


async def main(folder: Path, series: int, most: int) -> None:
    spool = Spool(folder / "spool.db", max_bytes=2**26, kernel_boot="boot")
    await spool.open()
    after = spool.last_seq
    # Each process begins a day of its own, so that no two ever take the same second.
    start = 86_400_000 * int((folder / "runs").read_text())
    for tick in range(most):
        t = start + tick * 1000
        spool.submit([Entry(t, t, f"n/{number}", float(tick), "ok") for number in range(series)])
        await spool.wait(after, 0.05)
        page = await spool.read(after, 1000)
        after = page.next
        state = f"{spool.lost} {spool.problem is not None} {spool.last_seq}"
        sys.stdout.write("".join(f"{row[0]} {row[1]}\n" for row in page.samples))
        sys.stdout.write(f"# {state}\n")
        sys.stdout.flush()
    await spool.close()


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
