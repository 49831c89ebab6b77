"""Both halves of the lease together: no invariant breaks, whatever network and processes do."""

from __future__ import annotations

import os

import pytest

from tests.lease_model.chaos import Settings, World
from tests.lease_model.invariants import ViolationError
from tests.lease_model.small import SERVERS, TTL, new_server, search, start

RUNS = int(os.environ.get("SMART_BEER_LEASE_RUNS", "40"))  # of each kind


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(nodes=5),
        Settings(nodes=1),
        Settings(all_duplicated=True),
        Settings(state_lost=0.5),
        Settings(copied_id=True),
        Settings(copied_id=True, state_lost=0.5, nodes=5),
        Settings(colliding=True),
    ],
    ids=["3 nodes", "5 nodes", "1 node", "duplicates", "lost", "copied", "copied, lost", "equal"],
)
def test_no_invariant_breaks_in_chaos(settings: Settings) -> None:
    obeyed = led = 0
    for seed in range(RUNS):
        world = World(seed, settings)
        try:
            world.run()
        except ViolationError as err:
            raise ViolationError(f"seed {seed} at {world.t} ms: {err}") from err
        obeyed += world.watch.obeyed
        led += world.led
    assert obeyed > 5 * RUNS  # it is not safe by doing nothing
    assert led > 100 * RUNS


def test_the_small_model_begins_with_a_leader_whose_outputs_are_on() -> None:
    world = start()
    assert [server.leads(world.t) for server in world.servers] == [True, False]
    assert {node.on for node in world.nodes} == {("s0", "x0")}


def test_without_the_leader_the_other_one_leads_and_heats() -> None:
    world = start()
    world.tick(("stop", 0))
    for _ in range(3 * TTL):
        world.tick(None)
    assert [server.leads(world.t) for server in world.servers] == [False, True]
    assert {node.on for node in world.nodes} == {("s1", "x1")}


@pytest.mark.parametrize("server_id", [None, "copied"])
def test_no_invariant_breaks_after_any_one_fault(server_id: str | None) -> None:
    assert search(start(server_id=server_id), faults=1, ticks=6, quiet=8) > 1_000


@pytest.mark.slow
def test_no_invariant_breaks_after_any_two_faults() -> None:
    assert search(start(), faults=2, ticks=4, quiet=6) > 20_000


@pytest.mark.slow
def test_no_invariant_breaks_in_any_race_of_two_servers_that_start_with_a_fault_each() -> None:
    world = start(0)
    assert {server.leads(0) for server in world.servers} == {False}
    assert [server.server_id for server in world.servers] == [
        new_server(index, 0).server_id for index in SERVERS
    ]
    assert search(world, faults=1, ticks=10, quiet=6) > 1_000
