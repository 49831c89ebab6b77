"""PURE: gains for a heated vessel from what a brewer knows of it."""

from edge_node.control.boiling import BoilSettings
from edge_node.control.cascade import OuterSettings
from edge_node.control.figures import FULL_POWER, check_not_negative, check_positive
from edge_node.control.pid import PidSettings

_WATER_J_PER_KG_K = 4186.0
_READING_S = 1.5  # a conversion, and half the wait for the next step
# The closed loop's time constant over everything that delays the answer. SIMC's tightest choice is
# 1 (of the dead time alone); more leaves room for a wrong volume, a slower probe and coarse steps.
_CALM = 2.5
# SIMC's 4 is the least that does not oscillate. A kettle's steady load is small and known slowly:
# half as much again halves the overshoot of a wrong volume and costs seconds after a disturbance.
_PATIENCE = 6.0


def kettle_gains(
    volume_l: float,
    element_w: float,
    *,
    probe_lag_s: float = 10.0,
    window_s: float = 5.0,
    boil: BoilSettings | None = None,
) -> PidSettings:
    """Gains for `volume_l` litres heated by `element_w` watts; ValueError if one is no figure.

    SIMC for an integrating process with a lag (Skogestad, "Simple analytic rules for model
    reduction and PID controller tuning", J. Process Control 13, 2003): with slope k' in K/s per %,
    dead time θ and lag τ2, the series controller Kc = 1 / (k' (τc + θ)), τI = 4 (τc + θ), τD = τ2;
    here with τI = 6 (τc + θ) and in the ideal form. The probe is the lag; half the SSR's
    window and the reading are θ.
    """
    check_positive("Tuning", {"volume_l": volume_l, "element_w": element_w})
    check_not_negative("Tuning", {"probe_lag_s": probe_lag_s, "window_s": window_s})
    slope = element_w / (volume_l * _WATER_J_PER_KG_K) / FULL_POWER
    delay = _READING_S + window_s / 2
    closed = _CALM * (delay + probe_lag_s)
    gain = 1 / (slope * (closed + delay))
    integral = _PATIENCE * (closed + delay)
    split = 1 + probe_lag_s / integral  # series to ideal form
    return PidSettings(
        kp=gain * split,
        ti_s=integral * split,
        td_s=probe_lag_s / split,
        filter_s=max(probe_lag_s, 2.0),
        boil=boil,
    )


def exchanger_gains(mash_l: float, exchanger_l: float, *, high: float = 85.0) -> OuterSettings:
    """How a mash of `mash_l` litres leads the water it is warmed through; ValueError.

    BrewBlox's rule for HERMS: the gain is the ratio of the volumes. The water is then never hotter
    than what the mash still lacks pays for, so nothing is left over to overshoot with. `high`, °C.
    """
    check_positive("Tuning", {"mash_l": mash_l, "exchanger_l": exchanger_l})
    return OuterSettings(kp=mash_l / exchanger_l, ti_s=600.0, high=high)
