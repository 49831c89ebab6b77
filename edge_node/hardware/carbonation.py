"""PURE: dissolved carbon dioxide of a closed, settled vessel."""

import math

PSI_PER_KPA = 0.1450377


def co2_volumes(celsius: float, gauge_kpa: float) -> float:
    """Volumes of CO2 in beer at equilibrium, from its temperature and the head's gauge pressure.

    V = (P + 14.695) * (0.01821 + 0.090115 * exp((32 - T) / 43.11)) - 0.003342 with P in psi gauge
    and T in °F, the fit used by BrewPiLess (`chart.js`). Only for a vessel that is closed and has
    settled; other published fits part from it when warm and are not to be mixed with it.
    """
    fahrenheit = celsius * 9 / 5 + 32
    psi = gauge_kpa * PSI_PER_KPA
    solubility = 0.01821 + 0.090115 * math.exp((32 - fahrenheit) / 43.11)
    return (psi + 14.695) * solubility - 0.003342
