"""Sensors: what a brewer wants of a kettle, a node's raw channels, and how the node is."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    EntityCategory,
    UnitOfInformation,
    UnitOfPressure,
    UnitOfTemperature,
    UnitOfTime,
)
from homeassistant.util.unit_system import METRIC_SYSTEM

from .coordinator import NodeCoordinator, NodeData
from .dynamic import async_follow
from .entity import SmartBeerEntity
from .helpers import (
    channel_unique_id,
    kettle_identifier,
    kettle_unique_id,
    node_identifier,
    node_unique_id,
)
from .kettle import KettleCoordinator

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

    from .coordinator import SmartBeerConfigEntry
    from .models import ChannelInfo
    from .voting import Fused

PARALLEL_UPDATES = 0

VOLUMES = "vol"
# Why a reading of a bus can be bad; each is counted by the node for every channel.
BUS_ERROR_CAUSES = (
    "crc",
    "disconnected",
    "empty",
    "input",
    "io",
    "missing",
    "no_power",
    "power_on",
    "range",
    "short",
    "stale",
    "timeout",
    "zeros",
)


@dataclass(frozen=True, kw_only=True)
class KindDescription(SensorEntityDescription):
    """How a kind of channel is shown; `step` is its deadband, in its native unit."""

    state_class: SensorStateClass = SensorStateClass.MEASUREMENT
    step: float


KINDS: dict[str, KindDescription] = {
    description.key: description
    for description in (
        KindDescription(
            key="temperature",
            translation_key="temperature",
            device_class=SensorDeviceClass.TEMPERATURE,
            native_unit_of_measurement=UnitOfTemperature.CELSIUS,
            suggested_display_precision=1,
            step=0.1,
        ),
        KindDescription(
            key="pressure",
            translation_key="pressure",
            device_class=SensorDeviceClass.PRESSURE,
            native_unit_of_measurement=UnitOfPressure.KPA,
            suggested_display_precision=2,  # of the suggested unit, bar: what a transducer resolves
            step=0.5,
        ),
        KindDescription(
            key="co2",
            translation_key="co2",
            native_unit_of_measurement=VOLUMES,
            suggested_display_precision=2,
            step=0.02,
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class NodeSensorDescription(SensorEntityDescription):
    """A diagnostic sensor of a node."""

    entity_category: EntityCategory = EntityCategory.DIAGNOSTIC
    step: float = 0.0
    value_fn: Callable[[NodeData], float | str | None]


def _errors(cause: str, data: NodeData) -> int | None:
    return data.state.health.errors_by_cause().get(cause, 0) if data.state else None


NODE_SENSORS: tuple[NodeSensorDescription, ...] = (
    NodeSensorDescription(
        key="spool_depth",
        translation_key="spool_depth",
        state_class=SensorStateClass.MEASUREMENT,
        entity_registry_enabled_default=False,
        value_fn=lambda data: data.state.health.spool_rows if data.state else None,
    ),
    NodeSensorDescription(
        key="clock_offset",
        translation_key="clock_offset",
        device_class=SensorDeviceClass.DURATION,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTime.MILLISECONDS,
        entity_registry_enabled_default=False,
        suggested_display_precision=0,
        step=10.0,
        value_fn=lambda data: data.state.health.clock_offset_ms if data.state else None,
    ),
    NodeSensorDescription(
        key="disk_free",
        translation_key="disk_free",
        device_class=SensorDeviceClass.DATA_SIZE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.GIBIBYTES,
        suggested_display_precision=1,
        step=50.0 * 2**20,
        value_fn=lambda data: data.state.health.disk_free if data.state else None,
    ),
    NodeSensorDescription(
        key="cpu_temperature",
        translation_key="cpu_temperature",
        device_class=SensorDeviceClass.TEMPERATURE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        entity_registry_enabled_default=False,
        suggested_display_precision=0,
        step=1.0,
        value_fn=lambda data: data.state.health.cpu_temperature if data.state else None,
    ),
    NodeSensorDescription(
        key="firmware",
        translation_key="firmware",
        value_fn=lambda data: data.info.version if data.info else None,
    ),
    *(
        NodeSensorDescription(
            key=f"bus_errors_{cause}",
            translation_key=f"bus_errors_{cause}",
            state_class=SensorStateClass.TOTAL_INCREASING,
            entity_registry_enabled_default=False,
            value_fn=partial(_errors, cause),
        )
        for cause in BUS_ERROR_CAUSES
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SmartBeerConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors of every node and kettle, now and as they come."""

    def make() -> Iterator[NodeSensor | ChannelSensor | FusedSensor | BatchSensor]:
        for node in entry.runtime_data.nodes.values():
            for description in NODE_SENSORS:
                yield NodeSensor(node, description)
            for channel in node.info.channels if node.info else ():
                yield ChannelSensor(node, channel)
        for kettle in entry.runtime_data.kettles.values():
            yield BatchSensor(kettle)
            for kind in KINDS.values():
                if kettle.measures(kind.key):
                    yield FusedSensor(kettle, kind)

    async_follow(hass, entry, async_add_entities, make)


def _suggested_unit(hass: HomeAssistant, device_class: str | None) -> str | None:
    """Bar, which brewers read; where Home Assistant is not metric it picks psi by itself.

    Asked again by Home Assistant when its unit system changes.
    """
    metric = hass.config.units is METRIC_SYSTEM
    return UnitOfPressure.BAR if metric and device_class == SensorDeviceClass.PRESSURE else None


class NodeSensor(SmartBeerEntity[NodeCoordinator], SensorEntity):
    """How a node is."""

    entity_description: NodeSensorDescription

    def __init__(self, node: NodeCoordinator, description: NodeSensorDescription) -> None:
        super().__init__(
            node,
            node_unique_id(node.node_id, description.key),
            node_identifier(node.node_id),
            step=description.step,
        )
        self.entity_description = description

    @override
    def _sources(self) -> tuple[object, ...]:
        return self.coordinator.data.sources

    @property
    @override
    def available(self) -> bool:
        return self.coordinator.connected

    @property
    @override
    def native_value(self) -> float | str | None:
        return self.entity_description.value_fn(self.coordinator.data)

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        value = self.native_value
        if isinstance(value, str):
            return None, (self.available, value)
        return value, (self.available, value is None)


class ChannelSensor(SmartBeerEntity[NodeCoordinator], SensorEntity):
    """A raw channel: unknown while its reading is bad, unavailable when its source is gone."""

    _unrecorded_attributes = frozenset({"quality"})

    def __init__(self, node: NodeCoordinator, channel: ChannelInfo) -> None:
        kind = KINDS.get(channel.kind)
        super().__init__(
            node,
            channel_unique_id(node.node_id, channel.channel_id),
            node_identifier(node.node_id),
            step=kind.step if kind else 0.0,
        )
        self._channel_id = channel.channel_id
        self._attr_translation_key = "channel"
        self._attr_translation_placeholders = {"name": channel.name}
        self._attr_entity_registry_enabled_default = False
        self._attr_entity_category = EntityCategory.DIAGNOSTIC
        self._attr_state_class = SensorStateClass.MEASUREMENT
        self._attr_native_unit_of_measurement = channel.unit or None
        if kind is not None:
            self._attr_device_class = kind.device_class
            self._attr_native_unit_of_measurement = kind.native_unit_of_measurement
            self._attr_suggested_display_precision = kind.suggested_display_precision

    @property
    @override
    def suggested_unit_of_measurement(self) -> str | None:
        return _suggested_unit(self.hass, self.device_class)

    @property
    @override
    def available(self) -> bool:
        info = self.coordinator.info
        return (
            self.coordinator.connected
            and info is not None
            and info.channel(self._channel_id) is not None
        )

    @property
    @override
    def native_value(self) -> float | None:
        reading = self.coordinator.reading(self._channel_id)
        return reading.value if reading else None

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        return {"quality": self._quality}

    @property
    def _quality(self) -> str | None:
        reading = self.coordinator.reading(self._channel_id)
        return reading.quality if reading else None

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        return self.native_value, (self.available, self._quality)


class KettleSensor(SmartBeerEntity[KettleCoordinator], SensorEntity):
    """A sensor of a kettle, available while one of its nodes is connected."""

    def __init__(self, kettle: KettleCoordinator, key: str, *, step: float = 0.0) -> None:
        super().__init__(
            kettle,
            kettle_unique_id(kettle.kettle_id, key),
            kettle_identifier(kettle.kettle_id),
            step=step,
        )

    @property
    @override
    def available(self) -> bool:
        return self.coordinator.data.available


class FusedSensor(KettleSensor):
    """What the kettle's good probes agree on; unknown while they do not, or there are none."""

    _unrecorded_attributes = frozenset({"probes", "left_out"})

    def __init__(self, kettle: KettleCoordinator, kind: KindDescription) -> None:
        super().__init__(kettle, kind.key, step=kind.step)
        self.entity_description = kind

    @property
    @override
    def suggested_unit_of_measurement(self) -> str | None:
        return _suggested_unit(self.hass, self.device_class)

    @property
    def _fused(self) -> Fused | None:
        return self.coordinator.data.quantity(self.entity_description.key)

    @property
    @override
    def native_value(self) -> float | None:
        return self._fused.value if self._fused else None

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        if (fused := self._fused) is None:
            return {"probes": [], "left_out": {}}
        return {"probes": list(fused.probes), "left_out": dict(fused.left_out)}

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        if (fused := self._fused) is None:
            return None, (self.available,)
        return fused.value, (self.available, fused.probes, frozenset(fused.left_out.items()))


class BatchSensor(KettleSensor):
    """The batch that is in the kettle."""

    def __init__(self, kettle: KettleCoordinator) -> None:
        super().__init__(kettle, "batch")
        self._attr_translation_key = "batch"

    @property
    @override
    def native_value(self) -> str | None:
        return self.coordinator.data.batch

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        return None, (self.available, self.native_value)
