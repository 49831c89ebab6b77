"""PURE: the channels of a node that no probe gives: outputs, setpoints and latches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_node.actuation_rules import kettle_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_node.config import NodeConfig


@dataclass(frozen=True, slots=True)
class OwnChannel:
    """A channel as `/v1/node` shows it.

    `kind` is `actuator` (%, a switch 0 or 100), `setpoint` (°C) or `alarm` (latches that are set).
    """

    id: str
    name: str
    kettle_id: str
    kind: str
    unit: str
    driver: str
    limits: tuple[float, float]

    def describe(self) -> dict[str, Any]:
        """As `/v1/node` shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "kettle_id": self.kettle_id,
            "kind": self.kind,
            "role": "auxiliary",
            "unit": self.unit,
            "device_class": None,
            "driver": self.driver,
            "limits": list(self.limits),
        }


def own_channels(config: NodeConfig) -> Iterator[OwnChannel]:
    """Every such channel of a configuration."""
    for actuator in config.actuators:
        kettle_id = kettle_of(config, actuator)
        yield OwnChannel(
            actuator.id, actuator.name, kettle_id, "actuator", "%", actuator.driver, (0.0, 100.0)
        )
    for controller in config.controllers:
        yield OwnChannel(
            f"{controller.id}_setpoint",
            f"{controller.name} setpoint",
            controller.kettle_id,
            "setpoint",
            "°C",
            "controller",
            controller.range,
        )
    names = {kettle.kettle_id: kettle.name for kettle in config.kettles}
    for kettle_id in dict.fromkeys(kettle_of(config, a) for a in config.actuators):
        yield OwnChannel(
            f"{kettle_id}_alarms",
            f"{names[kettle_id]} latches",
            kettle_id,
            "alarm",
            "",
            "supervisor",
            (0.0, 100.0),
        )
