"""The whole bridge as a real process, killed -9 at random points."""

import asyncio
import random
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from storage_bridge.config import load
from storage_bridge.outbox_offline import read_status
from storage_bridge.stored import stored_samples

from .bridge_files import write_config
from .fake_home_assistant import FakeHomeAssistant, FakeNode
from .waiting import until

ROOT = Path(__file__).parents[2]
KILLS = 5


async def _start(config: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "storage_bridge", "run", "--config", str(config),
        cwd=ROOT, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.slow
async def test_the_tiers_hold_what_was_acknowledged_no_gap_no_duplicate(tmp_path: Path) -> None:
    chance = random.Random(6)
    nodes = [FakeNode(f"n{n}", 1000, channels=4) for n in range(3)]
    async with FakeHomeAssistant(*nodes, batch=100) as ha:
        path = write_config(tmp_path, ha.url)
        config = load(path)
        for _ in range(KILLS):
            process = await _start(path)
            try:
                sent = ha.sent
                wanted = sent + chance.randint(2, 40)
                for node in nodes:
                    ha.grow(node.node_id, 2000)
                async with asyncio.timeout(40):
                    while ha.sent < wanted:
                        assert process.returncode is None, "the bridge ended by itself"
                        await asyncio.sleep(0.002)
                await asyncio.sleep(chance.random() / 20)
            finally:
                process.kill()
            await process.communicate()
            acked = {node.node_id: ha.acked.get((node.node_id, node.spool), 0) for node in nodes}
            ledger = read_status(config.outbox_path)["coverage"]
            for node_id, seq in acked.items():
                if seq:
                    assert ledger[node_id][0]["resume"] >= seq, "an acknowledged batch is gone"
        process = await _start(path)
        try:
            await until(ha.acked_all, "everything is acknowledged in the end")
            await until(
                lambda: read_status(config.outbox_path)["outbox"]["rows"] == 0,
                "everything is in the tiers",
            )
        finally:
            process.send_signal(signal.SIGTERM)
            _, log = await process.communicate()
        assert process.returncode == 0, log.decode()
    stored = Counter([(s.series, s.t) async for s in stored_samples(config)])
    assert set(stored) == set().union(*(node.keys() for node in nodes))
    assert max(stored.values()) == 1
    assert not (config.data_dir / "runtime.json").exists()
    assert b"a-token-of-the-test" not in log
