"""Contacts: on pins, in files, and what is said when nothing is known."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_node.hardware.outputs.group import boottime_ms
from edge_node.hardware.outputs.inputs import (
    HOLD_MS,
    SETTLE_MS,
    STALE_MS,
    Inputs,
    open_input_specs,
    open_inputs,
)
from edge_node.hardware.outputs.spec import InputSpec
from tests.edge_node.hardware.outputs.conftest import Pins
from tests.edge_node.hardware.outputs.fake_gpiozero import Board

LID = InputSpec("lid", "interlock", "gpio", True, 22, None)
FLOW = InputSpec("flow", "interlock", "gpio", False, 23, None)
STOP = InputSpec("stop", "stop", "gpio", True, 6, None)
OVERRIDE = InputSpec("override", "override", "gpio", True, 13, None)
ALL = (LID, FLOW, STOP, OVERRIDE)


class Run:
    """Looks every 20 ms of a time of its own."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.now = 0

    def pass_ms(self, ms: int) -> dict[str, bool | None]:
        for _ in range(ms // 20):
            self.now += 20
            self.inputs.sample(self.now)
        return self.inputs.read(self.now)


def test_an_open_wire_is_an_open_contact_and_a_stop(pins: Pins) -> None:
    run = Run(open_input_specs(ALL, pins.factory))
    assert run.pass_ms(200) == {"lid": False, "flow": False, "stop": True, "override": False}
    run.inputs.close()


def test_closed_contacts_pull_to_the_side_that_is_configured(pins: Pins) -> None:
    run = Run(open_input_specs(ALL, pins.factory))
    pins.pull(22, False)
    pins.pull(23, True)
    pins.pull(6, False)
    assert run.pass_ms(200) == {"lid": True, "flow": True, "stop": False, "override": False}
    pins.pull(6, True)
    assert run.pass_ms(20)["stop"] is False  # a spike from a contactor is no stop
    assert run.pass_ms(SETTLE_MS + 20)["stop"] is True
    run.inputs.close()


def test_a_stop_pressed_between_two_reads_is_not_lost_and_said_once(pins: Pins) -> None:
    run = Run(open_input_specs(ALL, pins.factory))
    pins.pull(6, False)
    run.pass_ms(200)
    assert run.pass_ms(200)["stop"] is False
    assert run.inputs.released(run.now)
    pins.pull(6, True)
    for level, ms in ((True, SETTLE_MS + 20), (False, 300)):
        pins.pull(6, level)
        for _ in range(ms // 20):
            run.now += 20
            run.inputs.sample(run.now)
    assert not run.inputs.released(run.now)
    assert run.inputs.read(run.now)["stop"] is True
    assert run.inputs.read(run.now)["stop"] is False
    assert run.inputs.released(run.now)
    assert not run.inputs.released(run.now + STALE_MS + 1)
    run.inputs.close()


def test_a_button_held_is_said_once(pins: Pins) -> None:
    run = Run(open_input_specs(ALL, pins.factory))
    run.pass_ms(200)
    pins.pull(13, False)
    assert run.pass_ms(HOLD_MS - 100)["override"] is False
    assert run.pass_ms(300)["override"] is True
    assert run.pass_ms(HOLD_MS)["override"] is False
    run.inputs.close()


def test_a_button_held_between_two_reads_is_not_lost(pins: Pins) -> None:
    run = Run(open_input_specs(ALL, pins.factory))
    run.pass_ms(200)
    pins.pull(13, False)
    for _ in range(200):
        run.now += 20
        run.inputs.sample(run.now)
    pins.pull(13, True)
    assert run.pass_ms(400)["override"] is True
    run.inputs.close()


def test_what_cannot_be_read_is_unknown(board: Board) -> None:
    run = Run(open_input_specs(ALL, board))
    board.levels |= {22: False, 23: True, 6: False}
    run.pass_ms(200)
    board.broken |= {22: OSError("gone"), 6: OSError("gone")}
    assert run.pass_ms(20) == {"lid": None, "flow": True, "stop": None, "override": False}
    assert "gone" in run.inputs.problems["lid"]
    board.broken.clear()
    assert run.pass_ms(200)["lid"] is True
    assert run.inputs.problems == {}


def test_a_thread_that_stands_still_makes_everything_unknown(board: Board) -> None:
    run = Run(open_input_specs(ALL, board))
    board.levels |= {22: False, 23: True, 6: False}
    run.pass_ms(200)
    assert run.inputs.read(run.now + STALE_MS)["stop"] is False
    assert run.inputs.read(run.now + STALE_MS + 1) == {
        "lid": None,
        "flow": None,
        "stop": None,
        "override": False,
    }


def test_an_input_that_cannot_be_opened_is_unknown(board: Board) -> None:
    board.in_use.add(22)
    run = Run(open_input_specs(ALL, board))
    assert run.pass_ms(200)["lid"] is None
    assert "pin 22" in run.inputs.problems["lid"]


@pytest.mark.real_time  # what was not looked at for a second is unknown
def test_simulated_contacts_are_files_and_known_once_started(tmp_path: Path) -> None:
    config = tmp_path / "edge.yaml"
    config.write_text(
        "interlocks: [{id: lid, driver: simulated, file: lid},"
        " {id: odd, driver: simulated, file: odd}]\n"
        "inputs: {stop: {driver: simulated, file: stop}}\n"
    )
    for name, text in {"lid": "1\n", "stop": "1\n", "odd": "maybe"}.items():
        (tmp_path / name).write_text(text)
    inputs = open_inputs(config)
    inputs.start()
    try:
        assert inputs.read() == {"lid": True, "odd": None, "stop": False}
        (tmp_path / "stop").write_text("0\n")
        began = time.monotonic()
        while not inputs.read()["stop"]:
            assert time.monotonic() - began < 30
            time.sleep(0.01)
        (tmp_path / "lid").unlink()
        while inputs.read()["lid"] is not None:
            assert time.monotonic() - began < 30
            time.sleep(0.01)
    finally:
        inputs.close()
    assert inputs.read(boottime_ms() + STALE_MS + 1)["stop"] is None


def test_inputs_that_are_not_looked_at_for_a_defect_say_so_and_are_unknown_until_it_has_gone(
    board: Board, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    board.levels |= {22: False, 23: True, 6: False}
    inputs = open_input_specs(ALL, board)
    looks: list[int] = []

    def broken(now_ms: int) -> None:
        looks.append(now_ms)
        raise RuntimeError("a defect")

    def wait_for(condition: Callable[[], bool]) -> None:
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < 30
            time.sleep(0.01)

    inputs.start()
    try:
        wait_for(lambda: inputs.read()["stop"] is False)
        monkeypatch.setattr(inputs, "sample", broken)
        wait_for(lambda: len(looks) > 3)
        assert inputs.problems.keys() == {"lid", "flow", "stop", "override"}
        assert "RuntimeError: a defect" in inputs.problems["stop"]
        wait_for(lambda: inputs.read()["stop"] is None)
        assert not inputs.released(boottime_ms())
        assert caplog.text.count("The inputs are unknown") == 1
        monkeypatch.undo()
        wait_for(lambda: inputs.read()["stop"] is False)
        wait_for(lambda: inputs.problems == {})
    finally:
        inputs.close()


@pytest.mark.real_time  # the same
def test_a_machine_that_looks_seldom_still_starts_with_known_contacts(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.levels |= {22: False, 23: True, 6: False}
    inputs = open_input_specs(ALL, board)
    monkeypatch.setattr("edge_node.hardware.outputs.inputs._SAMPLE_S", 0.3)
    inputs.start()
    try:
        assert inputs.read() == {"lid": True, "flow": True, "stop": False, "override": False}
    finally:
        inputs.close()


@pytest.mark.parametrize("text", ["", "2", "closed", "\xe9"])
def test_a_contact_file_must_say_one_or_nought(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lid"
    path.write_text(text, "latin-1")
    run = Run(open_input_specs((InputSpec("lid", "interlock", "simulated", True, None, path),)))
    assert run.pass_ms(200) == {"lid": None}
