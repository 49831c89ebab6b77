"""Outputs on pins, under gpiozero."""

import sys
from dataclasses import replace

import pytest

from edge_node.control.slow_pwm import SlowPwmSettings
from edge_node.hardware.outputs.group import Outputs
from edge_node.hardware.outputs.opening import open_specs
from edge_node.hardware.outputs.spec import OutputSpec
from tests.edge_node.hardware.outputs.conftest import Pins
from tests.edge_node.hardware.outputs.fake_gpiozero import Board

SWITCH = OutputSpec("pump", "pump", "gpio", 0.0, None, None, 17, True, None)
HEATER = OutputSpec("heater", "heater", "gpio", 0.0, SlowPwmSettings(2000), "main", 27, True, None)
CONTACTOR = OutputSpec("main", "contactor", "gpio", 0.0, None, None, 5, True, None)


def running(outputs: Outputs, now_ms: int = 0) -> Outputs:
    """As after a first complete tick at `now_ms`."""
    outputs.service(now_ms)
    outputs.beat(now_ms)
    return outputs


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize("safe", [0.0, 100.0])
def test_a_pin_has_its_safe_level_from_the_start_and_obeys(
    pins: Pins, active_high: bool, safe: float
) -> None:
    spec = replace(SWITCH, active_high=active_high, safe=safe)
    outputs = open_specs([spec], pins.factory)
    assert pins.high(17) is (bool(safe) is active_high)
    assert outputs["pump"].level() == safe
    running(outputs)
    outputs["pump"].write(100, 1)
    assert (pins.high(17), outputs["pump"].level()) == (active_high, 100)
    outputs["pump"].write(0, 2)
    assert (pins.high(17), outputs["pump"].level()) == (not active_high, 0)
    outputs["pump"].write(100, 3)
    outputs["pump"].safe()
    assert pins.high(17) is (bool(safe) is active_high)
    outputs.close()


def test_the_first_level_that_a_pin_ever_has_is_the_safe_one(board: Board) -> None:
    open_specs([replace(SWITCH, active_high=False)], board).close()
    assert {level for _, level in board.history} == {True}


def test_contactors_are_opened_before_anything_else(board: Board) -> None:
    open_specs([HEATER, SWITCH, CONTACTOR], board)
    assert board.history[0] == (5, False)


def test_two_outputs_on_one_pin_are_a_failure_and_nothing_goes_on(pins: Pins) -> None:
    outputs = running(open_specs([SWITCH, replace(SWITCH, id="other")], pins.factory))
    assert list(outputs.failed) == ["other"]
    assert "pin 17" in outputs.failed["other"]
    outputs["pump"].write(100, 1)
    assert not pins.high(17)
    outputs.close()


def test_an_exception_while_writing_turns_everything_off_that_can_be(board: Board) -> None:
    outputs = running(open_specs([SWITCH, HEATER, CONTACTOR], board))
    for output_id in ("main", "heater", "pump"):
        outputs[output_id].write(100, 1)
    outputs.service(2)
    assert [board.shows(pin) for pin in (17, 27, 5)] == [True, True, True]

    board.broken[27] = OSError("the chip is gone")
    outputs["pump"].write(100, 3)
    outputs.service(4)
    assert [board.shows(pin) for pin in (17, 5)] == [False, False]
    assert "the chip is gone" in str(outputs["heater"].failed)
    assert outputs["pump"].failed is None

    # It stays so, even when the pin obeys again, until the node is started again.
    board.broken.clear()
    outputs.service(5)
    outputs.beat(5)
    outputs["pump"].write(100, 6)
    outputs.service(7)
    assert [board.shows(pin) for pin in (17, 27, 5)] == [False, False, False]
    outputs.close()


def test_a_pin_that_does_not_follow_is_found_by_reading_it_back(board: Board) -> None:
    outputs = running(open_specs([SWITCH, replace(SWITCH, id="valve", pin=4)], board))
    outputs["valve"].write(100, 1)
    outputs["pump"].write(100, 1)
    board.shorted[17] = False
    outputs.service(2)
    assert outputs["pump"].failed == "it was set on and is not"
    assert not board.shows(4)
    outputs.close()


def test_close_leaves_the_safe_level_and_gives_pins_back(board: Board) -> None:
    outputs = running(open_specs([SWITCH], board))
    outputs["pump"].write(100, 1)
    outputs.close()
    assert not board.shows(17)
    assert board.in_use == set()
    assert not board.closed, "who made the factory closes it"
    open_specs([SWITCH], board).close()


def test_without_gpiozero_every_pin_has_failed_and_the_reason_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "gpiozero", None)
    monkeypatch.setitem(sys.modules, "gpiozero.pins.lgpio", None)
    outputs = open_specs([SWITCH, HEATER])
    assert outputs.failed.keys() == {"pump", "heater"}
    assert "smart-beer[edge,gpio]" in outputs.failed["pump"]
    outputs.close()
