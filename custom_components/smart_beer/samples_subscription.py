"""The shell of the `smart_beer/samples` subscription: feeds and spools in, events out."""

from typing import TYPE_CHECKING

from homeassistant.core import HomeAssistant, callback

from .batches import Batch, make_batch
from .const import LOGGER
from .exceptions import NodeResponseError, OtherSpoolError, SmartBeerError
from .feed_watch import FeedWatch, Node, spool_of
from .samples_stream import Cursor, SamplesStream
from .spool_reader import SpoolReader

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from homeassistant.components.websocket_api import ActiveConnection

    from .feed import SampleFeed
    from .models import SamplesPage


class SamplesHub:
    """What all subscribed bridges share: the reader of spools, and batches once serialised."""

    def __init__(self) -> None:
        self.reader = SpoolReader()
        self.subscriptions: dict[ActiveConnection, SamplesSubscription] = {}
        # One batch a node: bridges that keep up ask for the same one, one after the other.
        self._newest: dict[str, tuple[tuple[str, int, int], Batch | None]] = {}

    def from_memory(self, node_id: str, feed: SampleFeed, cursor: Cursor) -> Batch | None:
        """The next batch after a cursor that the feed covers; None when there is none yet."""
        if cursor.seq == feed.last_seq:
            return None
        key = (cursor.spool_id or "", cursor.seq, feed.last_seq)
        if (known := self._newest.get(node_id)) is not None and known[0] == key:
            return known[1]
        batch = make_batch(node_id, feed.pages_since(cursor.seq), cursor.seq)
        self._newest[node_id] = (key, batch)
        return batch


class SamplesSubscription:
    """Sends one bridge everything after its cursors, batch by batch as it acknowledges.

    A cursor within the newest minute is served from memory, an older one by reading the node's
    spool, one page at a time and only while a slot for it is free.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        hub: SamplesHub,
        subscription_id: int,
        cursors: Mapping[str, Cursor],
        send: Callable[[bytes], None],
    ) -> None:
        self.subscription_id = subscription_id
        self.stream = SamplesStream(cursors)
        self._hass = hass
        self._hub = hub
        self._send = send
        self._reads: dict[str, asyncio.Task[None]] = {}
        self._watch = FeedWatch(hass, on_look=self._on_look, on_page=self._on_page)

    @callback
    def start(self) -> None:
        """Begin to send."""
        self._watch.start()

    @callback
    def close(self) -> None:
        """Stop sending and reading."""
        self._watch.stop()
        for task in self._reads.values():
            task.cancel()

    @callback
    def ack(self, node_id: str, batch: Cursor) -> bool:
        """The bridge has committed the batch that ends here; False if it was never sent."""
        known = self.stream.ack(node_id, batch)
        self._pump()
        return known

    @callback
    def _on_look(self, nodes: Mapping[str, Node]) -> None:
        self.stream.set_nodes(nodes.keys())
        for node_id in nodes:
            self.stream.mark(node_id)
        self._pump()

    @callback
    def _on_page(self, node_id: str, _page: SamplesPage) -> None:
        self.stream.mark(node_id)
        self._pump()

    @callback
    def _pump(self) -> None:
        while (node_id := self.stream.next_ready()) is not None:
            if node_id in self._watch.nodes and node_id not in self._reads:
                self._serve(node_id, self._watch.nodes[node_id])

    @callback
    def _serve(self, node_id: str, node: Node) -> None:
        """Send the node's next batch, or start to read it; nothing when there is none."""
        if (spool_id := spool_of(node)) is None:
            return
        if self.stream.cursor(node_id).spool_id != spool_id:
            self.stream.restart(node_id, spool_id)
        cursor = self.stream.cursor(node_id)
        if node.feed.covers(spool_id, cursor.seq):
            if (batch := self._hub.from_memory(node_id, node.feed, cursor)) is not None:
                self._dispatch(node_id, batch)
        elif node.connected:
            self._reads[node_id] = self._hass.async_create_background_task(
                self._read(node_id, node, spool_id, cursor),
                f"smart_beer: older samples of {node_id}",
                eager_start=False,
            )

    @callback
    def _dispatch(self, node_id: str, batch: Batch) -> None:
        self._send(batch.payload)
        self.stream.sent(node_id, Cursor(batch.spool_id, batch.next))

    async def _read(self, node_id: str, node: Node, spool_id: str, cursor: Cursor) -> None:
        """Read one page of the spool and send it, when the node's turn comes."""
        more = True
        try:
            async with self._hub.reader.turn(node_id):
                if self.stream.reserve(node_id):
                    try:
                        more = await self._fetch(node_id, node, spool_id, cursor)
                    finally:
                        self.stream.release(node_id)
        except OtherSpoolError as err:
            # Another spool shows in the feed soon; this one means that the cursor lies beyond
            # its end, and that what it counted is not there any more.
            if err.spool_id == spool_id:
                self.stream.restart(node_id, spool_id)
        except SmartBeerError as err:
            if self._hub.reader.failures(node_id) == 1:
                LOGGER.warning("Node %s: older samples cannot be read, trying on: %s", node_id, err)
        except Exception:  # noqa: BLE001  supervised: it is logged, and tried again
            LOGGER.exception("Node %s: reading older samples failed, trying on", node_id)
        del self._reads[node_id]
        if more:
            self.stream.mark(node_id)
        self._pump()

    async def _fetch(self, node_id: str, node: Node, spool_id: str, cursor: Cursor) -> bool:
        """Fetch and send; False when the node has nothing after the cursor."""
        page = await self._hub.reader.read(node.client, node_id, spool_id, cursor.seq)
        if (batch := make_batch(node_id, [page], cursor.seq)) is not None:
            self._dispatch(node_id, batch)
            return True
        feed = node.feed
        if feed.spool_id == spool_id and feed.last_seq > cursor.seq and page.gap is None:
            raise NodeResponseError(
                200,
                "malformed",
                f"has samples up to {feed.last_seq} and gave none after {cursor.seq}",
            )
        return False
