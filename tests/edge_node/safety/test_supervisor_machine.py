"""The supervisor under random use, against oracles that do not share its code."""

import math
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge_node.safety.rules import Inputs, ProbeValue, Reference, Verdict, Wish
from edge_node.safety.supervisor import Supervisor
from tests.edge_node.safety.bench import (
    BREAKERS,
    KETTLES,
    OUTPUTS,
    Bench,
)

RULES = {output.id: output for output in OUTPUTS}
LIMITS = {kettle.kettle_id: kettle for kettle in KETTLES}
IDS = st.sampled_from(sorted(RULES))
KETTLE_IDS = st.sampled_from(sorted(LIMITS))


class Machine(RuleBasedStateMachine):
    """`said` is what the test itself knows; the oracles below look only at that."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.lapsed_at: dict[str, int] = {}
        self.off_since: dict[str, int] = dict.fromkeys(RULES, self.bench.now)
        self.cleared: set[tuple[str, str]] = set()
        self.before: set[tuple[str, str]] = set()
        self.on: set[str] = set()

    @initialize(drop=st.booleans(), waited=st.booleans())
    def begin(self, drop: bool, waited: bool) -> None:
        self.bench.drop = drop  # it must not matter whether the node drops dead wishes
        if waited:
            self.advance(300_000)

    @rule(
        output=IDS,
        power=st.sampled_from([0.0, 20.0, 100.0]),
        source=st.sampled_from(["command", "controller"]),
        minutes=st.integers(1, 60),
    )
    def wishes(self, output: str, power: float, source: str, minutes: int) -> None:
        self.bench.wish(output, power, source=source, for_ms=minutes * 60_000)

    @rule()
    def heats(self) -> None:
        self.bench.wish("pump", 100.0)
        self.bench.wish("heater", 100.0)

    @rule(ms=st.sampled_from([1, 500, 5_000, 9_000, 60_000, 300_000]))
    def advance(self, ms: int) -> None:
        self.bench.tick(ms)

    @rule(kettle=KETTLE_IDS, there=st.booleans())
    def lease(self, kettle: str, there: bool) -> None:
        if not there and self.bench.leases[kettle]:
            self.lapsed_at[kettle] = self.bench.now
        self.bench.leases[kettle] = there
        self.bench.tick(0)

    @rule(kettle=KETTLE_IDS, value=st.sampled_from([None, 20.0, 30.0, 60.0, 79.9, 80.0, 99.0]))
    def probe(self, kettle: str, value: float | None) -> None:
        self.bench.values[kettle] = value
        self.bench.tick(1000)

    @rule(kettle=KETTLE_IDS, value=st.one_of(st.none(), st.floats(10, 90)))
    def reference(self, kettle: str, value: float | None) -> None:
        if value is None:
            self.bench.other.pop("reference", None)
        else:
            self.bench.reference(kettle, value)
        self.bench.tick(0)

    @rule(lid=st.sampled_from([True, False, None]))
    def lid(self, lid: bool | None) -> None:
        self.bench.tick(0, interlocks={"lid": lid})

    @rule(pressed=st.sampled_from([True, False, None]))
    def stop(self, pressed: bool | None) -> None:
        self.bench.tick(0, stop_pressed=pressed)

    @rule(kettle=st.one_of(st.none(), KETTLE_IDS))
    def safe(self, kettle: str | None) -> None:
        self.bench.supervisor.safe(kettle)
        self.bench.tick(0)

    @rule()
    def a_person_clears_all(self) -> None:
        for trip in self.bench.supervisor.latches:
            if self.bench.supervisor.clear(trip.kettle_id, trip.name, self.bench.inputs()) is None:
                self.cleared.add((trip.kettle_id, trip.name))
        self.bench.tick(0)

    @invariant()
    def what_is_on_may_be_on(self) -> None:
        inputs, verdict = self.bench.inputs(), self.bench.verdict
        on = {o for o, decision in verdict.outputs.items() if decision.actual > 0}
        for output_id in on:
            rules = RULES[output_id]
            assert inputs.stop_pressed is False
            assert not any(t.name == "stop_pressed" for t in verdict.latches)
            assert set(rules.requires) <= on
            assert all(inputs.interlocks.get(name) is True for name in rules.interlocks)
            if rules.kind in {"heater", "contactor"}:
                assert not self.bench.latched(rules.kettle_id)
            if rules.kind == "heater":
                value = self.bench.values[rules.kettle_id]
                assert value is None or value < LIMITS[rules.kettle_id].high_limit
                assert verdict.process[rules.kettle_id] is not None
                assert rules.contactor is None or verdict.contactors[rules.contactor]
            self._may_be_commanded(output_id)
        self._heat_agrees(on)

    def _may_be_commanded(self, output_id: str) -> None:
        rules, bench = RULES[output_id], self.bench
        wish = bench.wishes.get(output_id)
        if rules.kind == "contactor" or rules.safe:
            assert rules.safe or bench.leases[rules.kettle_id]
            return
        waits = bench[output_id].limited_by == "min_on"
        if not waits:
            assert wish is not None
            assert wish.power == bench[output_id].actual
            assert wish.until_ms is None or bench.now < wish.until_ms
        held = rules.on_lease_loss is not None and (waits or (wish and wish.source == "controller"))
        lapsed = self.lapsed_at.get(rules.kettle_id)
        if not bench.leases[rules.kettle_id]:
            assert held
            assert lapsed is not None
            assert rules.on_lease_loss is not None
            assert bench.now - lapsed <= rules.on_lease_loss.max_ms
        elif not held and lapsed is not None and wish is not None:
            assert wish.given_ms > lapsed

    def _heat_agrees(self, on: set[str]) -> None:
        given = self.bench.other.get("reference", {})
        for kettle_id, reference in given.items():
            own = self.bench.values[kettle_id]
            fresh = self.bench.now - reference.mono_ms <= 5_000
            heats = any(RULES[o].kind == "heater" and RULES[o].kettle_id == kettle_id for o in on)
            if own is not None and fresh and heats and abs(own - reference.value) > 2.0:
                assert kettle_id in self.bench.verdict.outliers
                assert self.bench.verdict.outliers[kettle_id]

    @invariant()
    def shares_are_kept(self) -> None:
        on = [RULES[o] for o, decision in self.bench.verdict.outputs.items() if decision.actual > 0]
        for breaker, watts in BREAKERS.items():
            assert sum(o.power_w for o in on if o.breaker == breaker) <= watts
        assert sum(o.mutex == "air" for o in on) <= 1

    @invariant()
    def a_compressor_rests(self) -> None:
        for output_id, decision in self.bench.verdict.outputs.items():
            if decision.actual > 0:
                if output_id not in self.on:
                    rested = self.bench.now - self.off_since[output_id]
                    assert rested >= RULES[output_id].min_off_ms
                self.on.add(output_id)
            elif output_id in self.on:
                self.on.discard(output_id)
                self.off_since[output_id] = self.bench.now

    @invariant()
    def a_latch_stays_until_a_person_clears_it(self) -> None:
        now = {(trip.kettle_id, trip.name) for trip in self.bench.verdict.latches}
        assert now >= self.before - self.cleared
        self.before, self.cleared = now, set()

    @invariant()
    def difference_has_a_name(self) -> None:
        for decision in self.bench.verdict.outputs.values():
            assert (decision.limited_by is None) or decision.actual != decision.desired
            if 0 < decision.desired != decision.actual:
                assert decision.limited_by is not None


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=80,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

INTS = st.one_of(st.integers(-10, 20_000), st.integers())
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
NAMES = st.one_of(IDS, KETTLE_IDS, st.text(max_size=3))
QUALITY = st.one_of(st.sampled_from(["ok", "bad:empty", "suspect:cross_talk"]), st.text(max_size=4))
PROBES = st.builds(ProbeValue, st.one_of(st.none(), FLOATS), QUALITY, INTS, NAMES, st.booleans())
ANYTHING: st.SearchStrategy[Inputs] = st.builds(
    Inputs,
    now=INTS,
    desired=st.dictionaries(
        NAMES,
        st.builds(
            Wish,
            FLOATS,
            st.one_of(st.none(), INTS),
            st.sampled_from(["command", "controller"]),
            INTS,
        ),
        max_size=5,
    ),
    leases=st.dictionaries(NAMES, st.booleans()),
    own=st.dictionaries(KETTLE_IDS, st.lists(PROBES, max_size=4).map(tuple)),
    reference=st.dictionaries(
        KETTLE_IDS,
        st.one_of(
            st.none(), st.builds(Reference, FLOATS, INTS, st.lists(NAMES, max_size=3).map(tuple))
        ),
    ),
    interlocks=st.dictionaries(NAMES, st.one_of(st.none(), st.booleans())),
    stop_pressed=st.one_of(st.none(), st.booleans()),
    override=st.dictionaries(NAMES, st.booleans()),
    lapsed=st.frozensets(NAMES),
)


def sound(verdict: Verdict) -> None:
    assert set(verdict.outputs) == set(RULES)
    on = [decision.actual > 0 for decision in verdict.outputs.values()]
    assert on == sorted(on)  # what goes off is written first
    for decision in verdict.outputs.values():
        assert math.isfinite(decision.actual)
        assert 0 <= decision.actual <= 100
        assert math.isfinite(decision.desired)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inputs=st.lists(ANYTHING, min_size=1, max_size=6))
def test_nothing_makes_it_raise_or_give_what_is_not_a_power(inputs: list[Inputs]) -> None:
    supervisor = Supervisor(OUTPUTS, KETTLES, BREAKERS)
    for given_inputs in inputs:
        sound(supervisor.tick(given_inputs))
        for kettle in LIMITS:
            supervisor.clear(kettle, "over_temperature", given_inputs)
            supervisor.clear(kettle, "stuck_relay", given_inputs)


@settings(max_examples=60, deadline=None)
@given(
    change=st.sampled_from(
        [
            {"leases": {}},
            {"leases": {"other": True}},
            {"own": {}},
            {"interlocks": {}},
            {"stop_pressed": None},
            {"desired": {}},
            {"now": -5_000},
            {"now": 0},
        ]
    ),
    power=st.sampled_from([math.nan, math.inf, -1.0, 100.5]),
    age=st.sampled_from([-1, 5_001, 10**12]),
)
def test_what_is_missing_or_makes_no_sense_is_off(
    change: dict[str, Any], power: float, age: int
) -> None:
    bench = Bench()
    bench.heat()
    good = bench.inputs()
    assert bench.supervisor.tick(good).outputs["heater"].actual == 50.0
    probe = ProbeValue(20.0, "ok", good.now - age, "mash")
    for odd in (
        replace(
            good, desired={**good.desired, "heater": replace(good.desired["heater"], power=power)}
        ),
        replace(good, own={"mash": (probe,)}),
        replace(
            good,
            desired={
                **good.desired,
                "heater": replace(good.desired["heater"], given_ms=good.now + 1),
            },
        ),
        replace(good, **change),
    ):
        assert bench.supervisor.tick(odd).outputs["heater"].actual == 0.0
