"""PURE: what the configuration means to the supervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from edge_node.control.boiling import LocalBoiling
from edge_node.loop_controllers import Heated
from edge_node.safety.rules import Hold, KettleRules, OutputRules

if TYPE_CHECKING:
    from edge_node.config import KettleConfig, NodeConfig
    from edge_node.config_outputs import ActuatorConfig, ControllerConfig
    from edge_node.safety.rules import Control, Kind


def output_rules(config: NodeConfig) -> list[OutputRules]:
    """The rules of every output.

    A contactor without a kettle of its own belongs to that of the first output behind it.
    """
    return [_output(config, actuator) for actuator in config.actuators]


def kettle_rules(config: NodeConfig) -> list[KettleRules]:
    """The rules of every kettle of the node."""
    return [_kettle(config, kettle) for kettle in config.kettles]


def kettle_of(config: NodeConfig, actuator: ActuatorConfig) -> str:
    """The kettle whose lease and latches an output obeys."""
    if actuator.kettle_id is not None:
        return actuator.kettle_id
    behind = [a.kettle_id for a in config.actuators if a.contactor == actuator.id and a.kettle_id]
    return behind[0] if behind else config.kettles[0].kettle_id


def heats(config: NodeConfig, actuator: ActuatorConfig) -> tuple[str, ...]:
    """The kettles other than its own that a heater heats through a coil."""
    own = actuator.kettle_id
    through = {c.kettle_id for c in config.controllers if c.heater == actuator.id}
    return tuple(sorted(kettle_id for kettle_id in through if kettle_id != own))


def heated(config: NodeConfig, controller: ControllerConfig) -> Heated:
    """What a controller heats, and by how much."""
    volumes = {k.kettle_id: k.safety.volume_l for k in config.kettles}
    volume_l = exchanger_l = volumes[controller.kettle_id]
    element_w, window_s = 1.0, 5.0
    for heater in config.actuators:
        if heater.id == controller.heater:
            element_w, window_s = heater.power_w, heater.window_ms / 1000
            exchanger_l = controller.exchanger_l or volumes[kettle_of(config, heater)]
    return Heated(volume_l, exchanger_l, element_w, window_s)


def _output(config: NodeConfig, actuator: ActuatorConfig) -> OutputRules:
    switch = actuator.control == "switch"
    return OutputRules(
        id=actuator.id,
        kettle_id=kettle_of(config, actuator),
        kind=cast("Kind", actuator.kind),
        control=cast("Control", actuator.control),
        power_w=actuator.power_w,
        # Those of a power output are times of its pulses, not of what it is told.
        min_on_ms=actuator.min_on_ms if switch else 0,
        min_off_ms=actuator.min_off_ms if switch else 0,
        max_on_ms=actuator.max_on_ms,
        max_on_per_hour_ms=(
            actuator.max_on_per_hour_ms if actuator.max_on_per_hour_ms < 3_600_000 else None
        ),
        requires=actuator.requires,
        interlocks=actuator.interlocks,
        mutex=actuator.mutex,
        breaker=actuator.breaker,
        safe=actuator.safe,
        on_lease_loss=None if actuator.hold_ms is None else Hold(actuator.hold_ms),
        contactor=actuator.contactor,
        heats=heats(config, actuator),
    )


def _kettle(config: NodeConfig, kettle: KettleConfig) -> KettleRules:
    heaters = [
        a for a in config.actuators if a.kind == "heater" and a.kettle_id == kettle.kettle_id
    ]
    altitude = next(
        (c.altitude_m for c in config.controllers if c.kettle_id == kettle.kettle_id), 0.0
    )
    # The water around a coil, heated by an element of the same kettle: it takes its share of the
    # heat, and goes on giving it to the mash when the element is off.
    coils = [
        c.exchanger_l
        for c in config.controllers
        if c.exchanger_l is not None and c.heater in {heater.id for heater in heaters}
    ]
    return KettleRules(
        kettle_id=kettle.kettle_id,
        high_limit=kettle.safety.high_limit,
        volume_l=kettle.safety.volume_l + sum(coils),
        element_w=sum(heater.power_w for heater in heaters),
        disagree_limit=kettle.safety.disagree_k,
        reference_required=kettle.safety.reference_required,
        rise_off_k=0.5 if heaters and not coils and not kettle.safety.other_heat else None,
        boil_c=LocalBoiling(altitude).celsius,
    )
