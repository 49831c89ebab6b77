"""Binary sensors: how a node is, and whether a kettle's probes agree."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.const import EntityCategory

from .coordinator import NodeCoordinator
from .dynamic import async_follow
from .entity import SmartBeerEntity
from .helpers import kettle_identifier, kettle_unique_id, node_identifier, node_unique_id
from .kettle import KettleCoordinator, KettleData

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

    from .coordinator import NodeData, SmartBeerConfigEntry

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class NodeBinarySensorDescription(BinarySensorEntityDescription):
    """A binary sensor of a node; `always` ones are available while the node is not."""

    entity_category: EntityCategory | None = EntityCategory.DIAGNOSTIC
    always: bool = False
    is_on_fn: Callable[[NodeData], bool | None]
    attributes_fn: Callable[[NodeData], dict[str, Any]] | None = None


def _alarms(data: NodeData) -> dict[str, Any]:
    alarms = data.state.alarms if data.state else ()
    return {
        "alarms": [
            {"id": alarm.alarm_id, "since": alarm.since, "text": alarm.text} for alarm in alarms
        ]
    }


NODE_BINARY_SENSORS: tuple[NodeBinarySensorDescription, ...] = (
    NodeBinarySensorDescription(
        key="connectivity",
        translation_key="connectivity",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        always=True,
        is_on_fn=lambda data: data.connected,
        attributes_fn=lambda data: {"problem": data.problem},
    ),
    NodeBinarySensorDescription(
        key="clock_known",
        translation_key="clock_known",
        is_on_fn=lambda data: data.info.clock.known if data.info else None,
    ),
    NodeBinarySensorDescription(
        key="alarm",
        translation_key="alarm",
        device_class=BinarySensorDeviceClass.PROBLEM,
        entity_category=None,
        is_on_fn=lambda data: bool(data.state.alarms) if data.state else None,
        attributes_fn=_alarms,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SmartBeerConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the binary sensors of every node and kettle, now and as they come."""

    def make() -> Iterator[NodeBinarySensor | ProbeProblem]:
        for node in entry.runtime_data.nodes.values():
            for description in NODE_BINARY_SENSORS:
                yield NodeBinarySensor(node, description)
        for kettle in entry.runtime_data.kettles.values():
            yield ProbeProblem(kettle)

    async_follow(hass, entry, async_add_entities, make)


class NodeBinarySensor(SmartBeerEntity[NodeCoordinator], BinarySensorEntity):
    """A yes or no about a node."""

    _unrecorded_attributes = frozenset({"alarms"})
    entity_description: NodeBinarySensorDescription

    def __init__(self, node: NodeCoordinator, description: NodeBinarySensorDescription) -> None:
        super().__init__(
            node, node_unique_id(node.node_id, description.key), node_identifier(node.node_id)
        )
        self.entity_description = description

    @override
    def _sources(self) -> tuple[object, ...]:
        return self.coordinator.data.sources

    @property
    @override
    def available(self) -> bool:
        return self.entity_description.always or self.coordinator.connected

    @property
    @override
    def is_on(self) -> bool | None:
        return self.entity_description.is_on_fn(self.coordinator.data)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        attributes_fn = self.entity_description.attributes_fn
        return attributes_fn(self.coordinator.data) if attributes_fn else None

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        # Alarms hold lists; their text is as good to compare.
        return None, (self.available, self.is_on, repr(self.extra_state_attributes))


class ProbeProblem(SmartBeerEntity[KettleCoordinator], BinarySensorEntity):
    """On while a probe of the kettle is left out of what it shows; `left_out` says why."""

    _unrecorded_attributes = frozenset({"left_out"})
    _attr_device_class = BinarySensorDeviceClass.PROBLEM
    _attr_translation_key = "probe_problem"

    def __init__(self, kettle: KettleCoordinator) -> None:
        super().__init__(
            kettle,
            kettle_unique_id(kettle.kettle_id, "probe_problem"),
            kettle_identifier(kettle.kettle_id),
        )

    @property
    @override
    def available(self) -> bool:
        return self.coordinator.data.available

    @property
    @override
    def is_on(self) -> bool:
        return bool(_left_out(self.coordinator.data))

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        return {"left_out": _left_out(self.coordinator.data)}

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        return None, (self.available, frozenset(_left_out(self.coordinator.data).items()))


def _left_out(data: KettleData) -> dict[str, str]:
    """Every series left out, of any quantity, and why."""
    fused = (data.temperature, data.pressure, data.co2)
    return {series: why for one in fused if one for series, why in one.left_out.items()}
