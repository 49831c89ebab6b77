"""What the actuation does when its outputs, its own thread or its code fail."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from edge_node.guard.pulse import Pulse
from edge_node.hardware.outputs import Heartbeat
from edge_node.hardware.outputs.pin import PinError
from edge_node.hardware.outputs.simulated import LevelFile
from tests.edge_node.actuation_bench import Bench

WINDOW_MS = 2000


def test_pins_that_do_not_obey_any_more_end_the_heartbeat_and_with_it_the_guards_pulses(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def dead(_: LevelFile, on: bool) -> None:
        raise PinError(f"the chip does not answer when it is set {on}")

    heartbeat, pulse = tmp_path / "heartbeat", Pulse(WINDOW_MS)
    monkeypatch.setattr(bench.actuation, "_heartbeat", Heartbeat(heartbeat))

    def enabled() -> bool:
        pulse.step(bench.machine.mono, heartbeat.read_text())
        return pulse.beat_ms is not None and bench.machine.mono - pulse.beat_ms <= WINDOW_MS

    bench.heat()
    bench.run(1)
    enabled()
    bench.run(1)
    assert enabled()
    assert bench.outputs.failed == {}
    monkeypatch.setattr(LevelFile, "set", dead)
    bench.run_until(lambda: not enabled(), 3)
    assert bench.pin("heater") == 100  # nothing but the guard can end this
    assert bench.actuation.failed
    for _ in range(100):
        bench.step()
        assert not enabled()
    alarms = bench.actuation.alarms()
    assert "the guard drops" in alarms["output_failed_heater"]


def test_a_look_that_fails_makes_all_safe_before_it_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.heat()

    def broken(_: Any) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr(bench.core._supervisor, "tick", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        bench.switch("heater", True)
    assert (bench.pin("heater"), bench.pin("pump"), bench.pin("contactor")) == (0, 0, 0)


def test_stopping_switches_off_before_it_waits_for_a_tick_that_hangs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.heat()
    hangs, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        go_on.wait(60)

    monkeypatch.setattr("edge_node.actuation._JOIN_S", 60)  # on any machine it waits for the tick
    # No thread of the outputs: what is off is so because the stop says so.
    monkeypatch.setattr(bench.outputs, "start", lambda: None)
    monkeypatch.setattr(bench.actuation, "tick", hang)
    bench.actuation.start()
    assert hangs.wait(30)
    assert bench.pin("heater") == 100
    stopping = threading.Thread(target=bench.actuation.stop)
    stopping.start()
    try:
        deadline = time.monotonic() + 30
        while bench.pin("heater") > 0:
            assert time.monotonic() < deadline
            assert stopping.is_alive()
            time.sleep(0.01)
        assert bench.actuation._thread is not None  # it still waits for the tick
    finally:
        go_on.set()
        stopping.join(60)
    assert not stopping.is_alive()
