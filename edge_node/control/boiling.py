"""PURE: where water boils at the height of the brewery."""

import math
from dataclasses import dataclass

from edge_node.control.figures import FULL_POWER, check_not_negative

# Antoine's equation for water, 1-100 °C, mmHg and °C (the constants of the Dortmund Data Bank).
_A, _B, _C = 8.07131, 1730.63, 233.426
_SEA_LEVEL_MMHG = 760.0
# The troposphere of the International Standard Atmosphere (ISO 2533): its lapse rate over its
# temperature at sea level, per metre, and the exponent of pressure.
_LAPSE_PER_M = 2.25577e-5
_EXPONENT = 5.25588
LOWEST_M, HIGHEST_M = -430.0, 6000.0  # the Dead Sea's shore; above where people live


@dataclass(frozen=True, slots=True)
class LocalBoiling:
    """The boiling point of water at `altitude_m` metres above the sea (-430 to 6000).

    ValueError outside that. The weather moves the true one by up to 1 K, wort's sugar lifts it by
    some 0.3 K: a margin belongs below it.
    """

    altitude_m: float = 0.0

    def __post_init__(self) -> None:
        if not LOWEST_M <= self.altitude_m <= HIGHEST_M:
            raise ValueError(
                f"The altitude is {self.altitude_m} m; it must be {LOWEST_M:g} to {HIGHEST_M:g} m"
            )

    @property
    def celsius(self) -> float:
        """°C: Antoine's equation turned round, at the standard atmosphere's pressure."""
        mmhg = _SEA_LEVEL_MMHG * (1 - _LAPSE_PER_M * self.altitude_m) ** _EXPONENT
        return _B / (_A - math.log10(mmhg)) - _C


@dataclass(frozen=True, slots=True)
class BoilSettings:
    """How a controller boils: from `margin_k` below the local boiling point, `power` %, fixed.

    Above that point a temperature says nothing about the power, so nothing is regulated by it.
    """

    boiling: LocalBoiling = LocalBoiling()
    margin_k: float = 1.5
    power: float = 85.0

    def __post_init__(self) -> None:
        check_not_negative("Boil", {"margin_k": self.margin_k, "power": self.power})
        if self.power > FULL_POWER:
            raise ValueError(f"Boil: power is {self.power} %, it must be 0 to 100")

    @property
    def threshold_c(self) -> float:
        """A setpoint of this or more means "boil", °C."""
        return self.boiling.celsius - self.margin_k
