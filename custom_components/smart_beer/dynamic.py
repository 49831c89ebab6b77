"""Entities that appear when their node, kettle or channel is first seen."""

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from .coordinator import NodeCoordinator
from .helpers import signal_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

    from .coordinator import SmartBeerConfigEntry
    from .entity import SmartBeerEntity
    from .kettle import KettleCoordinator

type AnyEntity = SmartBeerEntity[NodeCoordinator] | SmartBeerEntity[KettleCoordinator]


@callback
def async_follow(
    hass: HomeAssistant,
    entry: SmartBeerConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    make: Callable[[], Iterable[AnyEntity]],
) -> None:
    """Add the entities of `make` that are not there yet: now, and whenever the brewery changes.

    `make` gives all there should be; it is asked again rather than told what changed. An entity
    of a node goes to the node's subentry, one of a kettle to the hub.
    """
    # Weak: a node that is removed and added again is another coordinator, and starts anew.
    present: WeakKeyDictionary[object, set[str]] = WeakKeyDictionary()

    @callback
    def look() -> None:
        new: dict[str | None, list[AnyEntity]] = {}
        for entity in make():
            known = present.setdefault(entity.coordinator, set())
            if entity.unique_id is None or entity.unique_id in known:
                continue
            known.add(entity.unique_id)
            node = entity.coordinator
            subentry_id = node.subentry_id if isinstance(node, NodeCoordinator) else None
            new.setdefault(subentry_id, []).append(entity)
        for subentry_id, entities in new.items():
            async_add_entities(entities, config_subentry_id=subentry_id)

    look()
    entry.async_on_unload(async_dispatcher_connect(hass, signal_changed(entry), look))
