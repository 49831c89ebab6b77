"""A small brewery around a supervisor: one call is one tick, all is well unless a test says so."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edge_node.safety.rules import (
    Decision,
    Hold,
    Inputs,
    KettleRules,
    OutputRules,
    ProbeValue,
    Reference,
    Trip,
    Verdict,
    Wish,
)
from edge_node.safety.supervisor import Supervisor

TICK_MS = 500
HOUR_MS = 3_600_000

MASH = KettleRules("mash", high_limit=80.0, volume_l=30.0, element_w=3500.0)
HLT = KettleRules("hlt", high_limit=95.0, volume_l=30.0, element_w=3000.0)
CELLAR = KettleRules("cellar", high_limit=35.0, volume_l=25.0, element_w=40.0)

HEATER = OutputRules(
    "heater",
    "mash",
    "heater",
    "power",
    power_w=3500.0,
    max_on_ms=HOUR_MS,
    max_on_per_hour_ms=40 * 60_000,
    requires=("pump",),
    interlocks=("lid",),
    breaker="main",
    contactor="main_contactor",
)
PUMP = OutputRules("pump", "mash", "pump", power_w=50.0)
CONTACTOR = OutputRules("main_contactor", "mash", "contactor")
HLT_HEATER = OutputRules(
    "hlt_heater", "hlt", "heater", "power", power_w=3000.0, max_on_ms=HOUR_MS, breaker="main"
)
VALVE = OutputRules("valve", "hlt", "valve", safe=100.0)
FRIDGE = OutputRules(
    "fridge",
    "cellar",
    "cooler",
    power_w=120.0,
    min_on_ms=180_000,
    min_off_ms=300_000,
    mutex="air",
    on_lease_loss=Hold(2 * HOUR_MS),
)
BELT = OutputRules(
    "belt", "cellar", "heater", power_w=40.0, mutex="air", on_lease_loss=Hold(2 * HOUR_MS)
)

OUTPUTS = (HEATER, PUMP, CONTACTOR, HLT_HEATER, VALVE, FRIDGE, BELT)
KETTLES = (MASH, HLT, CELLAR)
BREAKERS = {"main": 3680.0}


@dataclass
class Bench:
    """Keeps wishes as the node does: drops what the supervisor clears."""

    outputs: Iterable[OutputRules] = OUTPUTS
    kettles: Iterable[KettleRules] = KETTLES
    breakers: Mapping[str, float] = field(default_factory=lambda: dict(BREAKERS))
    latches: Iterable[Trip] | None = ()
    now: int = 1_000_000
    wishes: dict[str, Wish] = field(default_factory=dict)
    leases: dict[str, bool] = field(default_factory=dict)
    values: dict[str, float | None] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    drop: bool = True

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.outputs, self.kettles, self.breakers, self.latches)
        for rules in self.kettles:
            self.leases.setdefault(rules.kettle_id, True)
            self.values.setdefault(rules.kettle_id, 20.0)
        self.verdict = self.tick()

    def wish(
        self, output_id: str, power: float, *, source: Any = "command", for_ms: int | None = HOUR_MS
    ) -> Decision:
        """A command is looked at as it arrives."""
        self.now += 1
        until = None if for_ms is None else self.now + for_ms
        self.wishes[output_id] = Wish(power, until, source, self.now)
        self.tick(0)
        return self[output_id]

    def inputs(self) -> Inputs:
        own = {
            kettle: (
                ProbeValue(value, "ok" if value is not None else "bad:empty", self.now, kettle),
            )
            for kettle, value in self.values.items()
        }
        given = Inputs(
            now=self.now,
            desired=dict(self.wishes),
            leases=dict(self.leases),
            own=own,
            interlocks={"lid": True},
        )
        return replace(given, **self.other)

    def tick(self, ms: int = TICK_MS, **other: Any) -> Verdict:
        """`ms` later; `other` are inputs that stay so until they are said otherwise."""
        self.other.update(other)
        self.now += ms
        self.verdict = self.supervisor.tick(self.inputs())
        if self.drop:
            for output_id in self.verdict.cleared:
                self.wishes.pop(output_id, None)
        return self.verdict

    def run(self, seconds: float) -> Verdict:
        for _ in range(int(seconds * 1000 / TICK_MS)):
            self.tick()
        return self.verdict

    def heat(self, power: float = 50.0) -> None:
        """The mash heats, with its pump."""
        assert self.wish("pump", 100.0).actual == 100.0
        assert self.wish("heater", power) == Decision(power, None, power)

    def reference(self, kettle: str, value: float | None, *probes: str, age: int = 0) -> None:
        self.other["reference"] = {
            kettle: Reference(value, self.now - age, probes or ("n2/t", "n3/t"))
        }

    def __getitem__(self, output_id: str) -> Decision:
        return self.verdict.outputs[output_id]

    def latched(self, kettle: str = "mash") -> set[str]:
        return {trip.name for trip in self.verdict.latches if trip.kettle_id == kettle}
