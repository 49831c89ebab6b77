"""gpiozero itself, on its own mock board: every level and pull that the pins really get."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory, MockPin  # type: ignore[import-untyped]

from edge_node.cli import main
from edge_node.hardware.outputs import open_inputs, open_outputs
from edge_node.hardware.outputs.inputs import open_input_specs
from edge_node.hardware.outputs.opening import open_specs
from edge_node.hardware.outputs.spec import InputSpec, OutputSpec
from tests.edge_node.hardware.outputs.test_gpio import CONTACTOR, HEATER, SWITCH, running

# What happened on any pin, in its order: (BCM number, what, level or function).
LOG: list[tuple[int, str, object]] = []
BROKEN: set[int] = set()  # pins that cannot be driven any more
STUCK: set[int] = set()  # pins that do not follow what they are driven to


class Pin(MockPin):  # type: ignore[misc]
    """A mock pin that tells what is done to it, and can fail."""

    def _set_function(self, value: str) -> None:
        LOG.append((self._number, "function", value))
        super()._set_function(value)

    def _set_state(self, value: float) -> None:
        LOG.append((self._number, "level", bool(value)))
        if self._number in BROKEN:
            raise OSError("the chip is gone")
        if self._number not in STUCK:
            super()._set_state(value)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    """A board of such pins, which is also the one that a configuration gets."""
    factory = MockFactory(pin_class=Pin)
    monkeypatch.setattr("edge_node.hardware.outputs.opening.pin_factory", lambda: factory)
    monkeypatch.setattr("edge_node.hardware.outputs.inputs.pin_factory", lambda: factory)
    monkeypatch.setattr(factory, "close", lambda: None)
    for kept in (LOG, BROKEN, STUCK):
        kept.clear()
    yield factory
    factory.reset()


def levels(bcm: int) -> list[bool]:
    """What the pin was driven to, first to last."""
    return [bool(level) for pin, what, level in LOG if what == "level" and pin == bcm]


CONFIG = """\
kettles: nonsense
actuators:
  - {id: pump, kind: pump, driver: gpio, pin: 22, active: low}
  - {id: chiller, kind: valve, driver: gpio, pin: 24, safe: on}
  - {id: heater, kind: heater, driver: gpio, pin: 17, control: power, contactor: main}
  - {id: main, kind: contactor, driver: gpio, pin: 27}
interlocks: [{id: lid, driver: gpio, pin: 5}, {id: flow, driver: gpio, pin: 26, closed: high}]
inputs:
  stop: {driver: gpio, pin: 6}
  override: {driver: gpio, pin: 13}
  pairing: {driver: gpio, pin: 19}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "edge.yaml"
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize("stop", [False, True])
def test_each_pin_is_at_its_safe_level_from_its_first_moment_also_under_a_broken_configuration(
    board: MockFactory, config: Path, stop: bool
) -> None:
    if not stop:
        config.write_text(CONFIG.replace("  stop: {driver: gpio, pin: 6}\n", ""))
    outputs = open_outputs(config)
    assert outputs.failed == {}
    assert {bcm: set(levels(bcm)) for bcm in (22, 24, 17, 27)} == {
        22: {True},
        # An active-low pump is off; a valve whose safe level is on is off if a stop may be pressed.
        24: {not stop},
        17: {False},
        27: {False},
    }
    assert {board.pin(bcm).function for bcm in (22, 24, 17, 27)} == {"output"}
    outputs.close()


def test_no_output_is_touched_before_the_contactor_is_open(
    board: MockFactory, config: Path
) -> None:
    outputs = open_outputs(config)
    assert [entry for entry in LOG if entry[1] != "input"][:2] == [
        (27, "function", "output"),
        (27, "level", False),
    ]
    outputs.close()
    assert board.pin(27).function == "input"


def test_what_the_service_manager_runs_after_the_node_sets_the_same_levels(
    board: MockFactory, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["safe-level", "--config", str(config)]) == 0
    assert "4 output(s)" in capsys.readouterr().out
    assert (set(levels(22)), set(levels(17))) == ({True}, {False})
    assert board.pin(17).function == "input"


def test_an_active_low_output_with_a_pull_up_outside_is_high_before_during_and_after(
    board: MockFactory,
) -> None:
    pin = board.pin(17)
    pin.drive_high()  # the resistor outside
    pin.clear_states()
    outputs = open_specs([replace(SWITCH, active_high=False)], board)
    outputs.close()
    assert [bool(state.state) for state in pin.states] == [True]


@pytest.mark.parametrize("active_high", [True, False])
def test_a_slow_pulse_and_a_switch_reach_the_pin_with_the_right_sign(
    board: MockFactory, active_high: bool
) -> None:
    specs = [replace(spec, active_high=active_high) for spec in (HEATER, CONTACTOR)]
    outputs = running(open_specs(specs, board))
    outputs["main"].write(100, 1)
    outputs["heater"].write(50, 1)
    on = 0
    for now in range(50, 4050, 50):
        outputs.beat(now)
        outputs.service(now)
        on += bool(board.pin(27).state) is active_high
    assert on == pytest.approx(40, abs=2)
    assert bool(board.pin(5).state) is active_high
    outputs.close()


@pytest.mark.parametrize("how", ["raises", "does not follow"])
def test_a_pin_that_fails_takes_every_other_output_to_its_safe_level(
    board: MockFactory, how: str
) -> None:
    outputs = running(open_specs([SWITCH, HEATER, CONTACTOR], board))
    for output_id in ("main", "heater", "pump"):
        outputs[output_id].write(100, 1)
    outputs.service(2)
    assert [board.pin(bcm).state for bcm in (17, 27, 5)] == [1, 1, 1]
    (BROKEN if how == "raises" else STUCK).add(27)
    outputs["heater"].write(0, 3)
    outputs.service(4)
    assert [board.pin(bcm).state for bcm in (17, 5)] == [0, 0]
    assert list(outputs.failed) == ["heater"]

    # Not even for a moment, and also when the pin obeys again.
    for kept in (LOG, BROKEN, STUCK):
        kept.clear()
    outputs.beat(4)
    outputs["pump"].write(100, 5)
    outputs.service(6)
    assert set(levels(17)) == {False}
    outputs.close()


def test_a_pin_that_an_input_has_already_is_refused_by_name(board: MockFactory) -> None:
    inputs = open_input_specs((InputSpec("stop", "stop", "gpio", True, 17, None),), board)
    outputs = open_specs([SWITCH, CONTACTOR], board)
    assert "pin 17" in outputs.failed["pump"]
    assert outputs.held
    outputs.close()
    inputs.close()


def test_every_contact_has_the_pull_that_makes_an_open_wire_open(
    board: MockFactory, config: Path
) -> None:
    inputs = open_inputs(config)
    assert inputs.problems == {}
    pulls = {bcm: board.pin(bcm).pull for bcm in (5, 26, 6, 13, 19)}
    assert pulls == {5: "up", 26: "down", 6: "up", 13: "up", 19: "up"}
    for now in range(20, 400, 20):
        inputs.sample(now)
    assert inputs.read(400) == {
        "lid": False,
        "flow": False,
        "stop": True,
        "override": False,
        "pairing": False,
    }
    inputs.close()


@pytest.mark.parametrize(("button", "bcm"), [("override", 13), ("pairing", 19)])
def test_a_button_to_ground_is_heard_once_when_it_was_held(
    board: MockFactory, config: Path, button: str, bcm: int
) -> None:
    inputs = open_inputs(config)
    heard = []
    for now in range(20, 12_000, 20):
        if now == 1000:
            board.pin(bcm).drive_low()
        if now == 9000:
            board.pin(bcm).drive_high()
        inputs.sample(now)
        if inputs.read(now)[button]:
            heard.append(now)
    (at,) = heard
    assert 4000 <= at <= 4200
    inputs.close()


def test_the_stop_is_pressed_by_a_broken_wire_and_by_the_mushroom(
    board: MockFactory, config: Path
) -> None:
    inputs = open_inputs(config)
    found = []
    for now in range(20, 1000, 20):
        if now == 200:
            board.pin(6).drive_low()  # the closed contact of the mushroom
        if now == 600:
            board.pin(6).drive_high()
        inputs.sample(now)
        found.append(inputs.read(now)["stop"])
    changes = [state for i, state in enumerate(found) if i == 0 or state != found[i - 1]]
    assert changes == [None, True, False, True]
    inputs.close()


def test_gpiozero_without_lgpio_fails_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "lgpio", None)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    outputs = open_specs([OutputSpec("h", "heater", "gpio", 0.0, None, None, 4, True, None)])
    assert "smart-beer[edge,gpio]" in outputs.failed["h"]
    assert outputs.held
    outputs.close()
