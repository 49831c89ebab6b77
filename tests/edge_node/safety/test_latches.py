"""Latches, lapses, references and defects: what must not come back by itself."""

from dataclasses import replace

import pytest

from edge_node.safety import supervisor as module
from edge_node.safety.rules import OutputRules, Refused, Trip
from edge_node.safety.supervisor import Supervisor
from tests.edge_node.safety.bench import HLT_HEATER, KETTLES, OUTPUTS, PUMP, Bench


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.heat()
    return bench


@pytest.mark.parametrize("drop", [True, False])
def test_a_lapse_ends_what_was_commanded_also_under_a_new_lease(bench: Bench, drop: bool) -> None:
    bench.drop = drop
    bench.leases["mash"] = False
    assert bench.tick().cleared == {"heater", "pump"}
    bench.leases["mash"] = True
    bench.tick()
    assert bench["heater"].actual == 0.0
    assert bench["pump"].actual == 0.0
    bench.heat()


def test_a_lapse_between_two_ticks_ends_what_was_commanded_too(bench: Bench) -> None:
    bench.tick(lapsed=frozenset({"mash"}))
    assert bench["heater"].actual == 0.0


def test_the_override_stands_in_for_the_lease_and_begins_with_outputs_off(bench: Bench) -> None:
    bench.leases["mash"] = False
    bench.tick(override={"mash": True})
    assert bench["heater"].actual == 0.0
    bench.heat()
    bench.tick(override={})
    assert bench["heater"].actual == 0.0


def test_latches_that_could_not_be_read_latch_every_kettle() -> None:
    bench = Bench(latches=None)
    assert {trip.kettle_id for trip in bench.verdict.latches} == {k.kettle_id for k in KETTLES}
    assert bench.wish("hlt_heater", 50.0).limited_by == "safe"


def test_a_latch_stays_while_its_cause_lasts_and_goes_after(bench: Bench) -> None:
    bench.values["mash"] = 85.0
    bench.run(4)
    assert bench.latched() == {"over_temperature"}
    refused = bench.supervisor.clear("mash", "over_temperature", bench.inputs())
    assert isinstance(refused, Refused)
    assert "85.0 °C" in refused.reason
    bench.values["mash"] = 70.0
    bench.tick()
    assert bench.latched() == {"over_temperature"}
    assert bench.supervisor.clear("mash", "over_temperature", bench.inputs()) is None
    assert not bench.supervisor.latches


def test_a_stop_cannot_be_cleared_while_it_is_pressed(bench: Bench) -> None:
    bench.tick(stop_pressed=True)
    assert bench.supervisor.clear("mash", "stop_pressed", bench.inputs()) is not None
    bench.tick(stop_pressed=False)
    assert bench.supervisor.clear("mash", "stop_pressed", bench.inputs()) is None


def test_a_stuck_relay_cannot_be_cleared_before_it_is_seen_not_to_rise() -> None:
    bench = Bench(latches=[Trip("mash", "stuck_relay", "It was so.")])
    assert bench.supervisor.clear("mash", "stuck_relay", bench.inputs()) is not None
    bench.run(60)
    assert bench.supervisor.clear("mash", "stuck_relay", bench.inputs()) is None


def test_a_latch_of_a_kettle_that_a_coil_heats_keeps_the_coils_heater_off() -> None:
    water = replace(HLT_HEATER, heats=("mash",), breaker=None)
    bench = Bench(outputs=[water])
    assert bench.wish("hlt_heater", 100.0).actual == 100.0
    bench.supervisor.safe("mash")
    bench.tick()
    assert (bench["hlt_heater"].actual, bench["hlt_heater"].limited_by) == (0.0, "safe")
    with pytest.raises(ValueError, match="no such kettle"):
        Bench(outputs=[replace(water, heats=("tun",))])


def test_a_defect_in_a_permit_is_off_and_latched(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> str:
        raise RuntimeError("a defect")

    monkeypatch.setattr(module, "first_missing", broken)
    verdict = bench.tick()
    assert all(decision.actual == 0.0 for decision in verdict.outputs.values())
    assert {trip.name for trip in verdict.tripped} == {"safe"}


def test_an_own_probe_is_proven_wrong_by_two_others_for_a_minute(bench: Bench) -> None:
    for others, proven in ((("mash", "n2/t"), False), (("n2/t", "n3/t"), True)):
        for _ in range(124):
            bench.reference("mash", 30.0, *others)
            bench.tick()
        assert (bench["heater"].actual > 0) is proven
        assert bool(bench.verdict.outliers["mash"]) is proven


def test_a_reference_of_one_probe_or_too_old_does_not_count(bench: Bench) -> None:
    for probes, age in ((("n2/t", "n2/t"), 0), (("n2/t", "n3/t"), 5_001)):
        bench.reference("mash", 30.0, *probes, age=age)
        value = bench.tick(0).process["mash"]
        assert value is not None
        assert value.source == "own"


def test_rules_that_require_each_other_or_what_is_not_there_are_refused() -> None:
    one = OutputRules("a", "mash", "pump", requires=("b",))
    two = OutputRules("b", "mash", "pump", requires=("a",))
    with pytest.raises(ValueError, match="a -> b -> a"):
        Supervisor([one, two], KETTLES, {})
    with pytest.raises(ValueError, match="requires b"):
        Supervisor([one, PUMP], KETTLES, {})
    with pytest.raises(ValueError, match="no breaker"):
        Supervisor(OUTPUTS, KETTLES, {})
