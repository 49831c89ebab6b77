from pathlib import Path
from textwrap import dedent

import pytest

from edge_node.hardware.outputs.spec import Specs, read_specs


def specs(tmp_path: Path, text: str) -> Specs:
    path = tmp_path / "edge.yaml"
    path.write_text(dedent(text))
    return read_specs(path)


WHOLE = """
    node: {id: mash-a}
    actuators:
      - {id: heater, kettle: tun, kind: heater, control: power, driver: gpio, pin: 17, active: low,
         window_s: 4, min_on_s: 0.2, min_off_s: 0.3, power_w: 3500, contactor: main}
      - {id: pump, kettle: tun, kind: pump, driver: simulated, file: levels/pump, safe: on}
      - {id: main, kind: contactor, driver: gpio, pin: 5}
    interlocks:
      - {id: lid, driver: gpio, pin: 22, closed: high}
    inputs:
      stop: {driver: gpio, pin: 6}
      override: {driver: simulated, file: inputs/override}
"""


def test_outputs_and_inputs_are_read_from_the_plain_file(tmp_path: Path) -> None:
    found = specs(tmp_path, WHOLE)
    assert found.problems == ()
    heater, pump, main = found.outputs
    assert (heater.id, heater.pin, heater.active_high, heater.contactor) == (
        "heater",
        17,
        False,
        "main",
    )
    assert heater.pwm is not None
    assert (heater.pwm.window_ms, heater.pwm.min_on_ms, heater.pwm.min_off_ms) == (4000, 200, 300)
    assert (pump.safe, pump.pwm, pump.file) == (100.0, None, tmp_path / "levels/pump")
    assert (main.safe, main.active_high) == (0.0, True)
    assert [(i.id, i.role, i.closed_low) for i in found.inputs] == [
        ("lid", "interlock", False),
        ("stop", "stop", True),
        ("override", "override", True),
    ]


@pytest.mark.parametrize("kind", ["heater", "contactor"])
def test_no_safe_level_of_a_heater_or_contactor_is_on(tmp_path: Path, kind: str) -> None:
    found = specs(tmp_path, f"actuators: [{{id: x, kind: {kind}, driver: gpio, pin: 3, safe: on}}]")
    assert [output.safe for output in found.outputs] == [0.0]


def test_what_is_wrong_elsewhere_keeps_no_output_from_being_found(tmp_path: Path) -> None:
    found = specs(
        tmp_path,
        """
        nonsense: [1, 2]
        channels: nowhere
        kettles: {a: b}
        actuators:
          - {id: broken, kind: heater, driver: gpio, pin: seventeen}
          - {id: wide, kind: heater, driver: gpio, pin: 4, control: power, window_s: 0.1}
          - just text
          - {id: heater, kind: heater, driver: gpio, pin: 17, unknown_key: 5}
        interlocks: 7
        inputs: [stop]
        """,
    )
    assert [output.id for output in found.outputs] == ["heater"]
    assert len(found.problems) == 2
    assert "broken" in found.problems[0]
    assert "seventeen" in found.problems[0]
    assert "wide" in found.problems[1]


def test_a_file_that_is_no_yaml_or_not_there_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    assert specs(tmp_path, "actuators: [").problems
    missing = read_specs(tmp_path / "nowhere.yaml")
    assert (missing.outputs, len(missing.problems)) == ((), 1)
