"""PURE: the controller behind a loop, made of what the configuration says of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from edge_node.control.boiling import BoilSettings, LocalBoiling
from edge_node.control.cascade import Cascade, OuterSettings
from edge_node.control.fermentation import Fermentation, FermentationSettings
from edge_node.control.hysteresis import Hysteresis, HysteresisSettings
from edge_node.control.pid import Pid, PidSettings
from edge_node.control.tuning import exchanger_gains, kettle_gains

if TYPE_CHECKING:
    from edge_node.config_outputs import ControllerConfig

LoopController = Pid | Hysteresis | Cascade | Fermentation

# Of a beer through the air of its chamber: BrewPi's gain, and an integral that is slow beside the
# hours that twenty litres take to follow the air around them.
_AIR_KP: Final = 5.0
_AIR_TI_S: Final = 14_400.0


@dataclass(frozen=True, slots=True)
class Heated:
    """What a loop heats: litres of its kettle and of the exchanger's water, watts, seconds.

    `exchanger_l` is that of a cascade; `window_s` the heater's PWM.
    """

    volume_l: float
    exchanger_l: float
    element_w: float
    window_s: float


def boil_of(config: ControllerConfig) -> BoilSettings | None:
    """How a pid boils; nothing else does: the water around a coil is regulated up to its limit."""
    if config.kind != "pid":
        return None
    return BoilSettings(LocalBoiling(config.altitude_m), config.boil_margin_k, config.boil_power)


def gains_of(config: ControllerConfig, heated: Heated) -> PidSettings | None:
    """The gains of the loop that drives the heater: as configured, or by rule; None has none."""
    if config.kind not in {"pid", "cascade"}:
        return None
    boil, pid = boil_of(config), config.pid
    if pid is not None:
        return PidSettings(pid.kp, pid.ti_s, pid.td_s, boil=boil)
    litres = heated.exchanger_l if config.kind == "cascade" else heated.volume_l
    return kettle_gains(litres, heated.element_w, window_s=heated.window_s, boil=boil)


def make_controller(
    config: ControllerConfig, gains: PidSettings | None, heated: Heated
) -> LoopController:
    """The controller of this kind, new; `gains` are those of `gains_of`, or found by autotune."""
    band = config.band_k
    match config.kind:
        case "hysteresis" if config.cooler is not None:
            return Hysteresis(HysteresisSettings(below_k=0.0, above_k=band, cooling=True))
        case "hysteresis":
            return Hysteresis(HysteresisSettings(below_k=band))
        case "fermentation":
            # The shortest times on and off are the output's own, kept by the supervisor too.
            return Fermentation(
                FermentationSettings(
                    cool_above_k=band,
                    heat_below_k=band,
                    end_k=min(0.1, band / 2),
                    beer_to_fridge=_air(config),
                )
            )
        case "cascade":
            assert gains is not None
            return Cascade(_water(config, heated), gains)
        case _:
            assert gains is not None
            return Pid(gains)


def _water(config: ControllerConfig, heated: Heated) -> OuterSettings:
    return _bounded(config, exchanger_gains(heated.volume_l, heated.exchanger_l))


def _air(config: ControllerConfig) -> OuterSettings | None:
    if config.inner_probe is None:
        return None
    return _bounded(config, OuterSettings(kp=_AIR_KP, ti_s=_AIR_TI_S))


def _bounded(config: ControllerConfig, ruled: OuterSettings) -> OuterSettings:
    """The gains by rule, or those of the configuration, within its limits."""
    outer = config.outer
    low, high = config.inner_range
    return replace(
        ruled,
        kp=ruled.kp if outer is None else outer.kp,
        ti_s=ruled.ti_s if outer is None else outer.ti_s,
        low=low,
        high=high,
        below_k=config.inner_min_k,
        above_k=config.inner_max_k,
    )
