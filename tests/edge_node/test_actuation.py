import asyncio
import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from edge_node.lease import Refused
from edge_node.model import Reading
from tests.edge_node.actuation_bench import TEXT, Bench


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_is_on_without_a_lease(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.run(12)
    assert (bench.pin("heater"), bench.pin("pump"), bench.pin("contactor")) == (0, 0, 0)
    answer = bench.switch("heater", True)
    assert isinstance(answer, Refused)
    assert (answer.status, answer.code) == (403, "not_leader")


def test_a_command_takes_effect_on_arrival_and_not_at_the_next_tick(bench: Bench) -> None:
    bench.run(1)
    bench.switch("pump", True)
    assert bench.switch("heater", True) == {
        "desired": 100.0,
        "actual": 100.0,
        "limited_by": None,
        "seq": 2,
    }
    assert (bench.pin("pump"), bench.pin("heater")) == (100, 100)
    assert bench.switch("heater", False)["actual"] == 0
    assert bench.pin("heater") == 0


def test_a_permit_that_is_missing_is_named_beside_desired_and_actual(bench: Bench) -> None:
    bench.run(1)
    answer = bench.switch("heater", True)
    assert answer == {"desired": 100.0, "actual": 0.0, "limited_by": "requires", "seq": 1}
    bench.switch("pump", True)
    bench.run(0.5)
    assert bench.pin("heater") == 100


def test_heat_ends_ten_seconds_after_the_last_stamp_and_a_tick(bench: Bench) -> None:
    bench.heat()
    bench.run(5)
    bench.renew()
    bench.renewing = False
    begun, before = bench.machine.mono, bench.kettle.temperature_c
    bench.run_until(lambda: bench.pin("heater") == 0, 12)
    assert 10_000 <= bench.machine.mono - begun <= 10_600
    bench.run(10)
    # 3.5 kW for 10.5 s in 20 l are 0.44 K.
    assert bench.kettle.temperature_c - before < 0.5
    assert bench.state["actuators"]["heater"] == {
        "desired": 0.0,
        "actual": 0.0,
        "limited_by": None,
    }
    assert (bench.pin("pump"), bench.pin("contactor")) == (0, 0)


def test_a_new_grant_starts_with_everything_off(bench: Bench) -> None:
    bench.heat()
    bench.control(mode="auto", setpoint=70)
    bench.run(3)
    assert bench.state["controllers"]["c"]["mode"] == "auto"
    bench.epoch += 1
    refused = asyncio.run(
        bench.actuation.leases.acquire(
            "k",
            server_id="a",
            session="s",
            epoch=bench.epoch,
            echo_boot=bench.boot,
            echo_ms=bench.machine.mono,
        )
    )
    assert refused is None
    bench.run(1)
    assert bench.state["actuators"]["heater"]["desired"] == 0
    assert bench.state["controllers"]["c"]["mode"] == "off"
    assert bench.pin("heater") == 0


def test_the_wall_clock_changes_nothing(bench: Bench) -> None:
    bench.heat()
    for jump in (3_600_000, -7_200_000, 10**12):
        bench.machine.wall += jump
        bench.run(5)
        assert bench.pin("heater") == 100
        assert bench.state["kettles"]["k"]["lease"]["holder"] == "a"


def test_a_tick_that_fails_makes_all_safe_gives_no_beat_and_the_next_one_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.heat()
    bench.run(1)
    real = bench.core._supervisor.tick

    def broken(_: Any) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr(bench.core._supervisor, "tick", broken)
    actuation = bench.actuation
    beats: list[str] = []
    guard = SimpleNamespace(beat=lambda: beats.append("guard"), close=lambda: None, problem=None)
    monkeypatch.setattr(actuation, "_heartbeat", guard)
    # The pins are served by the real clock and the tick goes by the test's.
    monkeypatch.setattr(bench.outputs, "beat", lambda _: beats.append("outputs"))
    actuation.start()
    try:
        wait_until(lambda: actuation.counts["tick_failures"] >= 2)
        assert bench.pin("heater") == 0
        assert "actuation_failing" in actuation.alarms()
        assert beats == []
        monkeypatch.setattr(bench.core._supervisor, "tick", real)
        wait_until(lambda: actuation.failure is None and set(beats) == {"outputs", "guard"})
    finally:
        actuation._stopping.set()
        assert actuation._thread is not None
        actuation._thread.join(10)
        actuation._stopping.clear()


def test_a_relay_that_is_stuck_opens_the_contactor_within_two_minutes(bench: Bench) -> None:
    bench.heat()
    bench.run(60)
    bench.switch("heater", False)
    bench.run(60)
    bench.welded = True
    before = bench.kettle.temperature_c
    took = bench.run_until(lambda: bench.pin("contactor") == 0, 130)
    assert took <= 120
    assert "stuck_relay" in bench.latches
    bench.run(60)
    assert bench.kettle.temperature_c - before < 5.1  # two minutes of 3.5 kW in 20 l
    kept = json.loads((bench.config.data_dir / "latches.json").read_text())["kept"]
    assert [one["latch"] for one in kept] == ["stuck_relay"]


def test_an_element_that_does_not_heat_is_off_and_latched_within_three_minutes(
    bench: Bench,
) -> None:
    bench.dead = True
    bench.heat()
    took = bench.run_until(lambda: bench.pin("heater") == 0, 200)
    assert took <= 180.5
    assert bench.latches == {"no_rise"}
    answer = bench.switch("heater", True)
    assert isinstance(answer, Refused)
    assert (answer.code, answer.detail["reason"]) == ("safety_latched", "no_rise")
    assert bench.switch("heater", False)["actual"] == 0


def test_a_liar_is_off_until_it_is_proven_wrong_and_then_left_out(bench: Bench) -> None:
    def follow() -> None:
        bench.reference = {
            "value": bench.kettle.temperature_c,
            "probes": ["m/t", "o/t"],
        }

    follow()
    bench.run(3)
    bench.heat()
    bench.run(10)
    begun = bench.machine.mono
    bench.reading = Reading(bench.kettle.temperature_c + 10, "ok")
    bench.run(2)
    follow()
    assert bench.pin("heater") == 0
    assert bench.state["actuators"]["heater"]["limited_by"] == "disagreement"
    while bench.pin("heater") == 0:
        assert bench.machine.mono - begun < 70_000
        follow()
        bench.step()
    assert bench.machine.mono - begun >= 60_000
    assert bench.core.outliers() == {"n/t"}
    assert "probe_outlier_t" in bench.actuation.alarms()


def test_a_frozen_probe_alone_means_off(bench: Bench) -> None:
    bench.heat()
    bench.reading = Reading(bench.probe.convert(12) / 16, "suspect:frozen")
    bench.run(6.5)
    assert bench.pin("heater") == 0
    assert bench.state["actuators"]["heater"]["limited_by"] == "process_value"


def test_the_high_limit_holds_and_well_above_it_latches(bench: Bench) -> None:
    bench.heat()
    bench.reading = Reading(90.5, "ok")
    bench.run(1.5)
    assert bench.pin("heater") == 0
    assert bench.state["actuators"]["heater"]["limited_by"] == "high_limit"
    bench.reading = Reading(95.0, "ok")
    bench.run(6)
    assert "over_temperature" in bench.latches


def test_the_stop_ends_everything_and_nothing_comes_back_when_it_is_cleared(bench: Bench) -> None:
    bench.heat()
    (bench.folder / "pins" / "stop").write_text("0")
    bench.run(1)
    assert (bench.pin("heater"), bench.pin("pump"), bench.pin("contactor")) == (0, 0, 0)
    assert bench.latches == {"stop_pressed"}

    def clear() -> Any:
        return asyncio.run(bench.commander.clear("k", bench.header(), "stop_pressed"))

    refused = clear()
    assert isinstance(refused, Refused)
    assert (refused.status, refused.code) == (423, "safety_latched")
    (bench.folder / "pins" / "stop").write_text("1")
    bench.run(1)
    assert not isinstance(clear(), Refused)
    bench.run(2)
    assert bench.latches == set()
    assert (bench.pin("heater"), bench.pin("pump")) == (0, 0)
    assert json.loads((bench.config.data_dir / "latches.json").read_text())["kept"] == []


def test_safe_latches_durably_before_it_returns_and_after_a_restart(
    bench: Bench, make: Callable[..., Bench]
) -> None:
    bench.heat()
    assert asyncio.run(bench.commander.safe(None)) == (["k"], True)
    assert bench.pin("heater") == 0
    assert bench.pin("pump") == 100
    bench.close()
    again = make()
    assert again.latches == {"safe"}
    again.epoch = bench.epoch
    again.lead()
    answer = again.switch("heater", True)
    assert isinstance(answer, Refused)
    assert answer.code == "safety_latched"
    again.run(1)
    assert again.pin("contactor") == 0


def test_latches_that_cannot_be_read_latch_all_and_keep_the_contactor_open(
    bench: Bench, make: Callable[..., Bench]
) -> None:
    bench.close()
    (bench.config.data_dir / "latches.json").write_text("rubbish")
    again = make()
    again.epoch = bench.epoch
    again.lead()
    again.run(2)
    assert again.latches == {"safe"}
    assert again.pin("contactor") == 0
    assert isinstance(again.switch("heater", True), Refused)


def test_a_kettle_that_something_else_heats_too_does_not_take_a_rise_for_a_stuck_relay(
    make: Callable[..., Bench],
) -> None:
    bench = make(TEXT.replace("volume_l: 20", "volume_l: 20, other_heat: true"))
    bench.lead()
    bench.run(30)
    bench.welded = True
    bench.kettle.step(0.0, 0.0)
    for _ in range(1500):
        bench.step()
        bench.kettle.temperature_c += 0.02 * 0.1  # steam, 1.2 K a minute
    assert bench.latches == set()


def test_batch_program_and_acknowledgements_are_kept_across_a_restart(
    bench: Bench, make: Callable[..., Bench]
) -> None:
    async def tell() -> None:
        commander = bench.commander
        first = bench.header()
        answer = await commander.batch("k", first, "B001")
        assert await commander.batch("k", first, "B001") == answer
        assert isinstance(await commander.batch("k", bench.header(seq=0), "x"), Refused)
        await commander.program("k", bench.header(), "step 3", 12)
        await commander.acknowledge("k", bench.header(), {"alarm": "a", "by": "Ann"})

    asyncio.run(tell())
    bench.close()
    again = make()
    record = again.actuation.records["k"]
    assert (record.batch, record.program, record.revision) == ("B001", "step 3", 12)
    assert record.epoch == bench.epoch
    assert record.acks == ({"alarm": "a", "by": "Ann", "batch": "B001"},)


def test_what_is_told_changes_is_reported_once(bench: Bench) -> None:
    bench.run(1)
    bench.reports.clear()
    bench.run(3)
    assert not any("actuators" in report.change for report in bench.reports)
    bench.switch("pump", True)
    changes = [report.change for report in bench.reports if "actuators" in report.change]
    assert len(changes) == 1
    assert changes[0]["actuators"]["pump"]["actual"] is True
