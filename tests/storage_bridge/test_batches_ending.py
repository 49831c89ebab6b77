"""A batch that is over is shown so with its first samples without it, before its record says so."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, override

import pytest

from storage_bridge.app import Bridge
from storage_bridge.batches import describe, list_batches
from storage_bridge.config import BridgeConfig, load
from storage_bridge.model import Last, Sample
from storage_bridge.reader import Missing, Reader
from storage_bridge.records.model import Batch, BatchSeries
from storage_bridge.tiers import Tiers
from storage_bridge.tiers.base import TierUnavailableError

from .bridge_files import write_config
from .events import EPOCH
from .fake_home_assistant import FakeHomeAssistant, FakeNode
from .reading import tiers
from .waiting import answered, until

__all__ = ["tiers"]

T = 1_790_000_000_000
OVER = T + 600_000  # the last second of the batch


async def brewed(tiers: Tiers, kettle: str = "mash-tun", node: str = "m") -> None:
    """Ten minutes of a batch; nothing of it is in warm yet but that it began."""
    for name in ("probe", "heater", "setpoint"):
        await tiers.warm.records.put([BatchSeries("B", f"{node}/{name}", kettle, T, None)])
    await tiers.warm.records.put([Batch("B", kettle, T, None, "B", "", 0)])
    await tiers.hot.write(
        [Sample(f"{node}/probe", t, 1.0, "ok", "B") for t in range(T, OVER + 1, 1000)]
        + [Sample(f"{node}/heater", t, 1.0, "ok", "B") for t in range(T, OVER, 60_000)]
    )
    await tiers.hot.write_last(
        {
            f"{node}/probe": Last(OVER, 1.0, "ok", "B", "s", 9),
            f"{node}/heater": Last(OVER - 60_000, 1.0, "ok", "B", "s", 8),
            f"{node}/setpoint": Last(T, 1.0, "ok", "B", "s", 1),  # off since then
        }
    )


async def ends(tiers: Tiers, node: str = "m") -> None:
    """The first three samples without the batch."""
    after = [Sample(f"{node}/probe", OVER + n * 1000, 1.0, "ok", None) for n in (1, 2, 3)]
    await tiers.hot.write(after)
    await tiers.hot.write_last({f"{node}/probe": Last(OVER + 3000, 1.0, "ok", None, "s", 12)})


async def shown(tiers: Tiers, *, ended: bool = False) -> Any:
    """The one batch, whole; with `ended` also its end, of stores that may be slow to answer."""

    async def ask() -> Any:
        reply = await list_batches(tiers, None, None, None, 10)
        if reply["partial"]:
            raise TierUnavailableError(str(reply["partial"]))
        (batch,) = reply["batches"]
        if ended and batch["ended"] is None:
            raise TierUnavailableError(f"There is no end: {batch}")
        return batch

    return await answered(ask)


async def test_the_end_is_shown_exactly_before_it_is_recorded(tiers: Tiers) -> None:
    await brewed(tiers)
    assert (await shown(tiers))["running"] is True
    await ends(tiers)
    batch = await shown(tiers)
    assert (batch["running"], batch["ended"]) == (False, OVER)
    assert batch["kettles"] == [
        {"kettle_id": "mash-tun", "started": T, "ended": OVER, "running": False}
    ]
    whole = await describe(tiers, Reader(*tiers), "B")
    assert (whole["running"], whole["ended"]) == (False, OVER)
    assert [(one["series"], one["last"], one["samples"]) for one in whole["series"]] == [
        ("m/heater", OVER - 60_000, 10),
        ("m/probe", OVER, 601),
        ("m/setpoint", T, 0),
    ]


async def test_the_end_is_shown_alike_while_warm_lacks_what_came_after_it(tiers: Tiers) -> None:
    await brewed(tiers)
    await ends(tiers)
    lacking = [Missing(tier="warm", error="It takes nothing.")]
    whole = await describe(tiers, Reader(*tiers, lacking=lambda: lacking), "B")
    assert (whole["running"], whole["ended"], whole["partial"]) == (False, OVER, lacking)
    (listed,) = (await list_batches(tiers, None, None, None, 9))["batches"]
    assert (listed["running"], listed["ended"]) == (False, OVER)


async def test_a_batch_that_is_over_in_one_kettle_runs_in_the_other(tiers: Tiers) -> None:
    await brewed(tiers)
    await brewed(tiers, "fermenter", "f")
    await ends(tiers)
    batch = await shown(tiers)
    assert (batch["running"], batch["ended"]) == (True, None)
    assert {one["kettle_id"]: one["ended"] for one in batch["kettles"]} == {
        "mash-tun": OVER, "fermenter": None,
    }  # fmt: skip


async def test_an_end_that_cannot_be_looked_up_is_left_to_the_record(
    tiers: Tiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_args: object) -> None:
        raise TierUnavailableError("The store has gone.")

    await brewed(tiers)
    await ends(tiers)
    monkeypatch.setattr(type(tiers.hot), "read", away)
    batch = await shown(tiers)
    assert (batch["running"], batch["ended"]) == (False, None)


async def test_a_recorded_end_is_shown_whatever_a_silent_series_said_last(tiers: Tiers) -> None:
    await brewed(tiers)
    await ends(tiers)
    await tiers.warm.records.put([Batch("B", "mash-tun", T, OVER - 5, "B", "", 0)])
    batch = await shown(tiers)
    assert (batch["running"], batch["ended"]) == (False, OVER - 5)


class _Vat(FakeNode):
    """A probe each second, and once a minute a heater; `over` is the last number of the batch."""

    over = 1 << 53
    shift = time.time_ns() // 1_000_000 - 3_600_000 - EPOCH  # Redis lets older ones go

    def t(self, seq: int) -> int:
        return EPOCH + self.shift + seq * 1000

    @override
    def event(self, after: int, limit: int) -> dict[str, Any] | None:
        found = super().event(after, limit)
        if found is not None:
            found["series"] = [f"{self.node_id}/probe", f"{self.node_id}/heater"]
            for row in found["samples"]:
                row[1], row[2] = self.t(row[0]), int(row[0] % 60 == 3)
                row[5] = 0 if row[0] <= self.over else None
        return found


@asynccontextmanager
async def running(config: BridgeConfig) -> AsyncIterator[Bridge]:
    bridge = Bridge(config)
    await bridge.start()
    try:
        yield bridge
    finally:
        await bridge.stop()


async def recorded(bridge: Bridge) -> int | None:
    """The end of the one batch by its record, once that is up to date with what warm has."""
    log = bridge.following.batches
    await until(lambda: log.status()["waiting"] == 0, "recorded")
    (record,) = await answered(lambda: bridge.tiers.warm.records.find(Batch))
    return record.ended


@pytest.mark.parametrize(
    "stores",
    [("mongo",), pytest.param(("redis", "mongo"), marks=pytest.mark.slow)],
    indirect=True,
    ids="+".join,
)
async def test_the_end_is_shown_while_warm_still_waits_for_it(
    stores: dict[str, Any], tmp_path: Path
) -> None:
    stores["warm"]["flush_s"] = 300
    node = _Vat("n", 30, channels=1)
    async with FakeHomeAssistant(node) as ha:
        ha.kettles = {"n/probe": "mash-tun", "n/heater": "mash-tun"}
        config = load(write_config(tmp_path, ha.url, tiers=stores))
        async with running(config):
            await until(ha.acked_all, "acknowledged")
        async with running(config) as bridge:
            # What a bridge finds as it starts, it does not gather first.
            await until(lambda: bridge.feeders["warm"].idle, "in warm")
            assert await recorded(bridge) is None
            assert (await shown(bridge.tiers))["running"] is True
            node.over = 40
            ha.grow("n", 30)
            await until(ha.acked_all, "acknowledged")
            await until(lambda: bridge.feeders["hot"].idle, "in hot")
            batch = await shown(bridge.tiers, ended=True)
            assert (batch["running"], batch["ended"]) == (False, node.t(40))
            assert await recorded(bridge) is None, "or this test shows nothing"
        async with running(config) as bridge:
            await until(lambda: bridge.feeders["warm"].idle, "in warm")
            assert await recorded(bridge) == node.t(40)
            assert (await shown(bridge.tiers))["ended"] == node.t(40)
