"""Entities that appear when their node, kettle or channel is first seen."""

from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from .coordinator import NodeCoordinator
from .helpers import part_node_id, signal_changed

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
    of a node goes to the node's subentry, one that is shown on a kettle to the hub. What a kettle
    shows of a node that is gone goes with it.
    """
    # Weak: a node that is removed and added again is another coordinator, and starts anew.
    present: WeakKeyDictionary[object, set[str]] = WeakKeyDictionary()

    @callback
    def look() -> None:
        _forget_parts(hass, entry)
        new: dict[str | None, list[AnyEntity]] = {}
        for entity in make():
            known = present.setdefault(entity.coordinator, set())
            if entity.unique_id is None or entity.unique_id in known:
                continue
            known.add(entity.unique_id)
            # It may be removed with its kettle while its node runs on, and come again.
            entity.async_on_remove(partial(known.discard, entity.unique_id))
            subentry_id = None
            if isinstance(entity.coordinator, NodeCoordinator) and not entity.of_hub:
                subentry_id = entity.coordinator.subentry_id
            new.setdefault(subentry_id, []).append(entity)
        for subentry_id, entities in new.items():
            async_add_entities(entities, config_subentry_id=subentry_id)

    look()
    entry.async_on_unload(async_dispatcher_connect(hass, signal_changed(entry), look))


@callback
def _forget_parts(hass: HomeAssistant, entry: SmartBeerConfigEntry) -> None:
    """Remove what kettles showed of nodes that the brewery no longer has."""
    nodes = {node.node_id for node in entry.runtime_data.nodes.values()}
    registry = er.async_get(hass)
    for one in er.async_entries_for_config_entry(registry, entry.entry_id):
        node_id = part_node_id(one.unique_id)
        if node_id is not None and node_id not in nodes:
            registry.async_remove(one.entity_id)
