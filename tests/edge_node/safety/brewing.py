"""A simulated kettle with its probes under a supervisor, one second at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from edge_node.safety.rules import (
    FULL,
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
from edge_node.simulation.kettle import Kettle, KettleParameters, Probe

RULES = KettleRules("mash", high_limit=80.0, volume_l=30.0, element_w=3500.0)
BOIL = replace(RULES, high_limit=110.0)
OUTPUTS = (
    OutputRules("heater", "mash", "heater", "power", power_w=3500.0, contactor="contactor"),
    OutputRules("pump", "mash", "pump", power_w=50.0),
    OutputRules("contactor", "mash", "contactor"),
)

Distort = Callable[[float, int], tuple[float | None, str]]


def true(value: float, _: int) -> tuple[float | None, str]:
    return value, "ok"


@dataclass
class Brew:
    """`power` is what is wished. Faults: `element` (0: dead), `stuck` (closed though told off)."""

    start_c: float = 20.0
    rules: KettleRules = RULES
    water_kg: float = 30.0
    seed: int = 1
    probes: int = 1
    lag_s: float = 10.0
    noise_k: float = 0.05
    power: float = 0.0
    pump: bool = True
    element: float = 0.98
    stuck: bool = False
    reference: bool = False
    frozen_at: float | None = None  # what both other nodes' probes stand still at
    distort: dict[int, Distort] = field(default_factory=dict)
    control: Callable[[float | None], float] | None = None
    local_k: float = 0.0  # what the water at the probe differs by, mixing away in 20 s
    now: int = 5_000_300
    trips: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kettle = Kettle(KettleParameters(water_kg=self.water_kg), self.start_c)
        random = Random(self.seed)
        self._probes = [
            Probe(self.start_c, random, lag_s=self.lag_s, bias_k=bias, noise_k=self.noise_k)
            for bias in [random.uniform(-0.2, 0.2) for _ in range(self.probes + 2)]
        ]
        heater, *others = OUTPUTS
        heater = replace(heater, power_w=self.rules.element_w)
        self.supervisor = Supervisor([heater, *others], [self.rules], {})
        self.texts: list[Trip] = []
        self.verdict: Verdict | None = None
        self.actual = 0.0
        self.began = self.now

    @property
    def celsius(self) -> float:
        return self.kettle.temperature_c

    def seconds(self, count: float) -> None:
        for _ in range(int(count)):
            self.second()

    def second(self) -> None:
        """The water goes on for a second, then probes, then two ticks."""
        supply = 1.0 if self.verdict is None or self.verdict.contactors["contactor"] else 0.0
        level = FULL if self.stuck else self.actual
        self.kettle.step(
            1.0, self.rules.element_w * self.element * level / FULL * supply, pump=self.pump
        )
        self.local_k *= 0.95
        for probe in self._probes:
            probe.step(1.0, self.celsius + self.local_k, pump=self.pump)
        said = [probe.convert() / 16 for probe in self._probes]
        self.now += 1000
        own = tuple(
            ProbeValue(*self.distort.get(i, true)(said[i], self.now), self.now, f"n1/t{i}")
            for i in range(self.probes)
        )
        fused = sum(said[-2:]) / 2 if self.frozen_at is None else self.frozen_at
        reference = Reference(fused, self.now, ("n2/t", "n3/t"))
        for later in (0, 500):
            if self.control is not None:
                process = self.verdict.process["mash"] if self.verdict is not None else None
                self.power = self.control(process.value if process is not None else None)
            self.asked = Inputs(
                now=self.now + later,
                desired={
                    "heater": Wish(self.power, None, "controller", self.began + 1_001),
                    "pump": Wish(FULL * self.pump, None, "command", self.began + 1_001),
                },
                leases={"mash": True},
                own={"mash": own},
                reference={"mash": reference if self.reference else None},
            )
            self.verdict = self.supervisor.tick(self.asked)
            self.actual = self.verdict.outputs["heater"].actual
            for trip in self.verdict.tripped:
                self.trips.setdefault(trip.name, self.now + later)
                self.texts.append(trip)

    def clear(self, latch: str) -> str | None:
        """Why the latch stays, or None: it is cleared."""
        refused = self.supervisor.clear("mash", latch, self.asked)
        return None if refused is None else refused.reason

    def until_trip(self, name: str, limit_s: int) -> tuple[float, float]:
        """Seconds and kelvins of true water from now to this trip; it must be the first."""
        began, celsius = self.now, self.celsius
        for _ in range(limit_s):
            self.second()
            if self.trips:
                break
        assert set(self.trips) == {name}, (self.texts, self.celsius)
        return (self.trips[name] - began) / 1000, self.celsius - celsius


def proportional(setpoint: float, gain: float = 40.0) -> Callable[[float | None], float]:
    """Percent per kelvin below the setpoint."""
    return lambda value: 0.0 if value is None else min(FULL, max(0.0, gain * (setpoint - value)))
