"""The outputs and contacts of a simulated brewery, and how its nodes are configured for them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge_node.simulation.plan import BreweryPlan, NodePlan, prefix

PUMP_W: Final = 25.0
# A contact's resting state: the stop is normally closed, the button normally open.
CONTACTS: Final = {"stop": True, "override": False}


@dataclass(frozen=True, slots=True)
class PlannedOutput:
    """An output of a node: what it is and which vessel it acts on."""

    output_id: str
    kind: str  # heater, pump, cooler, contactor
    kettle_id: str
    power_w: float


def outputs(plan: BreweryPlan, node: NodePlan) -> list[PlannedOutput]:
    """Heater, pump, contactor and perhaps cooler of each kettle whose first node this is."""
    found = []
    for kettle_id in node.kettles:
        kettle = plan.kettle(kettle_id)
        first = next(other for other in plan.nodes if kettle_id in other.kettles)
        if first is not node or kettle.replay is not None:
            continue
        begin = prefix(node, kettle_id)
        found += [
            PlannedOutput(begin + "heater", "heater", kettle_id, kettle.element_w),
            PlannedOutput(begin + "pump", "pump", kettle_id, PUMP_W),
            PlannedOutput(begin + "contactor", "contactor", kettle_id, 0.0),
        ]
        if kettle.cooler_w > 0:
            found.append(PlannedOutput(begin + "cooler", "cooler", kettle_id, kettle.cooler_w))
    return found


def level_file(state_dir: Path, node_id: str, output_id: str) -> Path:
    """Where a node writes the level of an output."""
    return state_dir / "outputs" / node_id / output_id


def contact_file(state_dir: Path, node_id: str, contact: str) -> Path:
    """Where a node reads a contact, and a person closes (1) or opens (0) it."""
    return state_dir / "inputs" / node_id / contact


def enable_file(state_dir: Path, node_id: str) -> Path:
    """What the node's guard writes."""
    return state_dir / "enable" / node_id


def actuators(plan: BreweryPlan, node: NodePlan, state_dir: Path) -> list[dict[str, Any]]:
    """The `actuators` of the node's configuration, as they go into the YAML file."""
    found = []
    for output in outputs(plan, node):
        item: dict[str, Any] = {
            "id": output.output_id,
            "name": output.output_id.replace("_", " ").capitalize(),
            "kettle": output.kettle_id,
            "kind": output.kind,
            "control": "power" if output.kind == "heater" else "switch",
            "driver": "simulated",
            "file": str(level_file(state_dir, node.node_id, output.output_id).absolute()),
        }
        if output.power_w > 0:
            item["power_w"] = output.power_w
        if output.kind == "heater":
            item |= {"window_s": 5, "min_on_s": 0.2, "min_off_s": 0.2}
            item["contactor"] = prefix(node, output.kettle_id) + "contactor"
        found.append(item)
    return found


def contacts(plan: BreweryPlan, node: NodePlan, state_dir: Path) -> dict[str, dict[str, Any]]:
    """The `inputs` of the node's configuration; a node without outputs has none."""
    if not outputs(plan, node):
        return {}
    return {
        name: {
            "driver": "simulated",
            "file": str(contact_file(state_dir, node.node_id, name).absolute()),
        }
        for name in CONTACTS
    }
