"""What controllers do with the outputs: setpoints, manual power, autotune, and without a leader."""

from collections.abc import Callable

import pytest

from edge_node.lease import Refused
from tests.edge_node.actuation_bench import Bench

pytestmark = pytest.mark.timeout(300)  # hours of a kettle, calculated

FERMENTER = """\
node: {id: n, data_dir: data}
kettles: [{id: k, safety: {volume_l: 20}}]
channels: [{id: t, kettle: k, driver: simulated}]
actuators:
  - {id: heater, kettle: k, kind: heater, driver: simulated, file: pins/heater, power_w: 50,
     on_lease_loss: {max_h: 0.5}, contactor: null}
  - {id: pump, kettle: k, kind: pump, driver: simulated, file: pins/pump}
  - {id: contactor, kettle: k, kind: contactor, driver: simulated, file: pins/contactor}
controllers: [{id: c, kettle: k, kind: fermentation, heater: heater, range: [4, 90]}]
"""


def test_the_controller_reaches_its_setpoint_and_stays(bench: Bench) -> None:
    bench.switch("pump", True)
    answer = bench.control(mode="auto", setpoint=66)
    assert answer["controller"]["mode"] == "auto"
    assert answer["desired"] > 0
    bench.run(420)
    worst = 0.0
    for _ in range(120):
        bench.run(1)
        worst = max(worst, abs(bench.kettle.temperature_c - 66))
    assert worst < 0.3
    setpoints = [s.value for r in bench.reports for s in r.samples if s.channel == "c_setpoint"]
    assert set(setpoints) == {66.0}
    powers = [s.value for r in bench.reports for s in r.samples if s.channel == "heater"]
    assert len(powers) > 10


def test_off_takes_the_output_from_its_controller(bench: Bench) -> None:
    bench.switch("pump", True)
    bench.control(mode="auto", setpoint=80)
    bench.run(2)
    assert bench.switch("heater", False)["actual"] == 0
    bench.run(3)
    assert bench.pin("heater") == 0
    assert bench.state["controllers"]["c"]["mode"] == "off"


def test_manual_power_is_an_average_of_pulses(bench: Bench) -> None:
    bench.switch("pump", True)
    answer = bench.control(mode="manual", power=40)
    assert (answer["desired"], answer["actual"]) == (40, 40)
    on = 0
    for _ in range(500):
        bench.step()
        on += bench.pin("heater") > 0
    assert on / 500 == pytest.approx(0.4, abs=0.05)


def test_autotune_shows_its_result_and_waits_to_be_told(bench: Bench) -> None:
    bench.switch("pump", True)
    assert isinstance(bench.control(autotune="apply"), Refused)
    answer = bench.control(mode="off", setpoint=64)
    assert not isinstance(answer, Refused)
    answer = bench.control(autotune="start")
    assert answer["controller"]["mode"] == "autotune"
    loop = bench.core.loops["c"]
    bench.run_until(lambda: loop.tuned is not None, 3600 * 3)
    shown = bench.state["controllers"]["c"]
    assert shown["mode"] == "off"
    result = shown["state"]["autotune"]["result"]
    assert result["kp"] > 0
    assert shown["state"]["kp"] != result["kp"]
    assert not isinstance(bench.control(autotune="apply"), Refused)
    assert bench.state["controllers"]["c"]["state"]["kp"] == result["kp"]


def test_fermentation_holds_without_a_lease_for_its_time_and_no_longer(
    make: Callable[..., Bench],
) -> None:
    bench = make(FERMENTER, start_c=18.0)
    bench.lead()
    bench.control(mode="auto", setpoint=30)
    bench.run_until(lambda: bench.pin("heater") == 100, 700)
    bench.renewing = False
    bench.run(60)
    assert bench.state["kettles"]["k"]["lease"]["holder"] is None
    assert bench.pin("heater") == 100
    bench.run(0.5 * 3600)
    assert bench.pin("heater") == 0
    assert bench.state["actuators"]["heater"]["limited_by"] == "hold_expired"


def test_the_override_goes_on_at_the_last_setpoint_for_ten_minutes(bench: Bench) -> None:
    bench.switch("pump", True)
    bench.control(mode="auto", setpoint=80)
    bench.run(2)
    bench.renewing = False
    bench.run(11)
    assert bench.pin("heater") == 0
    override = bench.folder / "pins" / "override"
    override.write_text("1")
    bench.run(3.5)
    override.write_text("0")
    bench.run(2)
    assert bench.state["kettles"]["k"]["lease"]["holder"] == "override"
    assert (bench.pin("heater"), bench.pin("pump")) == (100, 100)
    answer = bench.switch("heater", False)
    assert isinstance(answer, Refused)
    assert answer.code == "not_leader"
    bench.run_until(lambda: bench.pin("contactor") == 0, 610)
    assert bench.pin("heater") == 0
