"""The simulated brewery: models, the trees they feed, and the faults asked for, in real time."""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from edge_node.simulation import plan as planning
from edge_node.simulation import plan_outputs
from edge_node.simulation.faults import IIO_FAULTS, OUTPUT_FAULTS, VESSEL_FAULTS, Fault
from edge_node.simulation.kettle import KettleParameters
from edge_node.simulation.plan import BreweryPlan, KettlePlan, NodePlan
from edge_node.simulation.sysfs import IioTree, W1Tree
from edge_node.simulation.vessels import HeatedKettle, ReplayedFermenter
from edge_node.simulation.wiring import Power, Wiring

__all__ = ["BreweryPlan", "KettlePlan", "NodePlan", "SimulatedBrewery"]

_LOGGER = logging.getLogger(__name__)
_STEP_S = 0.05  # a quarter of the shortest pulse of an element
_SLOW_STEP_S = 0.25  # inputs, and looking for new faults


class SimulatedBrewery:
    """Runs a plan under `state_dir`; trees of an earlier, killed run there are taken over.

    RecordingError if a log cannot be read.
    """

    def __init__(self, plan: BreweryPlan, state_dir: Path) -> None:
        self._plan = plan
        self._state_dir = state_dir
        self._nodes = {node.node_id: node for node in plan.nodes}
        now = time.monotonic()
        self._vessels: dict[str, HeatedKettle | ReplayedFermenter] = {
            kettle.kettle_id: _vessel(kettle, plan.seed, now) for kettle in plan.kettles
        }
        self._w1 = {node_id: self._w1_tree(node) for node_id, node in self._nodes.items()}
        self._iio = {node_id: self._iio_tree(node) for node_id, node in self._nodes.items()}
        self._wiring = Wiring(plan, state_dir)
        self._power: dict[str, Power] = {}
        self._targets = self._fault_targets()
        self._faults: dict[str, Fault] = {}
        self._faults_read: tuple[int, int] | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Write all trees (they are complete when this returns) and run the models in a thread."""
        self._state_dir.mkdir(parents=True, exist_ok=True)
        self._wiring.start()
        self._power = self._wiring.read(time.monotonic())
        for w1 in self._w1.values():
            w1.start()
        for iio in self._iio.values():
            iio.start()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="brewery", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the threads; waits at most a few seconds. The files stay as they are."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None
        for w1 in self._w1.values():
            w1.stop()

    def w1_root(self, node_id: str) -> Path:
        """What the node's configuration calls `w1: {root: ...}`."""
        return self._state_dir / "sysfs" / node_id / "w1"

    def iio_root(self, node_id: str) -> Path:
        """What the node's configuration calls `iio: {root: ...}`."""
        return self._state_dir / "sysfs" / node_id / "iio"

    def channels(self, node_id: str) -> list[dict[str, Any]]:
        """The `channels` of the node's configuration, as they go into the YAML file."""
        return planning.channels(self._plan, self._nodes[node_id])

    def actuators(self, node_id: str) -> list[dict[str, Any]]:
        """The `actuators` of the node's configuration: those of every kettle's first node."""
        return plan_outputs.actuators(self._plan, self._nodes[node_id], self._state_dir)

    def contacts(self, node_id: str) -> dict[str, dict[str, Any]]:
        """The `inputs` of the node's configuration: a stop and an override button, as files."""
        return plan_outputs.contacts(self._plan, self._nodes[node_id], self._state_dir)

    def volume_l(self, kettle_id: str) -> float:
        """What the vessel holds at the start, litres of water."""
        return self._plan.kettle(kettle_id).water_kg

    def enable_file(self, node_id: str) -> Path:
        """What the guard of a node with outputs writes, if the plan is guarded."""
        return plan_outputs.enable_file(self._state_dir, node_id)

    def power(self, kettle_id: str) -> Power:
        """What the vessel gets from the outputs of the nodes since the last step."""
        return self._power.get(kettle_id, Power())

    def w1_tree(self, node_id: str) -> W1Tree:
        """The node's bus, for those who count its conversions."""
        return self._w1[node_id]

    def set_faults(self, faults: Mapping[str, str]) -> None:
        """Exactly these faults from now on: `{"<node_id>/<channel_id>": kind}`.

        A kettle's own fault goes by the kettle's id alone. All that can be applied is; ValueError
        then names what could not. `faults.json` in `state_dir` says the same whenever it changes.
        """
        problems = []
        wanted: dict[str, Fault] = {}
        for series, kind in faults.items():
            try:
                wanted[series] = Fault(kind)
            except ValueError:
                problems.append(f"{series}: {kind!r} is none of {', '.join(Fault)}")
            if series not in self._targets:
                problems.append(f"{series} is no probe, input, output or kettle of this brewery")
                wanted.pop(series, None)
        for series in sorted(self._faults.keys() | wanted.keys()):
            fault = wanted.get(series)
            if fault is self._faults.get(series):
                continue
            try:
                self._targets[series](fault)
            except ValueError as err:
                problems.append(f"{series}: {err}")
                continue
            if fault is None:
                del self._faults[series]
            else:
                self._faults[series] = fault
        if problems:
            raise ValueError("; ".join(problems))

    def set_power(self, kettle_id: str, heater_w: float, *, pump: bool = False) -> None:
        """Electrical power of the kettle's element from now on, watts, and whether its pump runs.

        It lasts until an output of the kettle changes. ValueError for a replayed fermenter, which
        has no element.
        """
        vessel = self._vessels[kettle_id]
        if not isinstance(vessel, HeatedKettle):
            raise ValueError(f"{kettle_id} is replayed from a log and has no element")  # noqa: TRY004
        vessel.set_power(heater_w, pump, time.monotonic())

    def temperature(self, kettle_id: str) -> float:
        """The model's true temperature now, °C (of a replayed fermenter: the beer's)."""
        return self._vessels[kettle_id].temperature(time.monotonic())

    def _w1_tree(self, node: NodePlan) -> W1Tree:
        probes = {
            probe.device_id: self._thermometer(
                probe.kettle_id, probe.place, f"{node.node_id}/{probe.channel_id}"
            )
            for probe in planning.probes(self._plan, node)
        }
        root = self.w1_root(node.node_id)
        return W1Tree(root, probes, bulk=self._plan.bulk, time_scale=self._plan.time_scale)

    def _thermometer(self, kettle_id: str, place: str, name: str) -> Callable[[int], int]:
        vessel = self._vessels[kettle_id]
        if isinstance(vessel, HeatedKettle):
            convert = vessel.thermometer(name)
        else:
            convert = vessel.thermometer(place, name)
        return lambda bits: convert(bits, time.monotonic())

    def _iio_tree(self, node: NodePlan) -> IioTree:
        sources: dict[int, Callable[[], float]] = {}
        for transducer in planning.inputs(self._plan, node):
            vessel = self._vessels[transducer.kettle_id]
            if isinstance(vessel, ReplayedFermenter):
                sources[transducer.number] = partial(_pressure_mv, vessel)
        return IioTree(self.iio_root(node.node_id), sources)

    def _fault_targets(self) -> dict[str, Callable[[Fault | None], None]]:
        targets: dict[str, Callable[[Fault | None], None]] = {}
        for node_id, node in self._nodes.items():
            for probe in planning.probes(self._plan, node):
                targets[f"{node_id}/{probe.channel_id}"] = partial(
                    _set_probe_fault, self._w1[node_id], probe.device_id
                )
            for transducer in planning.inputs(self._plan, node):
                targets[f"{node_id}/{transducer.channel_id}"] = partial(
                    _set_input_fault, self._iio[node_id], transducer.number
                )
        for node_id, output_id in self._wiring.targets():
            targets[f"{node_id}/{output_id}"] = partial(self._wiring.set_fault, node_id, output_id)
        for kettle_id, vessel in self._vessels.items():
            targets[kettle_id] = partial(_set_vessel_fault, vessel)
        return targets

    def _run(self) -> None:
        slow = 0.0
        while not self._stopping.wait(_STEP_S):
            now = time.monotonic()
            # Whatever one step meets (a full disk, a folder removed by hand), the next one tries.
            try:
                self._power_vessels(now)
                if now < slow:
                    continue
                slow = now + _SLOW_STEP_S
                for iio in self._iio.values():
                    iio.update()
                self._read_faults()
            except OSError:
                _LOGGER.exception("A step of the simulated brewery in %s failed", self._state_dir)

    def _power_vessels(self, now: float) -> None:
        """Pass on what the outputs do, where it has changed."""
        before, self._power = self._power, self._wiring.read(now)
        for kettle_id, power in self._power.items():
            vessel = self._vessels[kettle_id]
            if power != before.get(kettle_id) and isinstance(vessel, HeatedKettle):
                vessel.set_power(power.heater_w, power.pump, now, cooler_w=power.cooler_w)

    def _read_faults(self) -> None:
        path = self._state_dir / "faults.json"
        try:
            stat = path.stat()
        except FileNotFoundError:
            return
        if (stat.st_mtime_ns, stat.st_ino) == self._faults_read:
            return
        self._faults_read = (stat.st_mtime_ns, stat.st_ino)
        try:
            faults = json.loads(path.read_text())
            if not isinstance(faults, dict):
                raise ValueError("it is not an object")  # noqa: TRY004, TRY301  # one message for all
            self.set_faults({str(series): str(kind) for series, kind in faults.items()})
        except ValueError as err:
            _LOGGER.error("%s: not all faults could be set: %s", path, err)  # noqa: TRY400
        else:
            _LOGGER.info("%s: faults are now %s", path, faults)


def _vessel(kettle: KettlePlan, seed: int, now: float) -> HeatedKettle | ReplayedFermenter:
    noise = f"{seed}/{kettle.kettle_id}"
    if kettle.replay is not None:
        return ReplayedFermenter(kettle.replay, kettle.speed, noise, now)
    parameters = KettleParameters(water_kg=kettle.water_kg, altitude_m=kettle.altitude_m)
    return HeatedKettle(parameters, kettle.start_c, noise, now)


def _pressure_mv(vessel: ReplayedFermenter) -> float:
    return vessel.pressure_mv(time.monotonic())


def _set_probe_fault(tree: W1Tree, device_id: str, fault: Fault | None) -> None:
    if fault in OUTPUT_FAULTS | VESSEL_FAULTS:
        raise ValueError(f"only an output or a kettle can be {fault}")
    tree.set_fault(device_id, fault)


def _set_input_fault(tree: IioTree, number: int, fault: Fault | None) -> None:
    if fault is not None and fault not in IIO_FAULTS:
        raise ValueError(f"an analogue input can only be {', '.join(sorted(IIO_FAULTS))}")
    tree.set_fault(number, fault)


def _set_vessel_fault(vessel: HeatedKettle | ReplayedFermenter, fault: Fault | None) -> None:
    if fault is not None and (fault not in VESSEL_FAULTS or not isinstance(vessel, HeatedKettle)):
        raise ValueError("only a kettle of the model can be dry, and nothing else can be wrong")
    if isinstance(vessel, HeatedKettle):
        vessel.run_dry(fault is Fault.DRY, time.monotonic())
