"""A controller, a slow PWM, an element and a kettle in simulated time, as a node joins them.

The true temperature is what is judged; the controller sees it through a probe with lag, noise and
steps of 1/16 K, once a second and 0.7 s late.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, Protocol

from edge_node.control.slow_pwm import SlowPwm, SlowPwmSettings
from edge_node.simulation.kettle import HEAT_CAPACITY, Kettle, KettleParameters, Probe

TICK_MS = 100
READING_MS, LATE_MS = 1000, 700
VESSEL_J_PER_K = 2500.0


class Steps(Protocol):
    def step(
        self, now_ms: int, process: float | None, setpoint: float | None, achieved: float | None
    ) -> float: ...


@dataclass(frozen=True)
class Vessel:
    """`rating` is what the element gives of its `element_w`; losses follow the surface."""

    volume_l: float = 30.0
    element_w: float = 3500.0
    lag_s: float = 10.0
    noise_k: float = 0.05
    rating: float = 0.98
    start_c: float = 20.0
    altitude_m: float = 0.0
    window_ms: int = 5000

    def kettle(self) -> Kettle:
        surface = (self.volume_l / 30.0) ** (2 / 3)
        return Kettle(
            KettleParameters(
                water_kg=self.volume_l,
                vessel_j_per_k=VESSEL_J_PER_K,
                loss_w_per_k=8.0 * surface,
                evaporation=0.015 * surface,
                altitude_m=self.altitude_m,
            ),
            self.start_c,
        )


class Point(NamedTuple):
    t: int  # s
    true_c: float
    probe_c: float
    setpoint: float
    power: float


def simulate(
    controller: Steps,
    vessel: Vessel,
    *,
    setpoint: Callable[[int], float],
    seconds: int,
    seed: int = 1,
    jumps: dict[int, float] | None = None,
    permitted: Callable[[int], bool] = lambda _: True,
    step_ms: int = READING_MS,
) -> list[Point]:
    """`jumps`: K that the water's temperature changes by at a second (cold malt in)."""
    kettle = vessel.kettle()
    probe = Probe(
        vessel.start_c, Random(seed), lag_s=vessel.lag_s, bias_k=0.0, noise_k=vessel.noise_k
    )
    pwm = SlowPwm(SlowPwmSettings(window_ms=vessel.window_ms, min_on_ms=200, min_off_ms=200))
    reading, power, points = vessel.start_c, 0.0, list[Point]()
    for now in range(0, seconds * 1000, TICK_MS):
        second, into = divmod(now, READING_MS)
        given = power if permitted(second) else 0.0
        if into == 0:
            kettle.temperature_c += (jumps or {}).get(second, 0.0)
            reading = probe.convert() / 16
            points.append(Point(second, kettle.temperature_c, reading, setpoint(second), given))
        if now % step_ms == LATE_MS % step_ms:
            power = controller.step(now, reading, setpoint(second), given)
            given = power if permitted(second) else 0.0
        on = pwm.level(now, given)
        kettle.step(TICK_MS / 1000, vessel.element_w * vessel.rating * on)
        probe.step(TICK_MS / 1000, kettle.temperature_c)
    return points


class Course(NamedTuple):
    """How a step to a setpoint went: K, seconds from its beginning; None for never."""

    overshoot: float
    reached_s: int | None  # within 0.3 K for the first time
    settled_s: int | None  # within 0.3 K for good
    ripple: float  # the largest error in the last ten minutes


def course(points: Iterable[Point], *, within: float = 0.3) -> Course:
    """Of the true temperature, for points that all have one setpoint."""
    shown = list(points)
    begin = shown[0].t
    errors = [(point.t - begin, point.true_c - point.setpoint) for point in shown]
    good = [t for t, error in errors if abs(error) <= within]
    bad = [t for t, error in errors if abs(error) > within]
    settled = bad[-1] + 1 if bad else 0
    return Course(
        overshoot=max(error for _, error in errors),
        reached_s=good[0] if good else None,
        settled_s=settled if settled <= errors[-1][0] else None,
        ripple=max(abs(error) for _, error in errors[-600:]),
    )


class Exchange(NamedTuple):
    t: int
    mash_c: float
    water_c: float
    power: float


class FeedsAndSteps(Steps, Protocol):
    def feed(self, inner: float | None) -> None: ...


def simulate_herms(
    controller: FeedsAndSteps,
    *,
    setpoint: Callable[[int], float],
    seconds: int,
    start_c: float,
    mash_l: float = 25.0,
    water_l: float = 30.0,
    element_w: float = 3500.0,
    exchanger_w_per_k: float = 600.0,
) -> list[Exchange]:
    """A mash pumped through a coil in heated water; a step a second, power as its mean."""
    random = Random(2)
    water = Kettle(KettleParameters(water_kg=water_l), start_c)
    mash = Kettle(KettleParameters(water_kg=mash_l, evaporation=0.005), start_c)
    probes = [Probe(start_c, random, lag_s=10.0, bias_k=0.0, noise_k=0.05) for _ in range(2)]
    points, power = list[Exchange](), 0.0
    for second in range(seconds):
        controller.feed(probes[0].convert() / 16)
        power = controller.step(second * 1000, probes[1].convert() / 16, setpoint(second), power)
        points.append(Exchange(second, mash.temperature_c, water.temperature_c, power))
        flow_w = exchanger_w_per_k * (water.temperature_c - mash.temperature_c)
        water.step(1.0, element_w * 0.98 * power / 100)
        mash.step(1.0, 0.0)
        water.temperature_c -= flow_w / (water_l * HEAT_CAPACITY + VESSEL_J_PER_K)
        mash.temperature_c += flow_w / (mash_l * HEAT_CAPACITY + VESSEL_J_PER_K)
        for probe, kettle in zip(probes, (water, mash), strict=True):
            probe.step(1.0, kettle.temperature_c)
    return points
