"""The nodes of the brewery as they come and go, and the pages of their feeds."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval

from .const import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .feed import SampleFeed
    from .models import NodeInfo, SamplesPage
    from .spool_reader import SamplesClient

# Nodes are added and entries reloaded by people: nobody notices two seconds.
LOOK_EVERY: Final = timedelta(seconds=2)


class Node(Protocol):
    """What the websocket commands need of a node's coordinator."""

    @property
    def node_id(self) -> str:
        """The node's own id."""

    @property
    def client(self) -> SamplesClient:
        """Reads the node's spool."""

    @property
    def feed(self) -> SampleFeed:
        """The node's newest minute."""

    @property
    def connected(self) -> bool:
        """Whether the node answers."""

    @property
    def info(self) -> NodeInfo | None:
        """What the node is, once known."""


@callback
def async_nodes(hass: HomeAssistant) -> dict[str, Node]:
    """All nodes of the loaded brewery, by node id; empty while it is not loaded."""
    return {
        node.node_id: node
        for entry in hass.config_entries.async_loaded_entries(DOMAIN)
        for node in entry.runtime_data.nodes.values()
    }


@callback
def spool_of(node: Node) -> str | None:
    """The spool of a node: that of its feed, else what it said when it was asked who it is.

    A node that takes no samples sends no page for a while; None while it was not reached.
    """
    if node.feed.spool_id is None and node.connected and node.info is not None:
        return node.info.spool.spool_id
    return node.feed.spool_id


class FeedWatch:
    """Follows the feeds of nodes that come and go, also over a reload of the entry.

    `on_page(node_id, page)` is called for each page of each node that `wanted` (all by default)
    names; `on_look(nodes)` at the start and every two seconds, whether they changed or not.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        on_look: Callable[[Mapping[str, Node]], None],
        on_page: Callable[[str, SamplesPage], None],
        wanted: frozenset[str] | None = None,
    ) -> None:
        self._hass = hass
        self._on_look = on_look
        self._on_page = on_page
        self._wanted = wanted
        self._nodes: dict[str, Node] = {}
        self._feeds: dict[str, tuple[SampleFeed, Callable[[], None]]] = {}
        self._stop_timer: Callable[[], None] | None = None

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes as last seen, by node id."""
        return self._nodes

    @callback
    def start(self) -> None:
        """Look now, and from now on."""
        self._stop_timer = async_track_time_interval(
            self._hass, self._look, LOOK_EVERY, cancel_on_shutdown=True
        )
        self._look()

    @callback
    def stop(self) -> None:
        """Let go of everything; calling it twice is fine."""
        if self._stop_timer is not None:
            self._stop_timer()
            self._stop_timer = None
        for _feed, unsubscribe in self._feeds.values():
            unsubscribe()
        self._feeds.clear()

    @callback
    def _look(self, _now: datetime | None = None) -> None:
        nodes = async_nodes(self._hass)
        if self._wanted is not None:
            nodes = {node_id: nodes[node_id] for node_id in self._wanted & nodes.keys()}
        for node_id in list(self._feeds):
            if node_id not in nodes or self._feeds[node_id][0] is not nodes[node_id].feed:
                self._feeds.pop(node_id)[1]()
        for node_id, node in nodes.items():
            if node_id not in self._feeds:
                self._feeds[node_id] = (node.feed, node.feed.subscribe(self._listener(node_id)))
        self._nodes = nodes
        self._on_look(nodes)

    def _listener(self, node_id: str) -> Callable[[SamplesPage], Any]:
        return lambda page: self._on_page(node_id, page)
