"""What a simulated brewery consists of, and the channels that its nodes then have."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class KettlePlan:
    """One vessel: °C, kg, metres above the sea; a nearly dry one has a water_kg near 0.

    `element_w` is the element's rating; what it really draws is off by `element_error` (0.02: 2 %
    more). With `cooler_w` above 0 the vessel has a cooler that takes out so many watts of heat.
    With `replay`, a recorded fermentation (a BrewPi log: time, beer in column 1, fridge in column
    4) instead of the kettle model; `speed` seconds of the log pass in one second.
    """

    kettle_id: str
    start_c: float = 20.0
    water_kg: float = 20.0
    altitude_m: float = 0.0
    element_w: float = 3500.0
    element_error: float = 0.0
    cooler_w: float = 0.0
    replay: Path | None = None
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node, the kettles it serves, and how many temperature probes it has in each."""

    node_id: str
    kettles: tuple[str, ...]
    probes: int = 1


@dataclass(frozen=True, slots=True)
class BreweryPlan:
    """All vessels and nodes; ValueError names what does not fit.

    `seed` fixes the noise; `bulk` false is a kernel without bulk reading; `time_scale` shortens
    the probes' conversion times. `guarded`: a guard pulses the enable line of every node with
    outputs, and no element heats without.
    """

    kettles: tuple[KettlePlan, ...]
    nodes: tuple[NodePlan, ...]
    seed: int = 0
    bulk: bool = True
    time_scale: float = 1.0
    guarded: bool = False

    def __post_init__(self) -> None:
        kettles = [kettle.kettle_id for kettle in self.kettles]
        nodes = [node.node_id for node in self.nodes]
        for name in {*kettles, *nodes}:
            if not _ID.fullmatch(name):
                raise ValueError(f"{name!r} is no id: lower case letters, digits, - and _")
            if max(kettles.count(name), nodes.count(name)) > 1:
                raise ValueError(f"{name} is in the plan twice")
        for node in self.nodes:
            if node.probes < 1:
                raise ValueError(f"node {node.node_id} needs at least one probe in a kettle")
            if unknown := set(node.kettles) - set(kettles):
                raise ValueError(f"node {node.node_id} serves kettles that do not exist: {unknown}")

    def kettle(self, kettle_id: str) -> KettlePlan:
        """The plan of this kettle."""
        return next(kettle for kettle in self.kettles if kettle.kettle_id == kettle_id)


@dataclass(frozen=True, slots=True)
class PlannedProbe:
    """A thermometer of a node: which channel it becomes and where it hangs."""

    channel_id: str
    device_id: str
    kettle_id: str
    place: str


@dataclass(frozen=True, slots=True)
class PlannedInput:
    """A pressure transducer at input `number` of the node's converter."""

    channel_id: str
    number: int
    kettle_id: str


def device_id(node_id: str, channel_id: str) -> str:
    """The 1-Wire name of a channel's probe: always the same for the same node and channel."""
    return f"28-{hashlib.sha256(f'{node_id}/{channel_id}'.encode()).hexdigest()[:12]}"


def probes(plan: BreweryPlan, node: NodePlan) -> list[PlannedProbe]:
    """The node's thermometers: `temperature`, `temperature_2`, ...; a fermenter's fridge last."""
    found = []
    for kettle_id in node.kettles:
        begin = prefix(node, kettle_id)
        replayed = plan.kettle(kettle_id).replay is not None
        names = [
            (f"temperature_{n}" if n > 1 else "temperature") for n in range(1, node.probes + 1)
        ]
        places = [(name, "beer" if replayed else "water") for name in names]
        if replayed:
            places.append(("fridge_temperature", "fridge"))
        found += [
            PlannedProbe(begin + name, device_id(node.node_id, begin + name), kettle_id, place)
            for name, place in places
        ]
    return found


def inputs(plan: BreweryPlan, node: NodePlan) -> list[PlannedInput]:
    """The node's pressure transducers: one for each replayed fermenter."""
    fermenters = [name for name in node.kettles if plan.kettle(name).replay is not None]
    return [
        PlannedInput(prefix(node, name) + "pressure", number, name)
        for number, name in enumerate(fermenters)
    ]


def channels(plan: BreweryPlan, node: NodePlan) -> list[dict[str, Any]]:
    """The `channels` of the node's configuration, as they go into the YAML file."""
    found: list[dict[str, Any]] = []
    for probe in probes(plan, node):
        main = probe.channel_id == prefix(node, probe.kettle_id) + "temperature"
        found.append(
            {
                "id": probe.channel_id,
                "name": _name(probe.channel_id),
                "kettle": probe.kettle_id,
                "driver": "w1",
                "device": probe.device_id,
                "role": "process" if main else "auxiliary",
            }
        )
    for transducer in inputs(plan, node):
        begin = prefix(node, transducer.kettle_id)
        found += [
            {
                "id": transducer.channel_id,
                "name": _name(transducer.channel_id),
                "kettle": transducer.kettle_id,
                "driver": "iio",
                "device": "iio:device0",
                "input": f"voltage{transducer.number}",
                "unit": "kPa",
                "span": {"from": [0.5, 4.5], "to": [0, 413.7]},
            },
            {
                "id": begin + "co2",
                "name": _name(begin + "co2"),
                "kettle": transducer.kettle_id,
                "driver": "carbonation",
                "temperature": begin + "temperature",
                "pressure": transducer.channel_id,
            },
        ]
    return found


def prefix(node: NodePlan, kettle_id: str) -> str:
    """What an id begins with on a node that serves several kettles."""
    return "" if len(node.kettles) == 1 else kettle_id.replace("-", "_") + "_"


def _name(channel_id: str) -> str:
    return channel_id.replace("_", " ").capitalize().replace("co2", "CO2").replace("Co2", "CO2")
