"""The outputs of a node together: tick, thread, contactor, simulated levels."""

import math
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from edge_node.control.slow_pwm import SlowPwmSettings
from edge_node.hardware.outputs.group import (
    BEAT_LIMIT_MS,
    STALL_LIMIT_MS,
    Outputs,
    StalledError,
    boottime_ms,
)
from edge_node.hardware.outputs.opening import open_outputs, open_specs
from edge_node.hardware.outputs.simulated import read_level
from edge_node.hardware.outputs.spec import OutputSpec

LIMIT_S = 30.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "outputs" / "n"


@pytest.fixture
def outputs(folder: Path) -> Outputs:
    def spec(name: str, kind: str) -> OutputSpec:
        return OutputSpec(name, kind, "simulated", 0.0, None, None, None, True, folder / name)

    pwm = SlowPwmSettings(window_ms=2000, min_on_ms=100, min_off_ms=100)
    heater = replace(spec("heater", "heater"), pwm=pwm, contactor="main")
    valve = replace(spec("valve", "valve"), safe=100.0)
    return open_specs([heater, spec("pump", "pump"), valve, spec("main", "contactor")])


def beating(outputs: Outputs, now_ms: int) -> None:
    outputs.service(now_ms)
    outputs.beat(now_ms)


def on(folder: Path) -> dict[str, bool]:
    return {path.name: read_level(path) == 100 for path in folder.iterdir()}


AT_REST = {"heater": False, "pump": False, "main": False, "valve": True}


def test_every_output_is_at_its_safe_level_once_they_are_open(
    outputs: Outputs, folder: Path
) -> None:
    assert on(folder) == AT_REST
    assert set(outputs) == AT_REST.keys()


def test_nothing_obeys_before_the_first_complete_tick(outputs: Outputs, folder: Path) -> None:
    outputs["pump"].write(100, 0)
    outputs.service(50)
    assert on(folder) == AT_REST
    beating(outputs, 100)
    outputs["pump"].write(100, 150)
    assert on(folder)["pump"]


def test_everything_goes_safe_when_the_tick_comes_no_more(outputs: Outputs, folder: Path) -> None:
    beating(outputs, 0)
    for output_id in ("main", "pump", "heater"):
        outputs[output_id].write(100, 0)
    outputs["valve"].write(0, 0)
    outputs.service(BEAT_LIMIT_MS)
    assert on(folder) == {"heater": True, "pump": True, "main": True, "valve": False}
    outputs.service(BEAT_LIMIT_MS + 1)
    assert on(folder) == AT_REST
    assert [output.level() for output in outputs.values()].count(0) == 3

    # A tick that was stuck and goes on decided long ago: it counts from its end.
    outputs["pump"].write(100, BEAT_LIMIT_MS + 2)
    assert on(folder) == AT_REST
    beating(outputs, BEAT_LIMIT_MS + 3)
    outputs["pump"].write(100, BEAT_LIMIT_MS + 4)
    assert on(folder)["pump"]


def test_a_tick_that_comes_no_more_costs_three_seconds_of_heat_at_most(
    outputs: Outputs, folder: Path
) -> None:
    beating(outputs, 0)
    outputs["pump"].write(100, 0)
    outputs.service(3000)
    assert on(folder) == AT_REST


def test_the_safe_level_is_off_until_the_stop_is_known_to_be_released(tmp_path: Path) -> None:
    config = tmp_path / "edge.yaml"
    config.write_text(
        "actuators: [{id: valve, kind: valve, safe: true, driver: simulated, file: out/valve}]\n"
        "inputs: {stop: {driver: simulated, file: stop}}\n"
    )
    outputs = open_outputs(config)
    folder = tmp_path / "out"
    assert on(folder) == {"valve": False}
    outputs.service(0)
    assert on(folder) == {"valve": False}
    outputs.released = lambda: True
    outputs.service(50)
    assert on(folder) == {"valve": True}

    def broken() -> bool:
        raise RuntimeError("nobody knows")

    outputs.released = broken
    outputs["valve"].safe()
    assert on(folder) == {"valve": False}
    outputs.close()


def test_a_tick_that_writes_but_never_ends_counts_for_nothing(
    outputs: Outputs, folder: Path
) -> None:
    beating(outputs, 0)
    for now in range(0, BEAT_LIMIT_MS + 100, 50):
        outputs["pump"].write(100, now)
        outputs.service(now)
    assert on(folder) == AT_REST


def test_the_beat_finds_a_thread_that_stands_still(outputs: Outputs, folder: Path) -> None:
    with pytest.raises(StalledError, match="never"):
        outputs.beat(0)
    beating(outputs, 0)
    outputs["pump"].write(100, 0)
    outputs.beat(STALL_LIMIT_MS)
    with pytest.raises(StalledError, match=r"1\.0 s ago"):
        outputs.beat(STALL_LIMIT_MS + 1)
    assert on(folder) == AT_REST


@pytest.mark.parametrize("power", [25.0, 50.0, 80.0])
def test_a_power_output_is_on_for_its_share_of_the_time(
    outputs: Outputs, folder: Path, power: float
) -> None:
    beating(outputs, 0)
    outputs["main"].write(100, 0)
    outputs["heater"].write(power, 0)
    rounds = []
    for now in range(0, 100_000, 50):
        outputs.service(now)
        outputs.beat(now)
        rounds.append(on(folder)["heater"])
    assert sum(rounds) / len(rounds) == pytest.approx(power / 100, abs=0.02)
    assert outputs["heater"].level() == power
    assert 40 <= sum(a != b for a, b in pairwise(rounds)) <= 110


def test_off_is_off_at_once_in_the_middle_of_a_pulse(outputs: Outputs, folder: Path) -> None:
    beating(outputs, 0)
    outputs["main"].write(100, 0)
    outputs["heater"].write(50, 0)
    outputs.service(150)
    assert on(folder)["heater"]
    outputs["heater"].write(0, 160)
    assert not on(folder)["heater"]


def test_what_a_contactor_feeds_is_off_before_it_opens_and_while_it_is_open(
    outputs: Outputs, folder: Path
) -> None:
    beating(outputs, 0)
    outputs["heater"].write(100, 0)
    assert not on(folder)["heater"]
    assert outputs["heater"].level() == 0
    outputs["main"].write(100, 10)
    outputs.service(110)  # after the element's shortest time off
    assert on(folder)["heater"]
    assert outputs["heater"].level() == 100
    outputs["main"].write(0, 120)
    assert on(folder) == AT_REST
    assert outputs["heater"].level() == 0


@pytest.mark.parametrize("power", [-1, 100.1, math.nan, math.inf])
def test_a_power_that_is_none_is_refused_and_the_output_is_off(
    outputs: Outputs, folder: Path, power: float
) -> None:
    beating(outputs, 0)
    outputs["pump"].write(100, 0)
    with pytest.raises(ValueError, match="output pump"):
        outputs["pump"].write(power, 1)
    assert not on(folder)["pump"]


def test_a_level_file_that_somebody_takes_away_is_a_failure(outputs: Outputs, folder: Path) -> None:
    beating(outputs, 0)
    outputs["valve"].write(0, 0)
    (folder / "pump").unlink()
    outputs.service(1)
    assert "has gone" in str(outputs["pump"].failed)
    assert read_level(folder / "valve") == 100


@pytest.mark.real_time  # it must be looked at within two seconds of the beat
def test_the_thread_serves_and_goes_safe_by_itself(outputs: Outputs, folder: Path) -> None:
    outputs.start()
    try:
        began = time.monotonic()
        outputs.beat(boottime_ms())
        outputs["pump"].write(100, boottime_ms())
        assert on(folder)["pump"]
        while on(folder)["pump"]:
            assert time.monotonic() - began < LIMIT_S
            time.sleep(0.02)
        assert time.monotonic() - began > BEAT_LIMIT_MS / 1000 - 0.1
    finally:
        outputs.close()
    assert on(folder) == AT_REST


def test_a_defect_in_the_thread_ends_the_tick_and_is_said_once(
    outputs: Outputs,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rounds: list[int] = []

    def broken(now_ms: int) -> None:
        rounds.append(now_ms)
        raise RuntimeError("a defect")

    now = boottime_ms()
    outputs.service(now)
    outputs.beat(now)
    outputs["pump"].write(100, now)
    monkeypatch.setattr(outputs, "service", broken)
    outputs.start()
    try:
        began = time.monotonic()
        while len(rounds) < 3:
            assert time.monotonic() - began < LIMIT_S
            time.sleep(0.01)
        assert on(folder)["pump"]
        with pytest.raises(StalledError):
            outputs.beat(boottime_ms() + STALL_LIMIT_MS + 1)
        assert on(folder) == AT_REST
        assert outputs.defect == "serving them failed (RuntimeError: a defect)"
        assert caplog.text.count("serving them failed") == 1
    finally:
        outputs.close()


def test_outputs_are_off_while_it_cannot_be_told_whether_the_stop_is_released(
    outputs: Outputs, folder: Path
) -> None:
    def broken() -> bool:
        raise RuntimeError("a defect")

    outputs.released = broken
    outputs.safe()
    assert on(folder) == dict.fromkeys(AT_REST, False)
    assert outputs.defect is not None
    assert "the stop" in outputs.defect
    assert outputs.failed == {}


def test_an_output_that_was_closed_is_written_no_more(outputs: Outputs, folder: Path) -> None:
    beating(outputs, 0)
    outputs["pump"].write(100, 0)
    outputs["pump"].close()
    outputs["pump"].write(100, 1)
    outputs.service(2)
    assert on(folder)["pump"] is False
    assert not outputs.failed
    outputs.close()


def test_a_configuration_that_is_wrong_elsewhere_still_gets_its_safe_levels(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    level = tmp_path / "heater"
    level.write_text("100\n")
    config = tmp_path / "edge.yaml"
    config.write_text(
        "channels: rubbish\n"
        "actuators:\n"
        "  - {id: heater, kind: heater, driver: simulated, file: heater}\n"
        "  - {id: odd, kind: heater, driver: unknown}\n"
    )
    outputs = open_outputs(config)
    assert read_level(level) == 0
    assert list(outputs) == ["heater"]
    assert "odd" in caplog.text
    outputs.close()
