"""Triggers: the leader changed, an alarm was raised, a kettle latched, a limit was crossed.

They compare with what was last known only, and never take what is not known for a change.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Final, override

import probatio
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv

from .kettle_devices import latches_of
from .trigger_base import KETTLES, BreweryTrigger
from .trigger_limit import LimitCrossedTrigger
from .trigger_memory import ChangeMemory, ThingsMemory
from .vocabulary import LATCHES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from homeassistant.helpers.trigger import Trigger, TriggerConfig
    from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

    from .coordinator import NodeCoordinator, SmartBeerData
    from .models import Alarm
    from .trigger_base import Options

CONF_CHANGE: Final = "change"
CONF_LATCH: Final = "latch"
LEADER_CHANGES: Final = ("became_leader", "lost")
ALARM_CHANGES: Final = ("raised", "cleared")


def _one_or_more(choices: Iterable[str]) -> probatio.All[Any]:
    return probatio.All(cv.ensure_list, probatio.Length(min=1), [probatio.In(list(choices))])


class LeaderChangedTrigger(BreweryTrigger):
    """The lead of a kettle came to this Home Assistant, or went from it."""

    options: ClassVar[Options] = {
        **KETTLES,
        probatio.Optional(CONF_CHANGE, default=list(LEADER_CHANGES)): _one_or_more(LEADER_CHANGES),
    }

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Take the options, checked."""
        super().__init__(hass, config)
        self._memory: dict[str, ChangeMemory] = {}

    @override
    def look(self, data: SmartBeerData) -> None:
        for kettle in self.chosen(data):
            memory = self._memory.setdefault(kettle.kettle_id, ChangeMemory())
            known = kettle.leadership is not None
            now = memory.look(kettle.data.leading if known else None)
            if now is None:
                continue
            change = LEADER_CHANGES[0] if now else LEADER_CHANGES[1]
            if change in self.options_given[CONF_CHANGE]:
                what = "this Home Assistant leads it" if now else "this Home Assistant lost it"
                self.run(kettle, what, change=change, leader=kettle.data.leader)


class AlarmRaisedTrigger(BreweryTrigger):
    """A node raised, or cleared, an alarm; of all nodes, or of those of some kettles."""

    options: ClassVar[Options] = {
        **KETTLES,
        probatio.Optional(CONF_CHANGE, default=[ALARM_CHANGES[0]]): _one_or_more(ALARM_CHANGES),
    }

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Take the options, checked."""
        super().__init__(hass, config)
        self._memory = ThingsMemory()
        self._alarms: dict[tuple[str, str], Alarm] = {}

    @override
    def select(self, data: SmartBeerData) -> list[NodeCoordinator]:
        return [
            node
            for node in data.nodes.values()
            if not self.kettles or self.kettles & node.layout.kettles.keys()
        ]

    @override
    def look(self, data: SmartBeerData) -> None:
        nodes = {node.node_id: node for node in self.select(data)}
        self._alarms = {key: alarm for key, alarm in self._alarms.items() if key[0] in nodes}
        shown: dict[str, frozenset[str] | None] = {}
        for node_id, node in nodes.items():
            state = node.state if node.connected else None
            alarms = {} if state is None else {alarm.alarm_id: alarm for alarm in state.alarms}
            shown[node_id] = None if state is None else frozenset(alarms)
            self._alarms |= {(node_id, name): alarm for name, alarm in alarms.items()}
        came, gone = self._memory.look(shown)
        for change, found in zip(ALARM_CHANGES, (came, gone), strict=True):
            for node_id, alarm_id in found:
                alarm = self._alarms[node_id, alarm_id]
                if change == ALARM_CHANGES[1]:
                    del self._alarms[node_id, alarm_id]
                if change in self.options_given[CONF_CHANGE]:
                    self._alarm(nodes[node_id], alarm, change)

    def _alarm(self, node: NodeCoordinator, alarm: Alarm, change: str) -> None:
        assert self.fire is not None
        name = node.info.name if node.info else node.title
        payload = {
            "node_id": node.node_id,
            "node": name,
            "kettle_ids": sorted(node.layout.kettles),
            "alarm_id": alarm.alarm_id,
            "text": alarm.text,
            CONF_CHANGE: change,
        }
        self.fire(payload, f"{name}: {alarm.text}")


class LatchedTrigger(BreweryTrigger):
    """Something latched a kettle's heat off; once, though all its nodes may say so."""

    options: ClassVar[Options] = {
        **KETTLES,
        probatio.Optional(CONF_LATCH, default=list(LATCHES)): _one_or_more(LATCHES),
    }

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Take the options, checked."""
        super().__init__(hass, config)
        self._memory: dict[str, ThingsMemory] = {}

    @override
    def select(self, data: SmartBeerData) -> Iterable[DataUpdateCoordinator[Any]]:
        return {node for kettle in self.chosen(data) for node in kettle.nodes}

    @override
    def look(self, data: SmartBeerData) -> None:
        for kettle in self.chosen(data):
            memory = self._memory.setdefault(kettle.kettle_id, ThingsMemory())
            before = memory.all
            shown = {node.node_id: latches_of(kettle, node) for node in kettle.nodes}
            came, _ = memory.look(
                {key: None if value is None else frozenset(value) for key, value in shown.items()}
            )
            fired: set[str] = set()
            for node_id, name in came:
                if name in before or name in fired or name not in self.options_given[CONF_LATCH]:
                    continue
                fired.add(name)
                text = (shown[node_id] or {})[name].text
                self.run(kettle, text, latch=name, text=text, node_id=node_id)


TRIGGERS: Final[dict[str, type[Trigger]]] = {
    "alarm_raised": AlarmRaisedTrigger,
    "latched": LatchedTrigger,
    "leader_changed": LeaderChangedTrigger,
    "limit_crossed": LimitCrossedTrigger,
}


async def async_get_triggers(hass: HomeAssistant) -> dict[str, type[Trigger]]:  # noqa: ARG001
    """The triggers, by their key."""
    return TRIGGERS
