"""Entities of Home Assistant are mirrored without a gap and without doubles, whatever fails."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from storage_bridge.app import Bridge
from storage_bridge.backoff import Backoff
from storage_bridge.cli_verify import _check
from storage_bridge.config import load
from storage_bridge.ha_link import HomeAssistantLink
from storage_bridge.mirror import Mirror
from storage_bridge.model import Sample
from storage_bridge.records.model import Event
from storage_bridge.tiers.base import TierUnavailableError

from .bridge_files import write_config
from .fake_home_assistant import TOKEN, FakeHomeAssistant
from .waiting import until

GRAVITY, PUMP = "sensor.tilt_red_gravity", "switch.pump"
QUICK = Backoff(base=0.01, cap=0.05)
NOW = time.time()  # the recorder is asked for what is past


def at(second: int) -> float:
    """A time within the last hours."""
    return round(NOW - 40_000 + second, 3)


def ms(second: int) -> int:
    return round(at(second) * 1000)


@asynccontextmanager
async def mirroring(
    folder: Path,
    ha: FakeHomeAssistant,
    entities: tuple[str, ...] = (GRAVITY, PUMP),
    **settings: object,
) -> AsyncIterator[Bridge]:
    """A bridge whose mirror waits less for the recorder, and the archive, than in a brewery."""
    bridge = Bridge(load(write_config(folder, ha.url, **settings)))
    await bridge.start()
    mirror = Mirror(
        entities, bridge.outbox, bridge.tiers, recorder_s=20, ask_s=0.02, history_s=0.3, again_s=0.5
    )
    link = HomeAssistantLink(
        "entities", mirror.follow, url=ha.url, token=lambda: TOKEN, reconnect=QUICK
    )
    bridge.supervisor.start("mirror", link.run)
    bridge.mirror, bridge.link = mirror, link  # type: ignore[attr-defined]
    try:
        yield bridge
    finally:
        await bridge.supervisor.stop("mirror")
        await bridge.stop()


async def numbers(bridge: Bridge) -> list[tuple[int, float | None]]:
    counts, warm = bridge.mirror.counts, bridge.feeders["warm"]  # type: ignore[attr-defined]
    # They are counted when they are handed to the outbox, before anything waits for the feeder.
    await until(lambda: warm.written >= counts["samples"] and warm.idle, "stored")
    rows: list[Sample] = await bridge.tiers.warm.read(f"ha/{GRAVITY}", 0, ms(100_000))
    return [(row.t, row.value) for row in rows]


async def words(bridge: Bridge, entity_id: str = PUMP) -> list[tuple[int, str]]:
    found = await bridge.tiers.warm.records.find(Event, subject=entity_id)
    return [(event.t, event.state) for event in found]


async def seen(bridge: Bridge, numbers: int, words: int) -> None:
    counts = bridge.mirror.counts  # type: ignore[attr-defined]
    await until(
        lambda: (counts["samples"], counts["events"]) == (numbers, words),
        f"{numbers} numbers and {words} words",
    )


async def test_numbers_become_samples_and_the_rest_events(tmp_path: Path) -> None:
    async with FakeHomeAssistant() as ha:
        ha.states.set(GRAVITY, "1.050", at(0))
        ha.states.set(PUMP, "off", at(0))
        ha.states.set("sensor.other", "5", at(0))
        async with mirroring(tmp_path, ha) as bridge:
            await seen(bridge, 1, 1)
            ha.states.set(GRAVITY, "1.049", at(1))
            ha.states.set(GRAVITY, "1.049", at(2), attribute=True)
            ha.states.set(GRAVITY, "unavailable", at(3))
            ha.states.set(PUMP, "on", at(3))
            ha.states.set(PUMP, "on", at(4), attribute=True)
            await seen(bridge, 3, 3)
            assert await numbers(bridge) == [(ms(0), 1.05), (ms(1), 1.049), (ms(2), 1.049)]
            assert await words(bridge) == [(ms(0), "off"), (ms(3), "on")]
            assert await words(bridge, GRAVITY) == [(ms(3), "unavailable")]
            assert await bridge.tiers.warm.series() == [f"ha/{GRAVITY}"]
            assert bridge.link.problem is None  # type: ignore[attr-defined]
            newest = await bridge.tiers.hot.newest()
            assert newest[f"ha/{GRAVITY}"].t == ms(2)


async def test_a_gap_is_filled_from_the_recorder_once_it_has_everything(tmp_path: Path) -> None:
    async with FakeHomeAssistant() as ha:
        ha.states.set(GRAVITY, "1.050", at(0))
        ha.states.set(PUMP, "off", at(0))
        async with mirroring(tmp_path, ha) as bridge:
            await seen(bridge, 1, 1)
            ha.states.set(GRAVITY, "1.049", at(1))
            await seen(bridge, 2, 1)
        ha.states.record()
        for second in range(2, 30_000, 7):  # more than one question holds
            ha.states.set(GRAVITY, f"{1 + second / 10**5}", at(second))
        ha.states.set(PUMP, "on", at(20))
        ha.states.record()
        ha.states.set(PUMP, "off", at(30_050))
        ha.states.set(GRAVITY, "1.01", at(30_100))  # the recorder still waits with these two
        async with mirroring(tmp_path, ha) as bridge:
            await until(lambda: len(ha.states.asked) > 6, "asks again")
            ha.states.record()
            ha.states.set(GRAVITY, "1.009", at(30_200))
            await seen(bridge, len(range(2, 30_000, 7)) + 2, 2)
            stored = await numbers(bridge)
            assert [t for t, _ in stored] == [
                ms(s) for s in (0, 1, *range(2, 30_000, 7), 30_100, 30_200)
            ]
            assert await words(bridge) == [(ms(0), "off"), (ms(20), "on"), (ms(30_050), "off")]
        report = await _check(bridge.config, offline=True, wait=0)
        assert report.ok, report.missing


async def test_a_connection_that_breaks_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with FakeHomeAssistant() as ha:
        ha.states.set(GRAVITY, "0", at(0))
        async with mirroring(tmp_path, ha) as bridge:
            await seen(bridge, 1, 0)
            for second in range(1, 300):
                ha.states.set(GRAVITY, str(second), at(second))
                ha.states.record()
                if second % 60 == 0:
                    ha.drop()
                await asyncio.sleep(0.002)
            await seen(bridge, 300, 0)
            assert await numbers(bridge) == [(ms(second), second) for second in range(300)]
        assert (await _check(bridge.config, offline=True, wait=0)).ok


async def test_another_bridge_goes_on_where_the_first_one_stopped(tmp_path: Path) -> None:
    """As after a takeover: it has the store, and an outbox of its own."""
    async with FakeHomeAssistant() as ha:
        ha.states.set(GRAVITY, "1.050", at(0))
        ha.states.set(PUMP, "off", at(1))
        async with mirroring(tmp_path, ha) as bridge:
            await seen(bridge, 1, 1)
        for name in ("outbox.db", "outbox.db-wal", "outbox.db-shm"):
            (tmp_path / "data" / name).unlink(missing_ok=True)
        ha.states.record()
        ha.states.set(GRAVITY, "1.049", at(2))
        ha.states.set(PUMP, "on", at(3))
        ha.states.record()
        async with mirroring(tmp_path, ha) as bridge:
            await seen(bridge, 1, 1)
            assert await numbers(bridge) == [(ms(0), 1.05), (ms(2), 1.049)]
            assert await words(bridge) == [(ms(1), "off"), (ms(3), "on")]


async def test_a_store_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: Any) -> None:
    async with FakeHomeAssistant() as ha:
        ha.states.set(PUMP, "off", at(0))
        async with mirroring(tmp_path, ha) as bridge:
            await seen(bridge, 0, 1)
            records = type(bridge.tiers.warm.records)

            async def away(*_args: object) -> int:
                raise TierUnavailableError("The store is away.")

            with monkeypatch.context() as patch:
                patch.setattr(records, "put", away)
                ha.states.set(PUMP, "on", at(1))
                await until(
                    lambda: bridge.link.problem == "The store is away.",  # type: ignore[attr-defined]
                    "it says so",
                )
                ha.states.set(PUMP, "off", at(2))
                ha.states.record()
            await seen(bridge, 0, 3)
            assert await words(bridge) == [(ms(0), "off"), (ms(1), "on"), (ms(2), "off")]


async def test_without_a_history_it_goes_on_live(tmp_path: Path) -> None:
    async with FakeHomeAssistant() as ha:
        ha.states.history = False
        ha.states.set(GRAVITY, "1", at(0))
        async with mirroring(tmp_path, ha) as bridge:
            await seen(bridge, 1, 0)
            ha.drop()
            ha.states.set(GRAVITY, "2", at(1))
            await seen(bridge, 2, 0)


async def test_the_configured_entities_are_mirrored(tmp_path: Path) -> None:
    async with FakeHomeAssistant() as ha:
        ha.states.set(GRAVITY, "1.050", at(0))
        bridge = Bridge(load(write_config(tmp_path, ha.url, mirror=[GRAVITY])))
        await bridge.start()
        try:
            await until(
                lambda: bridge.following.status()["mirror"]["counts"].get("samples") == 1,
                "mirrored",
            )
            await until(
                lambda: bridge.following.status()["mirror"]["problem"] is None, "all is well"
            )
            await until(lambda: bridge.source.connected, "samples too")
            assert "mirror" in bridge.supervisor.status()
            ha.drop()
            await until(lambda: len(ha.cursors) == 2, "subscribed again")
            assert ha.cursors[1] == {}, "mirrored samples come from no node"
        finally:
            await bridge.stop()
