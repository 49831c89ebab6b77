"""Keeps nodes, kettles and their devices in step with the entry's subentries, without a reload."""

import asyncio
from typing import TYPE_CHECKING

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.dispatcher import async_dispatcher_send

from .const import DOMAIN, SUBENTRY_NODE
from .coordinator import NodeCoordinator
from .helpers import (
    async_register_brewery,
    async_register_kettle,
    async_register_node,
    kettle_identifier,
    signal_changed,
)
from .kettle import KettleCoordinator

if TYPE_CHECKING:
    from homeassistant.config_entries import ConfigSubentry

    from .coordinator import SmartBeerConfigEntry
    from .leaderships import Leaderships


class Brewery:
    """Adds, changes and stops single nodes while the others run on; a kettle follows its nodes."""

    def __init__(
        self, hass: HomeAssistant, entry: SmartBeerConfigEntry, leaderships: Leaderships
    ) -> None:
        self._hass = hass
        self._leaderships = leaderships
        self._entry = entry
        self._data = entry.runtime_data
        self._changing = asyncio.Lock()

    @callback
    def async_build(self) -> None:
        """Make what the subentries and the memory of their nodes tell; the brewery comes first."""
        async_register_brewery(self._hass, self._entry)
        for subentry in self._entry.get_subentries_of_type(SUBENTRY_NODE):
            self._add(subentry)
        self._sync_kettles()
        self._entry.async_on_unload(self._close)

    @callback
    def async_start(self) -> None:
        """Follow all nodes, and the subentries from now on."""
        self._entry.async_on_unload(self._entry.add_update_listener(self._async_entry_changed))
        for node in self._data.nodes.values():
            node.async_start()
        # A change while the platforms were set up was told to nobody; looked for once it is loaded.
        self._entry.async_create_task(
            self._hass, self._async_entry_changed(self._hass, self._entry), eager_start=False
        )

    async def _async_entry_changed(self, hass: HomeAssistant, entry: SmartBeerConfigEntry) -> None:
        """Take over what was added, changed or removed; the entry only tells that it was.

        One such call at a time: a node whose loop is being ended must not be begun twice.
        """
        async with self._changing:
            # It may be unloaded by now, or set up anew, which has a brewery of its own.
            if entry.state is ConfigEntryState.LOADED and entry.runtime_data is self._data:
                await self._async_take_over(hass, entry)

    async def _async_take_over(self, hass: HomeAssistant, entry: SmartBeerConfigEntry) -> None:
        subentries = {
            subentry.subentry_id: subentry
            for subentry in entry.get_subentries_of_type(SUBENTRY_NODE)
        }
        running = self._data.nodes
        gone = [running.pop(key) for key in running.keys() - subentries.keys()]
        added = [self._add(subentry) for key, subentry in subentries.items() if key not in running]
        if gone or added:
            self._sync_kettles()
            async_dispatcher_send(hass, signal_changed(entry))
        for node in added:
            node.async_start()
        for key, node in running.items():
            await node.async_take_over(subentries[key])
        for node in gone:
            # A node that is away for good must not keep the others' changes waiting.
            entry.async_create_background_task(
                hass, node.async_removed(), name=f"{DOMAIN} remove node {node.node_id}"
            )

    @callback
    def _node_changed(self) -> None:
        """A node told of other kettles, channels, names or versions than before."""
        for node in self._data.nodes.values():
            async_register_node(self._hass, self._entry, node)
        self._sync_kettles()
        async_dispatcher_send(self._hass, signal_changed(self._entry))

    @callback
    def _add(self, subentry: ConfigSubentry) -> NodeCoordinator:
        node = NodeCoordinator(
            self._hass,
            self._entry,
            subentry,
            cache=self._data.cache,
            on_change=self._node_changed,
        )
        self._data.nodes[subentry.subentry_id] = node
        async_register_node(self._hass, self._entry, node)
        return node

    @callback
    def _sync_kettles(self) -> None:
        """Have a kettle for every kettle a node serves, and none else."""
        kettles = self._data.kettles
        serving: dict[str, list[NodeCoordinator]] = {}
        for node in self._data.nodes.values():
            for kettle_id in node.layout.kettles:
                serving.setdefault(kettle_id, []).append(node)
        for kettle_id, nodes in serving.items():
            if kettle_id not in kettles:
                kettles[kettle_id] = KettleCoordinator(self._hass, self._entry, kettle_id)
            kettle = kettles[kettle_id]
            kettle.async_set_nodes(nodes)
            kettle.async_lead(self._leaderships)
            async_register_kettle(self._hass, self._entry, kettle_id, kettle.kettle_name)
        devices = dr.async_get(self._hass)
        for kettle_id in kettles.keys() - serving.keys():
            kettles.pop(kettle_id).async_end()
            self._leaderships.async_drop(kettle_id)
            device = devices.async_get_device_by_identifier(
                kettle_identifier(kettle_id), self._entry.entry_id
            )
            if device is not None:
                devices.async_remove_device(device.id)

    @callback
    def _close(self) -> None:
        for kettle in self._data.kettles.values():
            kettle.async_end()
        self._leaderships.async_detach()
