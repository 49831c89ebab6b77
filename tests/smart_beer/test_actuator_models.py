"""Outputs, controllers, interlocks and latches, as nodes tell of them."""

from typing import Any

import pytest

from custom_components.smart_beer.actuator_models import (
    ActuatorInfo,
    ActuatorState,
    Answer,
    ControllerInfo,
    ControllerState,
    InterlockInfo,
    Latch,
    percent,
)
from custom_components.smart_beer.models import Alarm, KettleInfo, NodeState
from custom_components.smart_beer.state_models import state_parts

HEATER: dict[str, Any] = {
    "id": "heater",
    "name": "Heater",
    "kettle_id": "mash-tun",
    "kind": "heater",
    "control": "power",
    "power_w": 3500,
    "min_on_s": 0.2,
    "min_off_s": 0.2,
    "max_on_s": 14400,
    "max_on_per_hour_s": 3600,
    "requires": ["pump"],
    "interlocks": ["lid"],
    "mutex": None,
    "breaker": "b16",
    "contactor": "contactor",
    "safe": False,
    "hold_s": None,
}
MASH: dict[str, Any] = {
    "id": "mash",
    "name": "Mash",
    "kettle_id": "mash-tun",
    "kind": "pid",
    "heater": "heater",
    "cooler": None,
    "range": [10, 80],
    "max_rate": 2,
    "tunable": True,
}


def without(data: dict[str, Any], key: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != key} | changes


def test_an_output_is_what_the_node_says() -> None:
    heater = ActuatorInfo.parse({**HEATER, "from_a_newer_node": 1})
    assert (heater.kind, heater.control, heater.power_w, heater.max_on_s) == (
        "heater",
        "power",
        3500,
        14400,
    )
    assert (heater.requires, heater.interlocks, heater.contactor) == (
        ("pump",),
        ("lid",),
        "contactor",
    )
    assert not heater.safe
    assert ActuatorInfo.parse(without(HEATER, "name", safe=1)).name == "heater"
    assert not ActuatorInfo.parse({**HEATER, "safe": 1}).safe, "only true is true"


@pytest.mark.parametrize("key", ["id", "kettle_id", "kind", "control"])
def test_an_output_needs_what_it_is(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        ActuatorInfo.parse(without(HEATER, key))


def test_a_controller_has_a_range_and_knows_its_outputs() -> None:
    mash = ControllerInfo.parse(MASH)
    assert (mash.low, mash.high, mash.outputs, mash.tunable) == (10, 80, ("heater",), True)
    both = ControllerInfo.parse({**MASH, "cooler": "glycol"})
    assert both.outputs == ("heater", "glycol")


@pytest.mark.parametrize("bounds", [None, [], [10], [10, None], [10, "80"], "1080", [1, 2, 3]])
def test_a_controller_without_a_range_is_none(bounds: Any) -> None:
    with pytest.raises(ValueError, match="mash does not say its range"):
        ControllerInfo.parse({**MASH, "range": bounds})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, 100),
        (False, 0),
        (0, 0),
        (37.5, 37.5),
        (100, 100),
        (-1, None),
        (100.1, None),
        ("on", None),
        (None, None),
        (float("nan"), None),
        ([], None),
    ],
)
def test_percent_is_a_switch_or_a_power(value: object, expected: float | None) -> None:
    assert percent(value) == expected


@pytest.mark.parametrize("broken", [{}, {"desired": True}, {"desired": "on", "actual": True}])
def test_what_an_output_does_not_say_is_not_taken_for_off(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="does not say what it is"):
        ActuatorState.parse(broken)
    with pytest.raises(ValueError, match="does not say what it is"):
        Answer.parse(broken)


def test_states_of_outputs_controllers_and_latches() -> None:
    said = {"desired": 80, "actual": 0, "limited_by": "interlock", "seq": 4}
    assert ActuatorState.parse(said) == ActuatorState(80, 0, "interlock")
    assert Answer.parse(said).raw["seq"] == 4
    mode = ControllerState.parse({"mode": "off", "setpoint": None, "process": 20, "power": 0})
    assert (mode.setpoint, mode.process, mode.inner) == (None, 20, {})
    assert Latch.parse({"kettle_id": "m", "latch": "safe", "since": None, "text": "t"}).text == "t"
    assert InterlockInfo.parse({"id": "lid", "name": None, "kettle_id": None}).name == "lid"
    seen = {"by": "Ana", "note": "", "t": 1}
    assert Alarm.parse({"id": "a", "acknowledged": seen}).acknowledged == seen
    kettle = {"kettle_id": "m", "safety": {"high_limit": 80}}
    assert KettleInfo.parse(kettle).high_limit == 80
    assert KettleInfo.parse({"kettle_id": "m", "safety": None}).high_limit is None


def test_a_state_of_an_older_node_has_no_outputs() -> None:
    state = NodeState.parse({"channels": {}, "health": {}})
    assert (state.actuators, state.controllers, state.latches, state.interlocks) == ({}, {}, (), {})
    assert state.stop is None


def test_only_the_parts_that_are_told_of_are_parts() -> None:
    parts = state_parts(
        {
            "interlocks": {"lid": True, "level": False, "flow": None, "odd": 3},
            "stop": True,
            "kettles": {"mash-tun": {"lease": {"holder": None}, "batch": "B001"}},
            "something_new": 1,
        }
    )
    assert parts == {
        "interlocks": {"lid": True, "level": False, "flow": None, "odd": None},
        "stop": True,
        "batches": {"mash-tun": "B001"},
    }
    with pytest.raises(ValueError, match="latches"):
        state_parts({"latches": {}})
