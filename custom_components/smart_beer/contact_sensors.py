"""Binary sensors: interlocks, stop buttons and contactors."""

from typing import TYPE_CHECKING, Any, override

from homeassistant.components.binary_sensor import BinarySensorDeviceClass, BinarySensorEntity

from .coordinator import NodeCoordinator
from .entity import SmartBeerEntity
from .helpers import INTERLOCK, node_identifier, node_unique_id, part_unique_id
from .kettle_part import KettlePart, OutputPart

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .kettle import KettleCoordinator
    from .kettle_part import Part
    from .models import ActuatorInfo, InterlockInfo


class InterlockOpen(KettlePart, BinarySensorEntity):
    """On (unsafe) while an interlock is open: what needs it closed stays off."""

    _attr_device_class = BinarySensorDeviceClass.SAFETY
    _attr_translation_key = "interlock"

    def __init__(
        self, kettle: KettleCoordinator | None, node: NodeCoordinator, info: InterlockInfo
    ) -> None:
        super().__init__(kettle, node, part_unique_id(INTERLOCK, node.node_id, info.interlock_id))
        self._attr_translation_placeholders = {"name": info.name}
        self._interlock_id = info.interlock_id

    @property
    @override
    def _known(self) -> bool:
        state = self.coordinator.data.state
        return state is not None and self._interlock_id in state.interlocks

    @property
    @override
    def is_on(self) -> bool | None:
        state = self.coordinator.data.state
        closed = state.interlocks.get(self._interlock_id) if state is not None else None
        return None if closed is None else not closed

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        return {"node": self.coordinator.node_id}

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        return None, (self.available, self.is_on)


class StopPressed(SmartBeerEntity[NodeCoordinator], BinarySensorEntity):
    """On (unsafe) while the stop button of a node is pressed; unknown if it has none."""

    _attr_device_class = BinarySensorDeviceClass.SAFETY
    _attr_translation_key = "stop"

    def __init__(self, node: NodeCoordinator) -> None:
        super().__init__(node, node_unique_id(node.node_id, "stop"), node_identifier(node.node_id))

    @override
    def _sources(self) -> tuple[object, ...]:
        return self.coordinator.data.sources

    @property
    @override
    def available(self) -> bool:
        return self.coordinator.connected

    @property
    @override
    def is_on(self) -> bool | None:
        state = self.coordinator.data.state
        return state.stop if state is not None else None

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        return None, (self.available, self.is_on)


class ContactorClosed(OutputPart, BinarySensorEntity):
    """On while a contactor is closed; its node opens it when anything behind it trips."""

    def __init__(self, part: Part[ActuatorInfo]) -> None:
        super().__init__(part)
        self._attr_translation_key = "contactor" if part.plain else "contactor_named"
        self._attr_translation_placeholders = {"name": part.name}

    @property
    @override
    def is_on(self) -> bool | None:
        return None if self._output is None else self._output.actual > 0

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        return {
            "limited_by": None if self._output is None else self._output.limited_by,
            "node": self.coordinator.node_id,
        }

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        return None, (self.available, self.is_on, *self.extra_state_attributes.values())
