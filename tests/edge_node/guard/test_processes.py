"""Real processes: a node that ticks, its guard, and an element that must not stay on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_node.guard import __main__ as guard_main
from edge_node.simulation.plan import BreweryPlan, KettlePlan, NodePlan
from edge_node.simulation.wiring import PUMP_HOLD_S
from edge_node.simulation.world import SimulatedBrewery

LIMIT_S = 60.0
WINDOW_S = 2.0
# A machine that is busy with other things may be late; what is promised is printed beside it.
LATE_S = 10.0
PLAN = BreweryPlan((KettlePlan("tun"),), (NodePlan("n", ("tun",)),), guarded=True)


def until(condition: Callable[[], bool], what: str) -> float:
    """Seconds until it is so."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < LIMIT_S, f"{what} did not happen within {LIMIT_S} s"
        time.sleep(0.01)
    return time.monotonic() - began


@dataclass
class Plant:
    """A brewery, the node that heats it, and the guard."""

    brewery: SimulatedBrewery
    folder: Path
    processes: list[subprocess.Popen[bytes]]

    def run(self, *command: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-m", *map(str, command)])
        self.processes.append(process)
        return process

    def node(self) -> subprocess.Popen[bytes]:
        return self.run(
            "tests.edge_node.guard.tick_child", self.folder / "config.yaml", self.heartbeat
        )

    def guard(self) -> subprocess.Popen[bytes]:
        return self.run(
            *("edge_node.guard", "--heartbeat", self.heartbeat, "--window", WINDOW_S),
            *("--file", self.brewery.enable_file("n")),
        )

    @property
    def heartbeat(self) -> Path:
        return self.folder / "run" / "heartbeat"

    def heats(self) -> bool:
        return self.brewery.power("tun").heater_w > 0

    def off_within(self, promised_s: float, what: str) -> None:
        took = until(lambda: not self.heats(), f"the element going off after {what}")
        sys.stdout.write(f"{what}: element off after {took:.2f} s; promised {promised_s:.1f} s\n")
        assert took < promised_s + LATE_S


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    brewery = SimulatedBrewery(PLAN, tmp_path / "brewery")
    config = {"actuators": brewery.actuators("n"), "inputs": brewery.contacts("n")}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    brewery.start()
    plant = Plant(brewery, tmp_path, [])
    yield plant
    for process in plant.processes:
        process.kill()
        process.wait()
    brewery.stop()


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_node_that_is_stopped_or_killed_loses_its_element(
    plant: Plant, number: signal.Signals
) -> None:
    plant.guard()
    node = plant.node()
    until(plant.heats, "heating")
    os.kill(node.pid, number)
    plant.off_within(WINDOW_S + PUMP_HOLD_S, f"{number.name} of the node")
    # Its level file still says on, as a pin would: it was the enable line.
    assert (plant.folder / "brewery/outputs/n/heater").read_text() == "100\n"
    time.sleep(1)
    assert not plant.heats()


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(300)
def test_a_guard_that_is_stopped_or_killed_drops_the_element(plant: Plant) -> None:
    guard = plant.guard()
    plant.node()
    until(plant.heats, "heating")
    os.kill(guard.pid, signal.SIGSTOP)
    plant.off_within(PUMP_HOLD_S, "SIGSTOP of the guard")
    os.kill(guard.pid, signal.SIGCONT)
    until(plant.heats, "heating again")
    guard.kill()
    plant.off_within(PUMP_HOLD_S, "SIGKILL of the guard")
    plant.guard()
    until(plant.heats, "heating again")


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(300)
def test_a_tick_that_hangs_in_a_living_process_loses_everything(plant: Plant) -> None:
    plant.guard()
    node = plant.node()
    until(plant.heats, "heating")
    until(lambda: plant.brewery.power("tun").pump, "pumping")
    os.kill(node.pid, signal.SIGUSR1)
    plant.off_within(WINDOW_S, "a hanging tick")
    until(lambda: not plant.brewery.power("tun").pump, "the pump going off")
    assert node.poll() is None


def test_without_a_guard_no_element_heats(plant: Plant) -> None:
    plant.node()
    until(lambda: plant.brewery.power("tun").pump, "pumping")
    assert not plant.heats()


def test_a_line_that_cannot_be_had_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in ("/nowhere/gpiochip0:3", "/dev/null:x", "gpiochip0"):
        assert guard_main.main(["--heartbeat", str(tmp_path / "h"), "--gpio", line]) == 2
        assert "enable line cannot be driven" in capsys.readouterr().err


@pytest.mark.parametrize("window", ["0.4", "11", "nan"])
def test_a_window_beyond_reason_is_refused(tmp_path: Path, window: str) -> None:
    arguments = ["--heartbeat", str(tmp_path / "h"), "--file", str(tmp_path / "e")]
    with pytest.raises(SystemExit):
        guard_main.main([*arguments, "--window", window])


def test_the_guard_loads_nothing_but_the_standard_library() -> None:
    code = (
        "import sys, edge_node.guard.__main__\n"
        "found = {name.partition('.')[0] for name in sys.modules} - {'__main__'}\n"
        "print(sorted(found - sys.stdlib_module_names))"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.strip() == "['edge_node']"
