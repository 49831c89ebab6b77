"""A Home Assistant that stands still must lose its kettles: no helper keeps a lease alive."""

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest
from homeassistant.exceptions import ServiceValidationError

from tests.contract.brewery import (
    FIRST,
    client_of,
    heat,
    holder,
    leadership_of,
    leading,
    set_up,
    shown,
)
from tests.smart_beer.brewery import eventually, node_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import aiohttp
    from homeassistant.core import HomeAssistant

    from tests.contract.conftest import Simulation

    type Simulate = Callable[..., Awaitable[Simulation]]

pytestmark = [pytest.mark.slow, pytest.mark.real_time, pytest.mark.timeout(400)]

STALL_S = 14.0
PROMISE_S = 10.6  # TTL with the worst clock, and a tick
SLOW_BOX_S = 2.0


class PinWatch(threading.Thread):
    """Sees when a pin goes off, on a clock that no event loop can stop."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(daemon=True)
        self.off_at: float | None = None
        self._simulation = simulation
        self._ended = threading.Event()

    def run(self) -> None:
        """Look every few milliseconds."""
        while not self._ended.wait(0.01):
            if self._simulation.level("heater") == 0:
                self.off_at = time.monotonic()
                return

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self.join()


async def test_heat_is_off_soon_after_the_loop_stalls_and_nothing_is_commanded_after_it(
    hass: HomeAssistant, simulate: Simulate, session: aiohttp.ClientSession
) -> None:
    simulation = await simulate()
    entry = await set_up(hass, simulation)
    await leading(entry)
    leadership = leadership_of(entry)
    node = node_of(entry, FIRST)
    await heat(node)
    epoch = leadership.epoch
    await asyncio.sleep(3)  # so that it stands still between two renewals like any others
    assert simulation.level("heater") > 0

    watch = PinWatch(simulation)
    watch.start()
    begun = time.monotonic()
    try:
        time.sleep(STALL_S)  # noqa: ASYNC251  that is the failure
    finally:
        watch.end()
    assert watch.off_at is not None, "the heater stayed on"
    took = watch.off_at - begun
    print(f"\nheat was off {took:.2f} s after the loop stalled")  # noqa: T201  what was measured
    assert took <= PROMISE_S + SLOW_BOX_S

    # Before anything else has run on the loop: nothing is led, and nothing is sent.
    assert not leadership.leads
    assert leadership.held == {}
    assert leadership.command(FIRST) is None
    with pytest.raises(ServiceValidationError) as refused:
        await node.commands.output("heater", on=True)
    assert refused.value.translation_key == "no_leader"

    await eventually(lambda: leadership.epoch > epoch, "contended anew")
    await leading(entry)
    assert await holder(client_of(session, simulation)) == leadership.server_id
    await shown(entry, "heater", on=False)
    assert simulation.level("heater") == 0
    await heat(node)
    assert simulation.level("heater") > 0
