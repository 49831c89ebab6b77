"""The mirror in a bridge that is killed -9 at random points: no state is lost, none is doubled."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from storage_bridge.cli_verify import _check
from storage_bridge.config import load
from storage_bridge.outbox_offline import read_covered
from storage_bridge.records.model import Event
from storage_bridge.records.pages import find_all
from storage_bridge.stored import StoreError, open_store, stored_samples
from storage_bridge.tiers.base import TierUnavailableError

from .fake_home_assistant import FakeHomeAssistant
from .faults.process import BridgeProcess

GRAVITY, PUMP = "sensor.tilt_red_gravity", "switch.pump"
KILLS: Final = 4
LIMIT_S: Final = 60.0
STEP_MS: Final = 100
RECORD_EVERY: Final = 20  # states: the recorder is always some behind

type Told = tuple[str, int, str]


class _States:
    """What two entities became, every STEP_MS of their time, in the last hours."""

    def __init__(self, ha: FakeHomeAssistant) -> None:
        self._ha = ha
        # In the past, for which the recorder is asked, and recent, as what happens now is.
        self._t0 = time.time_ns() // 1_000_000 - 3 * 3_600_000
        self._steps = 0
        self.told: list[Told] = []
        self.step()

    def step(self) -> None:
        """One more: a number, now and then none, and a switch that is turned."""
        n = self._steps
        self._steps += 1
        self._set(n, GRAVITY, "unavailable" if n % 37 == 36 else f"{1 + n / 10**5}")
        if n % 5 == 0:
            self._set(n, PUMP, "on" if n % 10 else "off")
        if n % RECORD_EVERY == 19:
            self._ha.states.record()

    def _set(self, n: int, entity_id: str, state: str) -> None:
        t = self._t0 + n * STEP_MS
        self._ha.states.set(entity_id, state, t / 1000)
        self.told.append((entity_id, t, state))

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """They change as long as the block lasts; in the end the recorder has everything."""

        async def run() -> None:
            while True:
                self.step()
                await asyncio.sleep(0.005)

        task = asyncio.create_task(run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            self._ha.states.record()


async def _until(
    bridge: BridgeProcess, condition: Callable[[], Awaitable[bool]], what: str
) -> None:
    """Return when the condition holds; fails at once when the bridge has died."""
    try:
        async with asyncio.timeout(LIMIT_S):
            while True:
                assert bridge.running, bridge.log()
                # A store may be slow, or not made yet.
                with suppress(TierUnavailableError, StoreError):
                    if await condition():
                        return
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"never happened: {what}\n{bridge.log()[-3000:]}") from None


async def _stored(path: Path) -> list[Told]:
    config = load(path)
    found = [
        (sample.series.removeprefix("ha/"), sample.t, str(sample.value))
        async for sample in stored_samples(config)
    ]
    async with open_store(config) as tiers:
        found += [
            (event.entity_id, event.t, event.state)
            async for event in find_all(tiers.warm.records, Event)
        ]
    return sorted(found)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("stores", [(), ("mongo",)], indirect=True, ids=["embedded", "mongo"])
async def test_a_killed_bridge_loses_and_doubles_no_state(
    stores: dict[str, Any], tmp_path: Path
) -> None:
    chance = random.Random(11)
    async with FakeHomeAssistant() as ha:
        states = _States(ha)
        bridge = BridgeProcess(tmp_path, ha.url, mirror=[GRAVITY, PUMP], tiers=stores)
        config = load(bridge.config)

        async def follows() -> bool:
            return (await bridge.status())["following"]["mirror"]["problem"] is None

        async def all_stored() -> bool:
            return len(await _stored(bridge.config)) >= len(states.told)

        try:
            await bridge.start()
            # Of what it has never seen it knows nothing, so it sees both before the first kill.
            await _until(bridge, all_stored, "the first states are stored")
            async with states.changing():
                for number in range(KILLS):
                    if number % 2:  # else it is still to catch up
                        await _until(bridge, follows, "it follows what changes")
                    await asyncio.sleep(chance.random() / 2)
                    await bridge.kill()
                    await asyncio.sleep(chance.random() / 2)
                    await bridge.start()
            await _until(bridge, all_stored, "every state is stored")
            await bridge.terminate()
        finally:
            await bridge.kill()
        assert len(states.told) > 100
        assert await _stored(bridge.config) == sorted(states.told)
        numbers = sum(state[0].isdigit() for _, _, state in states.told)
        assert read_covered(config.outbox_path) == {"ha": numbers}, "each was taken in once"
        report = await _check(config, offline=True, wait=0)
        assert report.ok, report.missing
