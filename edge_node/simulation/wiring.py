"""The wires between the nodes' outputs and the vessels: relays, contactors, the enable line."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge_node.hardware.outputs.simulated import read_level
from edge_node.simulation import plan_outputs
from edge_node.simulation.faults import OUTPUT_FAULTS, Fault
from edge_node.simulation.pipes import replace_file
from edge_node.simulation.plan import BreweryPlan
from edge_node.simulation.plan_outputs import PlannedOutput

# How long the charge pump of the enable line holds without an edge; the guard makes ten a second.
PUMP_HOLD_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Power:
    """What a vessel gets: electrical watts, whether its pump runs, watts of cooling."""

    heater_w: float = 0.0
    pump: bool = False
    cooler_w: float = 0.0


@dataclass(slots=True)
class ChargePump:
    """PURE: up while its input changes; a line that stands still drops within PUMP_HOLD_S.

    One edge alone, such as a guard that starts again, does not charge it: two within that time do.
    """

    _shown: str | None = field(init=False, default=None)
    _edges_s: tuple[float | None, float | None] = field(init=False, default=(None, None))

    def step(self, now: float, shown: str) -> bool:
        """Whether it is up at `now`, monotonic seconds; `shown` is the line, empty if not there."""
        if shown:
            if self._shown is not None and shown != self._shown:
                self._edges_s = self._edges_s[1], now
            self._shown = shown
        last_but_one = self._edges_s[0]
        return last_but_one is not None and now - last_but_one <= PUMP_HOLD_S


class Wiring:
    """Reads what the nodes drive; an element heats behind its relay, contactor and enable line.

    A level file that cannot be read keeps the level that was read last.
    """

    def __init__(self, plan: BreweryPlan, state_dir: Path) -> None:
        self._plan = plan
        self._state_dir = state_dir
        self._outputs = {
            (node.node_id, output.output_id): output
            for node in plan.nodes
            for output in plan_outputs.outputs(plan, node)
        }
        self._nodes = dict.fromkeys(node_id for node_id, _ in self._outputs)
        self._faults: dict[tuple[str, str], Fault] = {}
        self._levels = dict.fromkeys(self._outputs, 0.0)
        self._pumps = {node_id: ChargePump() for node_id in self._nodes}

    def start(self) -> None:
        """Everything as it is when the power comes on: outputs off, contacts at rest."""
        for node_id, output_id in self._outputs:
            _write(plan_outputs.level_file(self._state_dir, node_id, output_id), "  0")
        for node_id in self._nodes:
            for name, closed in plan_outputs.CONTACTS.items():
                _write(plan_outputs.contact_file(self._state_dir, node_id, name), str(int(closed)))

    def targets(self) -> list[tuple[str, str]]:
        """Node and id of every output."""
        return list(self._outputs)

    def set_fault(self, node_id: str, output_id: str, fault: Fault | None) -> None:
        """Let `fault` begin, or end (None), now; ValueError for one of a probe."""
        if fault is None:
            self._faults.pop((node_id, output_id), None)
        elif fault in OUTPUT_FAULTS:
            self._faults[node_id, output_id] = fault
        else:
            raise ValueError(f"an output can only be {', '.join(sorted(OUTPUT_FAULTS))}")

    def read(self, now: float) -> dict[str, Power]:
        """What each kettle with outputs gets at `now`, monotonic seconds."""
        enabled = {node_id: self._enabled(node_id, now) for node_id in self._nodes}
        closed: dict[tuple[str, str], bool] = {}
        for (node_id, output_id), output in self._outputs.items():
            if output.kind == "contactor":
                closed[node_id, output.kettle_id] = self._level(node_id, output_id) > 0
        found: dict[str, Power] = {}
        for (node_id, output_id), output in self._outputs.items():
            power = found.get(output.kettle_id, Power())
            level = self._level(node_id, output_id)
            fed = enabled[node_id] and closed[node_id, output.kettle_id]
            found[output.kettle_id] = self._with(power, output, level, fed=fed)
        return found

    def _with(self, power: Power, output: PlannedOutput, level: float, *, fed: bool) -> Power:
        kettle = self._plan.kettle(output.kettle_id)
        match output.kind:
            case "heater":
                watts = kettle.element_w * (1 + kettle.element_error) * level / 100
                return Power(watts if fed else 0.0, power.pump, power.cooler_w)
            case "pump":
                return Power(power.heater_w, level > 0, power.cooler_w)
            case "cooler":
                return Power(power.heater_w, power.pump, kettle.cooler_w * level / 100)
            case _:
                return power

    def _level(self, node_id: str, output_id: str) -> float:
        key = node_id, output_id
        level = read_level(plan_outputs.level_file(self._state_dir, node_id, output_id))
        if level is not None:
            self._levels[key] = level
        match self._faults.get(key):
            case Fault.WELDED:
                return 100.0
            case Fault.DEAD:
                return 0.0
            case _:
                return self._levels[key]

    def _enabled(self, node_id: str, now: float) -> bool:
        if not self._plan.guarded:
            return True
        try:
            edges = plan_outputs.enable_file(self._state_dir, node_id).read_text("ascii")
        except (OSError, UnicodeDecodeError):
            edges = ""
        return self._pumps[node_id].step(now, edges)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, f"{text}\n".encode())
