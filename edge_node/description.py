"""PURE: what `/v1/node` shows of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_node.actuation_rules import kettle_of
from edge_node.own_channels import own_channels

if TYPE_CHECKING:
    from edge_node.config import KettleConfig, NodeConfig
    from edge_node.config_outputs import ActuatorConfig


def describe(config: NodeConfig) -> dict[str, Any]:
    """Kettles, channels, outputs, controllers and interlocks."""
    return {
        "kettles": [_kettle(kettle) for kettle in config.kettles],
        "channels": [
            {
                "id": channel.id,
                "name": channel.name,
                "kettle_id": channel.kettle_id,
                "kind": channel.kind,
                "role": channel.role,
                "unit": channel.unit,
                "device_class": channel.device_class,
                "driver": channel.driver,
                "limits": list(channel.limits),
            }
            for channel in config.channels
        ]
        + [channel.describe() for channel in own_channels(config)],
        "actuators": [_output(config, actuator) for actuator in config.actuators],
        "controllers": _controllers(config),
        "interlocks": _interlocks(config),
    }


def _kettle(kettle: KettleConfig) -> dict[str, Any]:
    return {
        "kettle_id": kettle.kettle_id,
        "kettle_name": kettle.name,
        "group": list(kettle.group),
        "safety": {
            "high_limit": kettle.safety.high_limit,
            "disagree_k": kettle.safety.disagree_k,
            "volume_l": kettle.safety.volume_l,
            "reference_required": kettle.safety.reference_required,
            "other_heat": kettle.safety.other_heat,
        },
    }


def _output(config: NodeConfig, actuator: ActuatorConfig) -> dict[str, Any]:
    return {
        "id": actuator.id,
        "name": actuator.name,
        "kettle_id": kettle_of(config, actuator),
        "kind": actuator.kind,
        "control": actuator.control,
        "power_w": actuator.power_w or None,
        "min_on_s": actuator.min_on_ms / 1000,
        "min_off_s": actuator.min_off_ms / 1000,
        "max_on_s": actuator.max_on_ms / 1000,
        "max_on_per_hour_s": actuator.max_on_per_hour_ms / 1000,
        "requires": list(actuator.requires),
        "interlocks": list(actuator.interlocks),
        "mutex": actuator.mutex,
        "breaker": actuator.breaker,
        "contactor": actuator.contactor,
        "safe": actuator.safe > 0,
        "hold_s": None if actuator.hold_ms is None else actuator.hold_ms / 1000,
    }


def _controllers(config: NodeConfig) -> list[dict[str, Any]]:
    return [
        {
            "id": controller.id,
            "name": controller.name,
            "kettle_id": controller.kettle_id,
            "kind": controller.kind,
            "heater": controller.heater,
            "cooler": controller.cooler,
            "range": list(controller.range),
            "max_rate": controller.max_rate,
            "tunable": controller.kind == "pid",
        }
        for controller in config.controllers
    ]


def _interlocks(config: NodeConfig) -> list[dict[str, Any]]:
    return [
        {"id": one.id, "name": one.name, "kettle_id": one.kettle_id} for one in config.interlocks
    ]
