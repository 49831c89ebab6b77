"""PURE: a kettle of water with an element, and the probes in it."""

import math
from dataclasses import dataclass
from random import Random

HEAT_CAPACITY = 4186.0  # J/(kg K), water
LATENT_HEAT = 2.257e6  # J/kg, water at its boiling point
MIN_WATER_KG = 0.1  # what clings to an element that runs dry; keeps the arithmetic finite
MAX_STEP_S = 1.0  # losses change slowly beside this
COOLANT_C = -4.0  # glycol: nothing is cooled below it

# Antoine's equation for water, 1-100 °C, millimetres of mercury and °C.
_ANTOINE_A, _ANTOINE_B, _ANTOINE_C = 8.07131, 1730.63, 233.426
_KPA_PER_MMHG = 101.325 / 760.0


@dataclass(frozen=True, slots=True)
class KettleParameters:
    """What a kettle is: kg, J/K, W/K, °C, metres; `efficiency` 0-1 of the element's power.

    `evaporation` is kg/h from an open surface for each kPa of water's vapour pressure.
    """

    water_kg: float = 20.0
    vessel_j_per_k: float = 2500.0
    efficiency: float = 1.0
    loss_w_per_k: float = 8.0
    evaporation: float = 0.015
    ambient_c: float = 20.0
    altitude_m: float = 0.0
    pump_w: float = 25.0  # ends as heat in the water
    pump_loss_w_per_k: float = 1.5  # hoses are a surface too

    def __post_init__(self) -> None:
        if not self.water_kg > 0 or not 0 < self.efficiency <= 1:
            raise ValueError("a kettle needs water (kg above 0) and an efficiency in (0, 1]")


def vapour_pressure_kpa(celsius: float) -> float:
    """Saturated vapour pressure of water, kPa absolute (Antoine's equation)."""
    return _KPA_PER_MMHG * 10 ** (_ANTOINE_A - _ANTOINE_B / (_ANTOINE_C + celsius))


def boiling_point_c(altitude_m: float) -> float:
    """Where water boils at `altitude_m`, °C: Antoine at the standard atmosphere's pressure."""
    pressure_kpa = 101.325 * (1 - 2.25577e-5 * altitude_m) ** 5.25588
    mmhg = pressure_kpa / _KPA_PER_MMHG
    return _ANTOINE_B / (_ANTOINE_A - math.log10(mmhg)) - _ANTOINE_C


class Kettle:
    """A stirred kettle; its state moves only by `step`."""

    def __init__(self, parameters: KettleParameters, start_c: float) -> None:
        self.parameters = parameters
        self.temperature_c = start_c
        self.water_kg = parameters.water_kg
        self.evaporated_kg = 0.0
        self.boiling_c = boiling_point_c(parameters.altitude_m)

    def step(
        self, dt: float, heater_w: float, *, pump: bool = False, cooler_w: float = 0.0
    ) -> None:
        """Let `dt` seconds pass at `heater_w` electrical watts; ValueError if one is negative.

        A cooler takes out `cooler_w` watts of heat, down to the temperature of its coolant.
        """
        if dt < 0 or heater_w < 0 or cooler_w < 0:
            raise ValueError("neither time nor a power can be negative")
        while dt > 0:
            step = min(dt, MAX_STEP_S)
            self._step(step, heater_w, pump, cooler_w)
            dt -= step

    def _step(self, dt: float, heater_w: float, pump: bool, cooler_w: float) -> None:
        this = self.parameters
        over_ambient = self.temperature_c - this.ambient_c
        power = heater_w * this.efficiency - this.loss_w_per_k * over_ambient
        if pump:
            power += this.pump_w - this.pump_loss_w_per_k * over_ambient
        if self.temperature_c > COOLANT_C:
            power -= cooler_w
        vapour = this.evaporation * vapour_pressure_kpa(self.temperature_c) / 3600.0 * dt
        vapour = min(vapour, self.water_kg - MIN_WATER_KG)
        energy = power * dt - vapour * LATENT_HEAT
        capacity = self.water_kg * HEAT_CAPACITY + this.vessel_j_per_k
        self.temperature_c += energy / capacity
        excess = (self.temperature_c - self.boiling_c) * capacity
        if excess > 0 and self.water_kg > MIN_WATER_KG:
            steam = min(excess / LATENT_HEAT, self.water_kg - MIN_WATER_KG - vapour)
            self.temperature_c -= steam * LATENT_HEAT / capacity
            vapour += steam
        self.water_kg -= vapour
        self.evaporated_kg += vapour


class Probe:
    """A thermometer in a kettle: first-order lag (`lag_s`), a fixed error `bias_k`, noise."""

    def __init__(
        self, start_c: float, random: Random, *, lag_s: float, bias_k: float, noise_k: float
    ) -> None:
        self._tip_c = start_c
        self._random = random
        self._lag_s = lag_s
        self._bias_k = bias_k
        self._noise_k = noise_k

    def step(self, dt: float, true_c: float, *, pump: bool = False) -> None:
        """Let `dt` seconds pass in water of `true_c`; a flow past the probe halves its lag."""
        lag = self._lag_s / 2 if pump else self._lag_s
        self._tip_c += (true_c - self._tip_c) * -math.expm1(-dt / lag)

    def convert(self, bits: int = 12) -> int:
        """One conversion: the part's own number, 1/16 K each, undefined low bits zero."""
        return quantise(self._tip_c + self._bias_k + self._random.gauss(0, self._noise_k), bits)


def quantise(celsius: float, bits: int = 12) -> int:
    """A temperature as a DS18B20 of `bits` (9-12) gives it, in sixteenths, within -55..+125 °C."""
    step = 1 << (12 - bits)
    code = round(celsius * 16 / step) * step
    return max(-55 * 16, min(125 * 16, code))
