"""Each permit, alone: with it an output is on, without it off, and it is named."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_node.safety.permits import PERMITS
from edge_node.safety.rules import Decision, Hold, Trip
from tests.edge_node.safety.bench import (
    BELT,
    CELLAR,
    CONTACTOR,
    FRIDGE,
    HEATER,
    HLT_HEATER,
    HOUR_MS,
    MASH,
    PUMP,
    Bench,
)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.heat()
    return bench


def refused(name: str, desired: float = 50.0) -> Decision:
    return Decision(0.0, name, desired)


def test_the_permits_have_the_names_that_screens_know() -> None:
    assert [*PERMITS, "min_on"] == [
        "stop",
        "safe",
        "latched",
        "lease",
        "hold_expired",
        "process_value",
        "disagreement",
        "high_limit",
        "interlock",
        "max_on",
        "max_on_hour",
        "min_off",
        "requires",
        "mutex",
        "power_budget",
        "min_on",
    ]


def test_stop_switches_everything_off_and_lasts_after_its_release(bench: Bench) -> None:
    bench.tick(stop_pressed=True)
    assert bench["heater"] == refused("stop")
    assert bench["pump"] == Decision(0.0, "stop", 100.0)
    assert bench["valve"].actual == 0.0  # although its safe level is open
    bench.tick(stop_pressed=False)
    assert bench["heater"] == refused("stop")
    assert bench["pump"].actual == 0.0


def test_an_unreadable_stop_input_stops_without_latching(bench: Bench) -> None:
    bench.tick(stop_pressed=None)
    assert bench["heater"] == refused("stop")
    assert not bench.verdict.latches
    bench.tick(stop_pressed=False)
    assert bench["heater"].actual == 50.0


def test_safe_switches_heat_off_and_lets_the_pump_run(bench: Bench) -> None:
    assert [trip.kettle_id for trip in bench.supervisor.safe("mash")] == ["mash"]
    bench.tick(0)
    assert bench["heater"] == refused("safe")
    assert bench["pump"].actual == 100.0
    assert bench["main_contactor"].actual == 0.0


@pytest.mark.parametrize("name", ["over_temperature", "stuck_relay", "no_rise", "from later"])
def test_latched_keeps_heat_off_and_the_contactor_open(name: str) -> None:
    bench = Bench(latches=[Trip("mash", name, "It was so before.")])
    bench.wish("pump", 100.0)
    assert bench["pump"].actual == 100.0
    assert bench.wish("heater", 50.0) == refused("latched")
    assert bench.verdict.contactors == {"main_contactor": False}
    assert bench.wish("hlt_heater", 50.0).actual == 50.0  # another kettle's


def test_a_latch_of_any_kettle_behind_a_contactor_keeps_all_of_them_off() -> None:
    shared = replace(HLT_HEATER, contactor="main_contactor")
    bench = Bench(
        outputs=[HEATER, PUMP, CONTACTOR, shared], latches=[Trip("hlt", "no_rise", "It was so.")]
    )
    bench.wish("pump", 100.0)
    assert bench.wish("heater", 50.0) == refused("latched")
    assert bench.verdict.contactors == {"main_contactor": False}


def test_what_a_command_is_told_of_latches_is_what_the_permits_go_by() -> None:
    bench = Bench(
        outputs=[HEATER, PUMP, replace(CONTACTOR, kettle_id="hlt")],
        latches=[Trip("hlt", "no_rise", "It was so.")],
    )
    assert bench.supervisor.latched("heater") == {"no_rise"}
    assert bench.wish("pump", 100.0).actual == 100.0
    assert bench.wish("heater", 50.0) == refused("latched")
    bench.tick(stop_pressed=True)
    assert bench.supervisor.latched("pump") == {"stop_pressed"}


def test_lease_lost_is_off_and_safe_levels_in_the_same_tick(bench: Bench) -> None:
    bench.drop = False
    bench.leases.clear()
    bench.tick(0)
    assert bench["heater"].actual == 0.0
    assert bench["pump"].actual == 0.0
    assert bench["valve"] == Decision(100.0, "lease", 0.0)
    assert bench["main_contactor"].actual == 0.0
    bench.wish("heater", 50.0)
    assert bench["heater"] == refused("lease")


def test_hold_expired_ends_a_fermentation_that_nobody_leads() -> None:
    bench = Bench()
    bench.wish("belt", 100.0, source="controller", for_ms=None)
    bench.leases.clear()
    bench.run(7198)
    assert bench["belt"] == Decision(100.0, None, 100.0)
    bench.run(3)
    assert bench["belt"] == refused("hold_expired", 100.0)
    bench.leases["cellar"] = True
    bench.tick()
    assert bench["belt"].actual == 100.0  # it resumes by itself


def test_process_value_missing_is_no_heat_and_no_cold(bench: Bench) -> None:
    bench.values["mash"] = None
    bench.tick()
    assert bench["heater"] == refused("process_value")
    assert bench["pump"].actual == 100.0
    cold = Bench(values={"cellar": None})
    cold.run(300)
    assert cold.wish("fridge", 100.0) == refused("process_value", 100.0)


def test_disagreement_is_off_whoever_lies(bench: Bench) -> None:
    bench.reference("mash", 22.1)
    bench.tick(0)
    assert bench["heater"] == refused("disagreement")
    bench.reference("mash", 21.6)
    bench.tick(0)
    assert bench["heater"] == refused("disagreement")
    bench.reference("mash", 21.5)
    bench.tick(0)
    assert bench["heater"].actual == 50.0


def test_disagreement_that_the_leader_tells_of_is_off_although_the_own_probe_is_good(
    bench: Bench,
) -> None:
    """Three that all disagree give no number, and then no own probe is better than the others."""
    bench.reference("mash", None, "n1/t", "n2/t", "n3/t")
    bench.tick(0)
    assert bench["heater"] == refused("disagreement")
    bench.reference("mash", None, "n1/t", "n2/t", "n3/t", age=5_001)
    bench.tick(0)
    assert bench["heater"].actual == 50.0


def test_high_limit_applies_to_every_value_that_is_not_bad(bench: Bench) -> None:
    bench.values["mash"] = 79.9
    bench.tick()
    assert bench["heater"].actual == 50.0
    bench.values["mash"] = 80.0
    bench.tick()
    assert bench["heater"] == refused("high_limit")


def _agreeing(bench: Bench, value: float | None) -> None:
    bench.values["mash"] = value


def _contradicting(bench: Bench, value: float | None) -> None:
    bench.reference("mash", value)


@pytest.mark.parametrize(
    ("permit", "say", "value"),
    [
        ("process_value", _agreeing, None),
        ("disagreement", _contradicting, 30.0),
        ("disagreement", _contradicting, None),
        ("high_limit", _agreeing, 80.0),
    ],
)
def test_what_heats_another_kettle_too_is_off_and_names_it_whatever_its_own_says(
    permit: str, say: Callable[[Bench, float | None], None], value: float | None
) -> None:
    bench = Bench(outputs=[replace(HLT_HEATER, heats=("mash",))])
    assert bench.wish("hlt_heater", 50.0) == Decision(50.0, None, 50.0)
    say(bench, value)
    bench.tick(0)
    assert bench["hlt_heater"] == replace(refused(permit), kettle="mash")
    # Its own kettle needs no name.
    bench.values["hlt"] = None
    bench.tick(0)
    assert bench["hlt_heater"] == refused("process_value")


@pytest.mark.parametrize("state", [False, None, "missing"])
def test_interlock_open_or_unknown_is_off(bench: Bench, state: object) -> None:
    bench.tick(interlocks={} if state == "missing" else {"lid": state})
    assert bench["heater"] == refused("interlock")
    assert bench["pump"].actual == 100.0


def test_max_on_ends_a_command_when_it_said_and_at_the_outputs_bound() -> None:
    bench = Bench(outputs=[replace(HLT_HEATER, max_on_ms=60_000)])
    bench.wish("hlt_heater", 50.0, for_ms=10_000)
    bench.run(9.5)
    assert bench["hlt_heater"].actual == 50.0
    bench.run(0.5)
    assert bench["hlt_heater"] == refused("max_on")
    bench.wish("hlt_heater", 50.0, for_ms=None)
    bench.run(59.5)
    assert bench["hlt_heater"].actual == 50.0
    bench.run(0.5)
    assert bench["hlt_heater"] == refused("max_on")


def test_max_on_refuses_a_persons_heat_without_an_end() -> None:
    bench = Bench(outputs=[replace(HLT_HEATER, max_on_ms=None), PUMP])
    assert bench.wish("hlt_heater", 50.0, for_ms=None) == refused("max_on")
    assert bench.wish("pump", 100.0, for_ms=None).actual == 100.0


def test_max_on_hour_counts_full_power_in_any_hour() -> None:
    bench = Bench(  # at the boil, where a standstill means nothing
        outputs=[replace(HEATER, requires=(), interlocks=(), contactor=None)],
        kettles=[replace(MASH, high_limit=105.0)],
        values={"mash": 99.0},
    )
    bench.wish("heater", 100.0)
    bench.run(40 * 60 - 1)
    assert bench["heater"].actual == 100.0
    bench.run(1.5)
    assert bench["heater"] == refused("max_on_hour", 100.0)
    bench.run(15 * 60)
    assert bench["heater"] == refused("max_on_hour", 100.0)


def test_min_off_keeps_a_compressor_off_from_the_start_and_after_each_run() -> None:
    bench = Bench()
    bench.wish("fridge", 100.0)
    assert bench["fridge"] == refused("min_off", 100.0)
    bench.run(299)
    assert bench["fridge"].actual == 0.0
    bench.run(1)
    assert bench["fridge"].actual == 100.0
    bench.run(200)
    bench.wish("fridge", 0.0)
    assert bench["fridge"].actual == 0.0
    bench.run(290)
    assert bench.wish("fridge", 100.0) == refused("min_off", 100.0)


def test_min_on_delays_a_compressors_wished_off_and_nothing_else() -> None:
    bench = Bench()
    bench.run(300)
    bench.wish("fridge", 100.0)
    bench.wish("fridge", 0.0)
    assert bench["fridge"] == Decision(100.0, "min_on", 0.0)
    bench.run(179)
    assert bench["fridge"] == Decision(100.0, "min_on", 0.0)
    bench.run(2)
    assert bench["fridge"] == Decision(0.0, None, 0.0)
    assert bench.wish("belt", 100.0).actual == 100.0
    assert bench.wish("belt", 0.0).actual == 0.0


@pytest.mark.parametrize("why", ["stop", "safe", "lease", "process_value"])
def test_min_on_yields_to_stop_safe_and_every_permit(why: str) -> None:
    bench = Bench(outputs=[replace(FRIDGE, on_lease_loss=None)], kettles=[CELLAR])
    bench.run(300)
    bench.wish("fridge", 100.0)
    bench.wish("fridge", 0.0)
    assert bench["fridge"].actual == 100.0
    match why:
        case "stop":
            bench.tick(stop_pressed=True)
        case "safe":
            bench.supervisor.safe()
            bench.tick(0)
        case "lease":
            bench.leases.clear()
            bench.tick(0)
        case _:
            bench.values["cellar"] = None
            bench.tick(0)
    assert bench["fridge"].actual == 0.0


def test_requires_switches_the_heater_off_in_the_tick_in_which_the_pump_stops(bench: Bench) -> None:
    bench.wish("pump", 0.0)
    assert bench["pump"].actual == 0.0
    assert bench["heater"] == refused("requires")


def test_requires_the_contactor_in_series() -> None:
    bench = Bench(outputs=[HEATER, PUMP, replace(CONTACTOR, interlocks=("key",))])
    bench.wish("pump", 100.0)
    assert bench.wish("heater", 50.0) == refused("requires")
    bench.tick(interlocks={"lid": True, "key": True})
    assert bench["heater"].actual == 50.0


def test_mutex_lets_who_is_on_keep_it() -> None:
    bench = Bench()
    bench.run(300)
    bench.wish("belt", 100.0)
    assert bench.wish("fridge", 100.0) == refused("mutex", 100.0)
    bench.wish("belt", 0.0)
    assert bench["fridge"].actual == 100.0
    assert bench.wish("belt", 100.0) == refused("mutex", 100.0)


def test_mutex_is_not_free_while_a_compressor_runs_out_its_time() -> None:
    bench = Bench()
    bench.run(300)
    bench.wish("fridge", 100.0)
    bench.wish("fridge", 0.0)
    assert bench.wish("belt", 100.0) == refused("mutex", 100.0)


def test_power_budget_refuses_the_second_element_at_any_power() -> None:
    bench = Bench()
    bench.wish("hlt_heater", 10.0)
    bench.wish("pump", 100.0)
    assert bench.wish("heater", 10.0) == refused("power_budget", 10.0)
    bench.wish("hlt_heater", 0.0)
    assert bench["heater"].actual == 10.0
    assert bench.wish("hlt_heater", 10.0) == refused("power_budget", 10.0)


def test_hold_is_for_controllers_and_only_after_a_lease() -> None:
    bench = Bench(leases={"cellar": False})
    assert bench.wish("belt", 100.0, source="controller") == refused("lease", 100.0)
    led = Bench(outputs=[replace(BELT, on_lease_loss=Hold(HOUR_MS))], kettles=[CELLAR])
    led.wish("belt", 100.0)
    led.leases.clear()
    assert led.tick().outputs["belt"].actual == 0.0
