"""What one bridge has been sent and has acknowledged, and whose turn it is next. PURE."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MAX_PER_NODE: Final = 4
MAX_PER_CONNECTION: Final = 16


@dataclass(frozen=True, slots=True)
class Cursor:
    """Everything up to `seq` of this spool has been sent; no spool yet means from the start."""

    spool_id: str | None = None
    seq: int = 0


@dataclass(slots=True)
class _Node:
    cursor: Cursor
    acked: Cursor
    present: bool = False
    starved: bool = False
    reserved: int = 0
    in_flight: list[Cursor] = field(default_factory=list)

    @property
    def slots(self) -> int:
        return len(self.in_flight) + self.reserved


class SamplesStream:
    """The bookkeeping of one subscription: a cursor a node, and batches in flight.

    At most `MAX_PER_NODE` batches of a node and `MAX_PER_CONNECTION` in all are unacknowledged;
    a slot may be reserved while its batch is being fetched. Nodes that may have something to
    send stand in a queue, so that each gets its turn.
    """

    def __init__(self, cursors: Mapping[str, Cursor]) -> None:
        self._nodes = {
            node_id: _Node(cursor=cursor, acked=cursor) for node_id, cursor in cursors.items()
        }
        self._queue: dict[str, None] = {}
        self._slots = 0

    @property
    def unacknowledged(self) -> int:
        """Batches in flight and slots reserved, of all nodes."""
        return self._slots

    def set_nodes(self, node_ids: Collection[str]) -> None:
        """Let new nodes join, from 0 unless a cursor was given, and others leave.

        One that left keeps its cursor and what is in flight: it may only be reloading.
        """
        for node_id in node_ids:
            node = self._nodes.setdefault(node_id, _Node(cursor=Cursor(), acked=Cursor()))
            if not node.present:
                node.present = True
                self._queue[node_id] = None
        for node_id, node in self._nodes.items():
            if node.present and node_id not in node_ids:
                node.present = False
                self._queue.pop(node_id, None)

    def mark(self, node_id: str) -> None:
        """Put a node into the queue: there may be something to send."""
        node = self._nodes.get(node_id)
        if node is not None and node.present:
            self._queue[node_id] = None

    def next_ready(self) -> str | None:
        """Take the next node with a free slot out of the queue; None when there is none."""
        if self._slots >= MAX_PER_CONNECTION:
            return None
        while self._queue:
            node_id = next(iter(self._queue))
            del self._queue[node_id]
            node = self._nodes[node_id]
            if node.slots < MAX_PER_NODE:
                return node_id
            node.starved = True  # it comes back when one of its slots gets free
        return None

    def cursor(self, node_id: str) -> Cursor:
        """Where the next batch of this node starts."""
        return self._nodes[node_id].cursor

    def restart(self, node_id: str, spool_id: str) -> None:
        """Go to the start of a spool; batches in flight stay acknowledgeable."""
        self._nodes[node_id].cursor = Cursor(spool_id, 0)

    def reserve(self, node_id: str) -> bool:
        """Keep a slot for a batch that is about to be fetched; False when there is none."""
        node = self._nodes[node_id]
        if self._slots >= MAX_PER_CONNECTION or node.slots >= MAX_PER_NODE:
            return False
        node.reserved += 1
        self._slots += 1
        return True

    def release(self, node_id: str) -> None:
        """Give a reserved slot back."""
        node = self._nodes[node_id]
        node.reserved -= 1
        self._freed(node_id, node)

    def sent(self, node_id: str, batch: Cursor) -> None:
        """A batch that ends at this cursor went out; the node queues up again behind the others."""
        node = self._nodes[node_id]
        node.cursor = batch
        node.in_flight.append(batch)
        self._slots += 1
        self.mark(node_id)

    def ack(self, node_id: str, batch: Cursor) -> bool:
        """Free the slot of this batch; a bridge may commit batches in any order.

        True too for what was acknowledged before; False for what was never sent.
        """
        node = self._nodes.get(node_id)
        if node is None:
            return False
        if batch not in node.in_flight:
            return batch.spool_id == node.acked.spool_id and batch.seq <= node.acked.seq
        node.in_flight.remove(batch)
        if batch.spool_id != node.acked.spool_id or batch.seq > node.acked.seq:
            node.acked = batch
        self._freed(node_id, node)
        return True

    def _freed(self, node_id: str, node: _Node) -> None:
        self._slots -= 1
        if node.starved:
            node.starved = False
            self.mark(node_id)
