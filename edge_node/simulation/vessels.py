"""Vessels in real time: the models' clock moves when somebody looks."""

import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

from edge_node.recording import read_recording
from edge_node.simulation.kettle import Kettle, KettleParameters, Probe, quantise
from edge_node.simulation.replay import Track, fermenter_pressure_kpa

BEER_COLUMN, FRIDGE_COLUMN = 1, 4  # of a BrewPi log
_PROBE_NOISE_K = 0.02
_PROBE_SPREAD_K = 0.08  # between parts; the datasheet allows 0.5
_PROBE_LAG_S = 6.0
_NOISE_MV = 0.3
_PUDDLE_KG = 0.3


Thermometer = Callable[[int, float], int]
"""One conversion: resolution in bits and monotonic seconds to sixteenths of a degree."""


class HeatedKettle:
    """A kettle model with any number of probes."""

    def __init__(self, parameters: KettleParameters, start_c: float, seed: str, now: float) -> None:
        self._kettle = Kettle(parameters, start_c)
        self._seed = seed
        self._probes: list[Probe] = []
        self._now = now
        self._heater_w = 0.0
        self._cooler_w = 0.0
        self._pump = False
        self._lock = threading.Lock()

    def set_power(self, heater_w: float, pump: bool, now: float, *, cooler_w: float = 0.0) -> None:
        """The element's electrical power from now on, watts, and whether the pump runs.

        `cooler_w`: what the cooler takes out.
        """
        if heater_w < 0 or cooler_w < 0:
            raise ValueError(f"neither an element nor a cooler can take {heater_w}, {cooler_w} W")
        with self._lock:
            self._advance(now)
            self._heater_w, self._pump, self._cooler_w = heater_w, pump, cooler_w

    def run_dry(self, dry: bool, now: float) -> None:
        """From now on there is next to no water in it, or again what was there at first."""
        with self._lock:
            self._advance(now)
            full = self._kettle.parameters.water_kg
            self._kettle.water_kg = min(_PUDDLE_KG, full) if dry else full

    def thermometer(self, name: str) -> Thermometer:
        """A probe in the water; the same name is the same part, with the same error."""
        random = Random(f"{self._seed}/{name}")  # noqa: S311  # noise, not a secret
        with self._lock:
            probe = Probe(
                self._kettle.temperature_c,
                random,
                lag_s=_PROBE_LAG_S,
                bias_k=random.gauss(0, _PROBE_SPREAD_K),
                noise_k=_PROBE_NOISE_K,
            )
            self._probes.append(probe)

        def convert(bits: int, now: float) -> int:
            with self._lock:
                self._advance(now)
                return probe.convert(bits)

        return convert

    def temperature(self, now: float) -> float:
        """The water's temperature, °C."""
        with self._lock:
            self._advance(now)
            return self._kettle.temperature_c

    def _advance(self, now: float) -> None:
        remaining = now - self._now
        while remaining > 0:
            step = min(remaining, 1.0)
            self._kettle.step(step, self._heater_w, pump=self._pump, cooler_w=self._cooler_w)
            for probe in self._probes:
                probe.step(step, self._kettle.temperature_c, pump=self._pump)
            remaining -= step
        self._now = max(now, self._now)


class ReplayedFermenter:
    """A recorded fermentation: its beer and its fridge, and a synthetic head pressure."""

    def __init__(self, log: Path, speed: float, seed: str, now: float) -> None:
        if not speed > 0:
            raise ValueError(f"a log cannot be replayed at speed {speed}")
        self._tracks = {
            "beer": _track(log, BEER_COLUMN),
            "fridge": _track(log, FRIDGE_COLUMN),
        }
        self._speed = speed
        self._started = now
        self._seed = seed
        self._random = Random(seed)  # noqa: S311  # noise, not a secret

    def thermometer(self, place: str, name: str) -> Thermometer:
        """A probe that shows what the log says of `place`: `beer` or `fridge`."""
        track = self._tracks[place]
        random = Random(f"{self._seed}/{name}")  # noqa: S311  # noise, not a secret

        def convert(bits: int, now: float) -> int:
            return quantise(track.at(self._passed(now)) + random.gauss(0, _PROBE_NOISE_K), bits)

        return convert

    def pressure_mv(self, now: float) -> float:
        """0.5 V at 0, 4.5 V at 413.7 kPa gauge (60 psi)."""
        passed = self._passed(now) % self._tracks["beer"].length_s
        kpa = fermenter_pressure_kpa(passed, self.temperature(now))
        return 500.0 + kpa / 413.7 * 4000.0 + self._random.gauss(0, _NOISE_MV)

    def temperature(self, now: float) -> float:
        """The beer's temperature, °C."""
        return self._tracks["beer"].at(self._passed(now))

    def _passed(self, now: float) -> float:
        return (now - self._started) * self._speed


def _track(log: Path, column: int) -> Track:
    recording = read_recording(log, column)
    rows = [
        (time, value)
        for time, value in zip(recording.times, recording.values, strict=True)
        if value is not None
    ]
    return Track([time - rows[0][0] for time, _ in rows], [value for _, value in rows])
