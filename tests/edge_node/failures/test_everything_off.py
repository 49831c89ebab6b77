"""The power fails everywhere, and comes back."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.edge_node.failures.conftest import HEATER, KETTLE, simulation, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.real_time, pytest.mark.timeout(400)]


def test_after_everything_was_off_the_heaters_are_off_until_somebody_leads_and_says_on(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    with simulation(state, "--temperature", f"{KETTLE}=60") as brewery:
        client = brewery.client()
        brewery.heat(client)
        for mode in ({"mode": "auto", "setpoint": 66.0}, {"mode": "auto", "setpoint": 67.0}):
            status, answer = client.command("PUT", f"/v1/controllers/{KETTLE}", mode)
            assert status == 200, answer
        wait_until(lambda: brewery.level() == 100, "it is regulated")
        batch = {"kettle_id": KETTLE, "batch_id": "B001-LAGER"}
        assert client.command("PUT", "/v1/batch", batch)[0] == 200
        # All at once, as in a power cut: nobody says goodbye. Its nodes end with it.
        os.kill(brewery.process.pid, signal.SIGKILL)
        brewery.process.wait(30)
        wait_until(lambda: not Path(f"/proc/{brewery.pid}").exists(), "the node is gone")

    with simulation(state, "--temperature", f"{KETTLE}=60") as brewery:
        client = brewery.client()
        until = time.monotonic() + 5
        while time.monotonic() < until:
            assert brewery.level() == brewery.level("contactor") == 0
            time.sleep(0.02)
        shown = client.state()
        assert shown["actuators"][HEATER]["desired"] == 0
        assert shown["controllers"][KETTLE]["mode"] == "off"
        assert shown["kettles"][KETTLE]["lease"]["holder"] is None
        assert shown["kettles"][KETTLE]["batch"] == "B001-LAGER"
        assert shown["latches"] == []
        client.acquire()
        time.sleep(1.5)
        assert brewery.level() == 0, "a lease alone switches nothing on"
        brewery.heat(client)


def test_a_server_that_restarts_finds_the_heater_off_once_the_target_was_passed(
    tmp_path: Path,
) -> None:
    """The node's own controller ends the heat at its setpoint, and the lease ends the rest."""
    with simulation(tmp_path / "state", "--temperature", f"{KETTLE}=60") as brewery:
        client = brewery.client()
        client.acquire()
        start = brewery.temperature(client)
        order = {"mode": "auto", "setpoint": round(start + 0.3, 2)}
        wait_until(
            lambda: client.command("PUT", f"/v1/controllers/{KETTLE}", order)[0] == 200, "set"
        )
        wait_until(lambda: brewery.level() == 100, "it heats")
        # The server is gone from here on. The target is passed while its lease still runs.
        wait_until(lambda: client.state()["actuators"][HEATER]["actual"] < 50, "nearly there")
        wait_until(lambda: brewery.level() == 0, "off")
        wait_until(
            lambda: client.get(f"/v1/lease?kettle_id={KETTLE}")["holder"] is None, "the lease ends"
        )
        passed = brewery.temperature(client)
        # It comes back under a new session: everything is off before it says anything.
        server = brewery.client()
        # The lease ends between two ticks; what is shown is what the last tick did.
        wait_until(lambda: server.state()["actuators"][HEATER]["actual"] == 0, "the next tick")
        shown = server.state()
        assert shown["actuators"][HEATER] == {"desired": 0, "actual": 0, "limited_by": None}
        assert shown["controllers"][KETTLE]["mode"] == "off"
        server.acquire()
        until = time.monotonic() + 2
        while time.monotonic() < until:
            assert brewery.level() == 0
            time.sleep(0.05)
        assert passed - start < 1.5
