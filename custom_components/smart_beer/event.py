"""Events: what happens to a kettle that a person may want to be told of."""

from typing import TYPE_CHECKING, Final, override

from homeassistant.components.event import EventEntity
from homeassistant.core import callback

from .dynamic import async_follow
from .entity import SmartBeerEntity
from .helpers import kettle_identifier, kettle_unique_id
from .kettle import KettleCoordinator
from .limits import Limits, LimitsWatch
from .trigger_memory import ThingsMemory

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

    from .coordinator import NodeCoordinator, SmartBeerConfigEntry
    from .models import Latch

PARALLEL_UPDATES = 0

type Attributes = dict[str, str | float | None]

ACKNOWLEDGED: Final = "acknowledged"
CLEARED: Final = "cleared"
LATCHED: Final = "latched"
LIMIT_HIGH: Final = "limit_high"
LIMIT_LOW: Final = "limit_low"
RAISED: Final = "raised"
UNLATCHED: Final = "unlatched"
OPPOSITES: Final = {RAISED: CLEARED, LATCHED: UNLATCHED}
TYPES: Final = (RAISED, CLEARED, ACKNOWLEDGED, LIMIT_HIGH, LIMIT_LOW, LATCHED, UNLATCHED)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SmartBeerConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the alarms of every kettle, now and as they come."""

    def make() -> Iterator[KettleAlarms]:
        for kettle in entry.runtime_data.kettles.values():
            yield KettleAlarms(kettle)

    async_follow(hass, entry, async_add_entities, make)


class KettleAlarms(SmartBeerEntity[KettleCoordinator], EventEntity):
    """Alarms, latches and crossed limits of a kettle, each told once as it comes and as it goes.

    What stood when Home Assistant first heard of it is no news, nor is what a node still says when
    it is back. An alarm that says that something has latched is told as that alone.
    """

    _attr_translation_key = "alarms"

    def __init__(self, kettle: KettleCoordinator) -> None:
        super().__init__(
            kettle,
            kettle_unique_id(kettle.kettle_id, "alarms"),
            kettle_identifier(kettle.kettle_id),
        )
        self._attr_event_types = list(TYPES)
        self._limits = LimitsWatch()
        self._memories = {key: ThingsMemory() for key in (RAISED, ACKNOWLEDGED, LATCHED)}
        self._told: dict[tuple[str, str, str], Attributes] = {}

    @property
    @override
    def available(self) -> bool:
        return self.coordinator.data.available

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        for _ in self._news():
            pass  # nothing that stands now is news

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        # First that it is available again: what comes from unavailable triggers nothing.
        super()._handle_coordinator_update()
        for kind, attributes in self._news():
            self._trigger_event(kind, attributes)
            self.async_write_ha_state()

    def _news(self) -> Iterator[tuple[str, Attributes]]:
        """What has happened since the last look, with what there is to say of it."""
        kettle = self.coordinator
        fused = kettle.data.temperature
        value = fused.value if fused else None
        limits = Limits.of(kettle.config_entry.options, kettle.kettle_id)
        for side in self._limits.look(value, limits):
            yield f"limit_{side}", {"value": value, "limit": limits.get(side)}
        standing = {node.node_id: _standing(node, kettle.kettle_id) for node in kettle.nodes}
        self._told = {key: said for key, said in self._told.items() if key[1] in standing}
        for kind, memory in self._memories.items():
            now = {
                node_id: None if things is None else things[kind]
                for node_id, things in standing.items()
            }
            for node_id, things in now.items():
                self._told |= {(kind, node_id, one): said for one, said in (things or {}).items()}
            came, gone = memory.look(
                {
                    node_id: None if things is None else frozenset(things)
                    for node_id, things in now.items()
                }
            )
            for node_id, one in came:
                yield kind, self._told[kind, node_id, one] | {"node": node_id}
            for node_id, one in gone:
                said = self._told.pop((kind, node_id, one))
                if kind in OPPOSITES:
                    yield OPPOSITES[kind], said | {"node": node_id}

    @override
    def _shown(self) -> tuple[float | None, Hashable]:
        return None, (self.available,)


def _standing(node: NodeCoordinator, kettle_id: str) -> dict[str, dict[str, Attributes]] | None:
    """What stands at a node, by type of event and id; None: that is not known now."""
    if not node.connected or node.data.state is None:
        return None
    latches = {latch_alarm(latch): latch for latch in node.data.state.latches}
    alarms = {one.alarm_id: one for one in node.data.state.alarms}
    return {
        RAISED: {
            key: {"alarm": key, "text": alarm.text}
            for key, alarm in alarms.items()
            if key not in latches
        },
        ACKNOWLEDGED: {
            key: {"alarm": key, "text": alarm.text, "by": str(alarm.acknowledged.get("by", ""))}
            for key, alarm in alarms.items()
            if alarm.acknowledged is not None
            and (key not in latches or latches[key].kettle_id == kettle_id)
        },
        LATCHED: {
            key: {"alarm": key, "latch": latch.latch, "text": latch.text}
            for key, latch in latches.items()
            if latch.kettle_id == kettle_id
        },
    }


def latch_alarm(latch: Latch) -> str:
    """The id of the alarm by which a node tells of a latch."""
    return f"{latch.latch}_{latch.kettle_id}"
