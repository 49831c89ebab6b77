"""Outputs, controllers and interlocks: parts of a node, shown on the device of their kettle."""

from abc import abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, override

from .coordinator import NodeCoordinator
from .entity import SmartBeerEntity
from .helpers import CONTROLLER, OUTPUT, kettle_identifier, node_identifier, part_unique_id
from .kettle import KettleCoordinator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .coordinator import SmartBeerData
    from .models import (
        ActuatorInfo,
        ActuatorState,
        ControllerInfo,
        ControllerState,
        InterlockInfo,
        NodeInfo,
    )

CONTACTOR = "contactor"


class Part[Info: (ActuatorInfo, ControllerInfo)](NamedTuple):
    """A part of a node's description, with the node and the kettle it belongs to.

    `name` is what the node calls it, with the node's own name where two nodes of the kettle call
    theirs so. `plain`: people know it without: the only output of its kind that the kettle has, or
    the first of its controllers.
    """

    kettle: KettleCoordinator
    node: NodeCoordinator
    info: Info
    name: str
    plain: bool


def outputs(data: SmartBeerData) -> list[Part[ActuatorInfo]]:
    """Every output but the contactors, which nobody but their node switches."""
    return [part for part in _actuators(data) if part.info.kind != CONTACTOR]


def contactors(data: SmartBeerData) -> list[Part[ActuatorInfo]]:
    """Every contactor."""
    return [part for part in _actuators(data) if part.info.kind == CONTACTOR]


def controllers(data: SmartBeerData) -> list[Part[ControllerInfo]]:
    """Every controller."""
    found = [
        (kettle, node, info)
        for kettle, node, described in _described(data)
        for info in described.controllers
        if info.kettle_id == kettle.kettle_id
    ]
    alike = Counter((kettle.kettle_id, info.name) for kettle, _, info in found)
    first = {kettle.kettle_id: info for kettle, _, info in reversed(found)}
    return [
        Part(
            kettle,
            node,
            info,
            _name(info.name, node, alike[kettle.kettle_id, info.name]),
            info is first[kettle.kettle_id],
        )
        for kettle, node, info in found
    ]


def interlocks(
    data: SmartBeerData,
) -> Iterator[tuple[KettleCoordinator | None, NodeCoordinator, InterlockInfo]]:
    """Every interlock, with its node, and its kettle if it is of one."""
    for kettle, node, described in _described(data):
        for info in described.interlocks:
            if info.kettle_id == kettle.kettle_id:
                yield kettle, node, info
    for node in data.nodes.values():
        for info in node.info.interlocks if node.info else ():
            if info.kettle_id is None:
                yield None, node, info


def _actuators(data: SmartBeerData) -> list[Part[ActuatorInfo]]:
    found = [
        (kettle, node, info)
        for kettle, node, described in _described(data)
        for info in described.actuators
        if info.kettle_id == kettle.kettle_id
    ]
    alike = Counter((kettle.kettle_id, info.name) for kettle, _, info in found)
    kinds = Counter((kettle.kettle_id, info.kind) for kettle, _, info in found)
    return [
        Part(
            kettle,
            node,
            info,
            _name(info.name, node, alike[kettle.kettle_id, info.name]),
            kinds[kettle.kettle_id, info.kind] == 1,
        )
        for kettle, node, info in found
    ]


def _name(name: str, node: NodeCoordinator, alike: int) -> str:
    return f"{name} ({node.info.name})" if alike > 1 and node.info is not None else name


def _described(
    data: SmartBeerData,
) -> Iterator[tuple[KettleCoordinator, NodeCoordinator, NodeInfo]]:
    """Kettles with their nodes, in an order that two servers share."""
    for _, kettle in sorted(data.kettles.items()):
        for node in sorted(kettle.nodes, key=lambda node: node.node_id):
            if node.info is not None:
                yield kettle, node, node.info


class KettlePart(SmartBeerEntity[NodeCoordinator]):
    """Something of a node on the device of its kettle; available while the node says how it is.

    What belongs to no kettle is on the device of the node. It is not available either while the
    node tells of other kettles than were agreed to: it may be wired elsewhere now.
    """

    def __init__(
        self,
        kettle: KettleCoordinator | None,
        node: NodeCoordinator,
        unique_id: str,
        *,
        step: float = 0.0,
    ) -> None:
        device = kettle_identifier(kettle.kettle_id) if kettle else node_identifier(node.node_id)
        super().__init__(node, unique_id, device, step=step)
        self.of_hub = kettle is not None

    @property
    @abstractmethod
    def _known(self) -> bool:
        """Whether the node says how it is."""

    @override
    def _sources(self) -> tuple[object, ...]:
        return self.coordinator.data.sources

    @property
    @override
    def available(self) -> bool:
        node = self.coordinator
        return node.connected and node.problem is None and self._known


class OutputPart(KettlePart):
    """An output: what it is wished to be, what it is, and what is between the two."""

    def __init__(self, part: Part[ActuatorInfo], *, key: str = "", step: float = 0.0) -> None:
        self.output_id = part.info.actuator_id
        unique_id = part_unique_id(OUTPUT, part.node.node_id, self.output_id, key)
        super().__init__(part.kettle, part.node, unique_id, step=step)

    @property
    @override
    def _known(self) -> bool:
        return self._output is not None

    @property
    def _output(self) -> ActuatorState | None:
        state = self.coordinator.data.state
        return state.actuators.get(self.output_id) if state is not None else None


class ControllerPart(KettlePart):
    """A controller and the outputs it drives."""

    def __init__(self, part: Part[ControllerInfo], *, key: str = "", step: float = 0.0) -> None:
        self.controller_id = part.info.controller_id
        unique_id = part_unique_id(CONTROLLER, part.node.node_id, self.controller_id, key)
        super().__init__(part.kettle, part.node, unique_id, step=step)
        self._first = part.info

    @property
    @override
    def _known(self) -> bool:
        return self._controller is not None

    @property
    def _info(self) -> ControllerInfo:
        """As the node describes it; its range may be another by now."""
        info = self.coordinator.info
        return (info.controller(self.controller_id) if info else None) or self._first

    @property
    def _controller(self) -> ControllerState | None:
        state = self.coordinator.data.state
        return state.controllers.get(self.controller_id) if state is not None else None

    def _driven(self, output_id: str | None) -> ActuatorState | None:
        state = self.coordinator.data.state
        return state.actuators.get(output_id or "") if state is not None else None
