"""Binary sensors: how a node is, whether a kettle's probes agree, and what is wrong with it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import callback

from .contact_sensors import ContactorClosed, InterlockOpen, StopPressed
from .coordinator import NodeCoordinator
from .dynamic import async_follow
from .entity import SmartBeerEntity
from .helpers import kettle_identifier, kettle_unique_id, node_identifier, node_unique_id
from .kettle import KettleCoordinator, KettleData
from .kettle_part import contactors, interlocks
from .leader_sensors import KettleLeader, SiteLeader
from .limits import Limits, LimitsWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

    from .coordinator import NodeData, SmartBeerConfigEntry

PARALLEL_UPDATES = 0

# What keeps an output off for a moment, or because its time is over, and is as it should be.
ORDINARY = frozenset({"max_on", "min_off", "min_on", "mutex", "power_budget"})

type AnyBinarySensor = (
    ContactorClosed
    | InterlockOpen
    | KettleLeader
    | KettleProblem
    | NodeBinarySensor
    | ProbeProblem
    | StopPressed
)


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
    """Add the binary sensors of the brewery, its nodes and kettles, now and as they come."""
    async_add_entities([SiteLeader(entry)])

    def make() -> Iterator[AnyBinarySensor]:
        data = entry.runtime_data
        for node in data.nodes.values():
            for description in NODE_BINARY_SENSORS:
                yield NodeBinarySensor(node, description)
            if node.info is not None and node.info.actuators:
                yield StopPressed(node)
        for kettle in data.kettles.values():
            yield ProbeProblem(kettle)
            yield KettleLeader(kettle)
            yield KettleProblem(kettle)
        for part in contactors(data):
            yield ContactorClosed(part)
        for one in interlocks(data):
            yield InterlockOpen(*one)

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


class KettleProblem(SmartBeerEntity[KettleCoordinator], BinarySensorEntity):
    """On while something has latched, keeps an output off, or the temperature is beyond a limit.

    `reasons` are latches, permits, `limit_high` and `limit_low`.
    """

    _attr_device_class = BinarySensorDeviceClass.PROBLEM
    _attr_translation_key = "heating_problem"
    _unrecorded_attributes = frozenset({"latches", "outputs"})

    def __init__(self, kettle: KettleCoordinator) -> None:
        super().__init__(
            kettle,
            kettle_unique_id(kettle.kettle_id, "heating_problem"),
            kettle_identifier(kettle.kettle_id),
        )
        self._limits = LimitsWatch()

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        self._watch()
        super()._handle_coordinator_update()

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        self._watch()

    def _watch(self) -> None:
        kettle = self.coordinator
        fused = kettle.data.temperature
        limits = Limits.of(kettle.config_entry.options, kettle.kettle_id)
        self._limits.look(fused.value if fused else None, limits)

    @property
    @override
    def available(self) -> bool:
        return self.coordinator.data.available

    @property
    @override
    def is_on(self) -> bool:
        return bool(self._reasons)

    @property
    def _kept_off(self) -> tuple[tuple[str, str, str], ...]:
        """Node, output and permit of what is not as it should be."""
        return tuple(one for one in self.coordinator.data.limited if one[2] not in ORDINARY)

    @property
    def _reasons(self) -> list[str]:
        """Latches first: they wait for a person. A permit that only says so again is left out."""
        data = self.coordinator.data
        latches = {latch.latch for _, latch in data.latches}
        permits = {permit for _, _, permit in self._kept_off}
        if latches:
            permits -= {"latched", "safe", "stop"}
        beyond = [f"limit_{side}" for side in self._limits.beyond]
        return [*sorted(latches), *sorted(permits - latches), *beyond]

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        data = self.coordinator.data
        return {
            "reasons": self._reasons,
            "latches": [
                {"node": node_id, "latch": latch.latch, "since": latch.since, "text": latch.text}
                for node_id, latch in data.latches
            ],
            "outputs": [
                {"node": node_id, "output": output_id, "limited_by": permit}
                for node_id, output_id, permit in self._kept_off
            ],
        }

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        data = self.coordinator.data
        return None, (self.available, tuple(self._reasons), data.latches, self._kept_off)


def _left_out(data: KettleData) -> dict[str, str]:
    """Every series left out, of any quantity, and why."""
    fused = (data.temperature, data.pressure, data.co2)
    return {series: why for one in fused if one for series, why in one.left_out.items()}
