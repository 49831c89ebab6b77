"""A kettle in one answer, for scripts, templates and voice: plain words and numbers only."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .coordinator import NodeCoordinator
    from .kettle import KettleCoordinator
    from .models import Answer
    from .voting import Fused


def summary(kettle: KettleCoordinator) -> dict[str, Any]:
    """How a kettle is now; °C, kPa, volumes and percent, None for what is not known."""
    data, leadership = kettle.data, kettle.leadership
    return {
        "name": kettle.kettle_name,
        "available": data.available,
        "temperature": _value(data.temperature),
        "pressure": _value(data.pressure),
        "co2": _value(data.co2),
        "batch": data.batch,
        "leading": data.leading,
        "leader": data.leader,
        "may_switch_on_in": None if leadership is None else leadership.energise_in_s,
        "outputs": [one for node in kettle.nodes for one in _outputs(kettle, node)],
        "controllers": [one for node in kettle.nodes for one in _controllers(kettle, node)],
        "latches": [
            {"node": node_id, "latch": latch.latch, "since": latch.since, "text": latch.text}
            for node_id, latch in data.latches
        ],
        "alarms": [
            {
                "node": node_id,
                "alarm": alarm.alarm_id,
                "since": alarm.since,
                "text": alarm.text,
                "acknowledged_by": (alarm.acknowledged or {}).get("by"),
            }
            for node_id, alarm in data.alarms
        ],
    }


def tuning(answer: Answer) -> dict[str, Any]:
    """What a controller's autotune is doing, from the answer to a command about it."""
    controller = answer.raw.get("controller")
    controller = controller if isinstance(controller, dict) else {}
    state = controller.get("state")
    tune = state.get("autotune") if isinstance(state, dict) else None
    tune = tune if isinstance(tune, dict) else {}
    return {
        "mode": controller.get("mode"),
        "phase": tune.get("phase"),
        "reason": tune.get("reason"),
        "result": tune.get("result"),
    }


def _value(fused: Fused | None) -> float | None:
    return None if fused is None else fused.value


def _outputs(kettle: KettleCoordinator, node: NodeCoordinator) -> list[dict[str, Any]]:
    """The outputs of a kettle at one of its nodes; all is None of one that does not answer."""
    state = node.state if node.connected else None
    found = []
    for info in node.info.actuators if node.info else ():
        if info.kettle_id != kettle.kettle_id:
            continue
        one = None if state is None else state.actuators.get(info.actuator_id)
        found.append(
            {
                "node": node.node_id,
                "output": info.actuator_id,
                "name": info.name,
                "kind": info.kind,
                "desired": None if one is None else one.desired,
                "actual": None if one is None else one.actual,
                "limited_by": None if one is None else one.limited_by,
            }
        )
    return found


def _controllers(kettle: KettleCoordinator, node: NodeCoordinator) -> list[dict[str, Any]]:
    state = node.state if node.connected else None
    found = []
    for info in node.info.controllers if node.info else ():
        if info.kettle_id != kettle.kettle_id:
            continue
        one = None if state is None else state.controllers.get(info.controller_id)
        found.append(
            {
                "node": node.node_id,
                "controller": info.controller_id,
                "name": info.name,
                "kind": info.kind,
                "mode": None if one is None else one.mode,
                "setpoint": None if one is None else one.setpoint,
                "process": None if one is None else one.process,
                "power": None if one is None else one.power,
            }
        )
    return found
