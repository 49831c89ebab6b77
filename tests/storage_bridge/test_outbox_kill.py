"""The outbox under kill -9, as a real process."""

import asyncio
import random
import sys
from pathlib import Path

from storage_bridge.coverage import contiguous_end
from storage_bridge.outbox import Outbox
from storage_bridge.outbox_batch import parse_message

from .events import batch, keys

ROOT = Path(__file__).parents[2]
ROUNDS = 5


async def test_what_was_acknowledged_survives_kill_9_at_random_points(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    chance = random.Random(4)
    acknowledged: list[int] = []
    first = 1
    for _ in range(ROUNDS):
        acknowledged += await _killed_after(
            path, first, chance.randint(1, 60), chance.random() / 30
        )
        first = max(acknowledged) + 20
        outbox = Outbox(path, max_bytes=1 << 30)
        try:
            [spool] = (await outbox.ledger())["mash-a"]
            stored: list[tuple[str, int]] = []
            while (pending := await outbox.read("warm")) is not None:
                rows = [parse_message(message) for message in pending.messages()]
                stored += [key for row in rows for key in keys(row)]
                outbox._cursors["warm"] = pending.row_id  # read on, without telling the file
            truth = {key for low in acknowledged for key in keys(batch(low, low + 19)[0])}
            assert truth <= set(stored), "an acknowledged sample is gone"
            assert len(stored) == len(set(stored)), "a sample is there twice"
            assert contiguous_end(spool["coverage"]) >= max(acknowledged) + 19
            assert spool["samples"] == len(stored), "coverage and rows disagree"
            first = spool["resume"] + 1
        finally:
            await outbox.close()


async def _killed_after(path: Path, first: int, lines: int, delay: float) -> list[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.storage_bridge.outbox_child", str(path), str(first),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            seen = []
            for _ in range(lines):
                line = await process.stdout.readline()
                assert line, "it ended by itself; its error output says of what"
                seen.append(int(line))
            await asyncio.sleep(delay)
    finally:
        process.kill()
    rest = await process.stdout.read()
    await process.wait()
    # A line cut by the kill was acknowledged too, but which number it was is lost.
    return seen + [int(line) for line in rest.split(b"\n")[:-1]]
