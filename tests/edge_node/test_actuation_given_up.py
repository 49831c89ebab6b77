"""What a latch, the stop, a lapse or time has ended does not begin again by itself."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from edge_node.hardware.outputs import open_outputs
from edge_node.lease import Refused
from edge_node.model import Reading
from tests.edge_node.actuation_bench import TEXT, Bench

CELLAR = """\
node: {id: n, data_dir: data}
kettles: [{id: k, safety: {volume_l: 20}}]
channels: [{id: t, kettle: k, driver: simulated}]
actuators:
  - {id: heater, kettle: k, kind: heater, driver: simulated, file: pins/heater, power_w: 50,
     contactor: contactor}
  - {id: fridge, kettle: k, kind: cooler, driver: simulated, file: pins/fridge}
  - {id: pump, kettle: k, kind: pump, driver: simulated, file: pins/pump}
  - {id: contactor, kettle: k, kind: contactor, driver: simulated, file: pins/contactor}
controllers:
  - {id: c, kettle: k, kind: fermentation, heater: heater, cooler: fridge, range: [4, 90]}
"""
SAFE_PUMP = TEXT.replace(
    "{id: pump, kettle: k, kind: pump,", "{id: pump, kettle: k, kind: pump, safe: true,"
)


def stop(bench: Bench, pressed: bool) -> None:
    (bench.folder / "pins" / "stop").write_text("0" if pressed else "1")


def mode(bench: Bench) -> str:
    found: str = bench.state["controllers"]["c"]["mode"]
    return found


def clear(bench: Bench, latch: str) -> Any:
    return asyncio.run(bench.commander.clear("k", bench.header(), latch))


def press_override(bench: Bench) -> None:
    button = bench.folder / "pins" / "override"
    button.write_text("1")
    bench.run(3.5)
    button.write_text("0")
    bench.run(2)


def lapse(bench: Bench) -> None:
    bench.renewing = False
    bench.run(11)
    assert bench.state["kettles"]["k"]["lease"]["holder"] is None


@pytest.mark.parametrize("latch", ["stop_pressed", "safe"])
def test_a_controller_that_wants_nothing_just_then_is_off_too(bench: Bench, latch: str) -> None:
    bench.switch("pump", True)
    bench.control(mode="auto", setpoint=59)
    bench.run(3)
    assert (mode(bench), bench.pin("heater")) == ("auto", 0)
    if latch == "safe":
        asyncio.run(bench.commander.safe(None))
    else:
        stop(bench, pressed=True)
        bench.run(1)
        stop(bench, pressed=False)
    bench.run(1)
    assert mode(bench) == "off"
    assert not isinstance(clear(bench, latch), Refused)
    bench.switch("pump", True)
    bench.reading = Reading(50.0, "ok")
    for _ in range(50):
        bench.step()
        assert bench.pin("heater") == 0
    assert bench.state["controllers"]["c"]["setpoint"] == 59


def test_what_cools_goes_on_beside_a_latch_and_ends_when_that_is_cleared(
    make: Callable[..., Bench],
) -> None:
    bench = make(CELLAR, start_c=25.0)
    bench.lead()
    bench.control(mode="auto", setpoint=18)
    bench.run_until(lambda: bench.pin("fridge") == 100, 1000)
    asyncio.run(bench.commander.safe(None))
    bench.run(5)
    assert (mode(bench), bench.pin("fridge")) == ("auto", 100)
    assert not isinstance(clear(bench, "safe"), Refused)
    bench.run(1)
    assert mode(bench) == "off"
    bench.reading = Reading(10.0, "ok")
    for _ in range(50):
        bench.step()
        assert bench.pin("heater") == 0


def test_a_latch_that_a_command_finds_is_on_disk_when_it_is_answered(bench: Bench) -> None:
    bench.run(1)
    stop(bench, pressed=True)
    for _ in range(2):
        bench.machine.run(100)
        bench.inputs.sample(bench.machine.mono)
    assert bench.switch("pump", True)["limited_by"] == "stop"
    kept = json.loads((bench.config.data_dir / "latches.json").read_text())["kept"]
    assert [one["latch"] for one in kept] == ["stop_pressed"]


def test_a_tap_on_the_stop_between_two_ticks_ends_everything(bench: Bench) -> None:
    bench.heat()
    bench.run_until(lambda: bench.machine.mono % 500 < 100, 1)
    stop(bench, pressed=True)
    for _ in range(3):
        bench.step()
    stop(bench, pressed=False)
    bench.run(2)
    assert bench.latches == {"stop_pressed"}
    assert (bench.pin("heater"), bench.pin("pump"), bench.pin("contactor")) == (0, 0, 0)


def test_a_pump_whose_safe_level_is_on_obeys_the_stop_whatever_else_is_wrong(
    make: Callable[..., Bench],
) -> None:
    bench = make(SAFE_PUMP)
    bench.run(1)
    assert bench.pin("pump") == 100
    bench.outputs.safe()  # as when a tick fails
    assert bench.pin("pump") == 100
    stop(bench, pressed=True)
    for _ in range(2):
        bench.machine.run(100)
        bench.inputs.sample(bench.machine.mono)
    bench.outputs.safe()
    assert bench.pin("pump") == 0
    bench.run(1)
    stop(bench, pressed=False)
    bench.run(1)
    assert bench.latches == {"stop_pressed"}
    bench.outputs.safe()
    assert bench.pin("pump") == 0
    bench.close()
    assert bench.pin("pump") == 0
    again = open_outputs(bench.folder / "edge.yaml")
    assert bench.pin("pump") == 0
    again.close()


def test_the_override_does_not_set_going_what_was_switched_off_before(bench: Bench) -> None:
    bench.switch("pump", True)
    bench.control(mode="auto", setpoint=80)
    bench.run(1)
    bench.control(mode="off")
    lapse(bench)
    press_override(bench)
    assert bench.state["kettles"]["k"]["lease"]["holder"] == "override"
    assert (mode(bench), bench.pin("heater"), bench.pin("pump")) == ("off", 0, 0)


def test_the_override_does_not_go_back_beyond_the_last_lease(bench: Bench) -> None:
    bench.switch("pump", True)
    bench.control(mode="auto", setpoint=80)
    lapse(bench)
    bench.lead()
    bench.run(1)
    lapse(bench)
    press_override(bench)
    assert (mode(bench), bench.pin("heater")) == ("off", 0)


def test_the_override_does_not_turn_heat_by_hand_into_regulation(bench: Bench) -> None:
    bench.switch("pump", True)
    bench.control(mode="auto", setpoint=80)
    bench.control(mode="manual", power=20)
    lapse(bench)
    press_override(bench)
    assert (mode(bench), bench.pin("heater")) == ("off", 0)


def test_heat_by_hand_ends_as_a_command_does(make: Callable[..., Bench]) -> None:
    bench = make(TEXT.replace("power_w: 3500,", "power_w: 3500, max_on_s: 60,"))
    bench.lead()
    bench.switch("pump", True)
    assert bench.control(mode="manual", power=100)["actual"] == 100
    bench.run(59)
    assert bench.state["actuators"]["heater"]["actual"] == 100
    bench.run(2)
    limited = {"desired": 100.0, "actual": 0.0, "limited_by": "max_on"}
    assert bench.state["actuators"]["heater"] == limited
    bench.run(60)
    assert bench.pin("heater") == 0
    assert bench.control(mode="manual", power=50)["actual"] == 50


def test_heat_by_hand_is_refused_under_a_latch(bench: Bench) -> None:
    bench.switch("pump", True)
    asyncio.run(bench.commander.safe(None))
    answer = bench.control(mode="manual", power=30)
    assert isinstance(answer, Refused)
    assert (answer.status, answer.code) == (423, "safety_latched")
