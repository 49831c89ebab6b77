"""The whole bridge as a real process, killed -9 at random points."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from storage_bridge.config import load
from storage_bridge.outbox_offline import read_status
from storage_bridge.stored import stored_samples

from .fake_home_assistant import TOKEN, FakeHomeAssistant, FakeNode
from .faults.process import BridgeProcess
from .waiting import until

KILLS = 5


@pytest.mark.slow
async def test_the_tiers_hold_what_was_acknowledged_no_gap_no_duplicate(tmp_path: Path) -> None:
    chance = random.Random(6)
    nodes = [FakeNode(f"n{n}", 1000, channels=4) for n in range(3)]
    async with FakeHomeAssistant(*nodes, batch=100) as ha:
        bridge = BridgeProcess(tmp_path, ha.url, module="storage_bridge")
        config = load(bridge.config)
        try:
            for _ in range(KILLS):
                await bridge.start()
                wanted = ha.sent + chance.randint(2, 40)
                for node in nodes:
                    ha.grow(node.node_id, 2000)
                async with asyncio.timeout(40):
                    while ha.sent < wanted:
                        assert bridge.running, bridge.log()
                        await asyncio.sleep(0.002)
                await asyncio.sleep(chance.random() / 20)
                await bridge.kill()
                ledger = read_status(config.outbox_path)["coverage"]
                for node in nodes:
                    if seq := ha.acked.get((node.node_id, node.spool), 0):
                        kept = ledger[node.node_id][0]["resume"]
                        assert kept >= seq, "an acknowledged batch is gone"
            await bridge.start()

            def delivered() -> bool:
                assert bridge.running, bridge.log()
                return bool(read_status(config.outbox_path)["outbox"]["rows"] == 0)

            await until(ha.acked_all, "everything is acknowledged in the end")
            await until(delivered, "everything is in the tiers")
            await bridge.terminate()
        finally:
            await bridge.kill()
    stored = Counter([(s.series, s.t) async for s in stored_samples(config)])
    assert set(stored) == set().union(*(node.keys() for node in nodes))
    assert max(stored.values()) == 1
    assert not (config.data_dir / "runtime.json").exists()
    assert TOKEN not in bridge.log()
