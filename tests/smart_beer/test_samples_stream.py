"""The bookkeeping of a bridge's subscription."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from custom_components.smart_beer.samples_stream import (
    MAX_PER_CONNECTION,
    MAX_PER_NODE,
    Cursor,
    SamplesStream,
)


def fill(stream: SamplesStream, node_id: str, count: int, start: int = 0) -> None:
    for seq in range(start + 1, start + count + 1):
        stream.sent(node_id, Cursor("s1", seq))


def drain(stream: SamplesStream) -> list[str]:
    """Send one batch for each turn until there is no turn any more."""
    turns: list[str] = []
    while (node_id := stream.next_ready()) is not None:
        turns.append(node_id)
        stream.sent(node_id, Cursor("s1", stream.cursor(node_id).seq + 1))
    return turns


def test_a_node_starts_at_its_cursor_and_at_zero_without_one() -> None:
    stream = SamplesStream({"a": Cursor("s1", 7), "gone": Cursor("s9", 9)})
    stream.set_nodes(["a", "b"])
    assert stream.cursor("a") == Cursor("s1", 7)
    assert stream.cursor("b") == Cursor(None, 0)


def test_at_most_four_batches_of_a_node_are_unacknowledged() -> None:
    stream = SamplesStream({})
    stream.set_nodes(["a"])
    assert drain(stream) == ["a"] * 4
    assert stream.ack("a", Cursor("s1", 1))
    assert drain(stream) == ["a"]


def test_at_most_sixteen_batches_of_all_nodes_are_unacknowledged() -> None:
    stream = SamplesStream({})
    stream.set_nodes([f"n{index}" for index in range(10)])
    assert len(drain(stream)) == 16
    assert stream.unacknowledged == 16
    assert stream.ack("n0", Cursor("s1", 1))
    assert len(drain(stream)) == 1


def test_nodes_take_turns() -> None:
    stream = SamplesStream({})
    stream.set_nodes(["a", "b", "c"])
    assert drain(stream)[:6] == ["a", "b", "c", "a", "b", "c"]


def test_batches_are_acknowledged_one_by_one_in_any_order() -> None:
    stream = SamplesStream({})
    stream.set_nodes(["a"])
    fill(stream, "a", 3)
    assert stream.ack("a", Cursor("s1", 2))
    assert stream.unacknowledged == 2
    assert stream.ack("a", Cursor("s1", 1))
    assert stream.unacknowledged == 1
    assert stream.ack("a", Cursor("s1", 2))  # again, and harmless
    assert stream.unacknowledged == 1


def test_what_was_never_sent_cannot_be_acknowledged() -> None:
    stream = SamplesStream({"a": Cursor("s1", 5)})
    stream.set_nodes(["a"])
    fill(stream, "a", 1, start=5)
    assert not stream.ack("a", Cursor("s1", 7))
    assert not stream.ack("a", Cursor("s2", 6))
    assert not stream.ack("b", Cursor("s1", 6))
    assert stream.unacknowledged == 1


def test_a_node_that_comes_back_goes_on_where_it_was() -> None:
    stream = SamplesStream({})
    stream.set_nodes(["a", "b"])
    fill(stream, "a", 2)
    stream.set_nodes(["b"])
    stream.mark("a")
    assert stream.next_ready() == "b"
    assert stream.next_ready() is None
    assert stream.ack("a", Cursor("s1", 2))
    stream.set_nodes(["a", "b"])
    assert stream.cursor("a") == Cursor("s1", 2)
    assert stream.next_ready() == "a"


def test_after_a_restart_batches_of_the_old_spool_can_still_be_acknowledged() -> None:
    stream = SamplesStream({})
    stream.set_nodes(["a"])
    fill(stream, "a", 2)
    stream.restart("a", "s2")
    stream.sent("a", Cursor("s2", 1))
    assert stream.unacknowledged == 3
    assert stream.ack("a", Cursor("s2", 1))
    assert stream.ack("a", Cursor("s1", 2))
    assert stream.ack("a", Cursor("s1", 1))
    assert stream.unacknowledged == 0


def test_a_spool_read_again_from_the_start_needs_its_acknowledgements_again() -> None:
    stream = SamplesStream({})
    stream.set_nodes(["a"])
    fill(stream, "a", 1)
    assert stream.ack("a", Cursor("s1", 1))
    stream.restart("a", "s1")
    fill(stream, "a", 1)
    assert stream.unacknowledged == 1
    assert stream.ack("a", Cursor("s1", 1))
    assert stream.unacknowledged == 0


def test_a_reserved_slot_counts_and_its_release_brings_back_who_wanted_it() -> None:
    stream = SamplesStream({})
    stream.set_nodes(["a"])
    fill(stream, "a", 3)
    assert stream.reserve("a")
    assert not stream.reserve("a")
    assert stream.next_ready() is None
    stream.release("a")
    assert stream.next_ready() == "a"
    assert stream.next_ready() is None


def test_no_slot_can_be_reserved_on_a_full_connection() -> None:
    stream = SamplesStream({})
    stream.set_nodes(["a", "b", "c", "d", "e"])
    for node_id in "abcd":
        fill(stream, node_id, 4)
    assert not stream.reserve("e")


class Bookkeeping(RuleBasedStateMachine):
    """Any order of nodes coming, marks, sends, reservations and acknowledgements."""

    NODES = ("a", "b", "c", "d", "e", "f")
    node = st.sampled_from(NODES)

    def __init__(self) -> None:
        super().__init__()
        self.stream = SamplesStream({})
        self.present: set[str] = set()
        self.flying: dict[str, list[int]] = {node_id: [] for node_id in self.NODES}
        self.reserved: dict[str, int] = dict.fromkeys(self.NODES, 0)
        self.marked: set[str] = set()
        self.next_seq = 0

    @rule(nodes=st.sets(node))
    def come_and_go(self, nodes: set[str]) -> None:
        self.stream.set_nodes(nodes)
        self.marked = (self.marked & nodes) | (nodes - self.present)
        self.present = nodes

    @rule(node_id=node)
    def mark(self, node_id: str) -> None:
        self.stream.mark(node_id)
        if node_id in self.present:
            self.marked.add(node_id)

    @rule()
    def send(self) -> None:
        node_id = self.stream.next_ready()
        if node_id is None:
            assert self.total() >= MAX_PER_CONNECTION or all(
                self.slots(waiting) >= MAX_PER_NODE for waiting in self.marked
            )
            return
        assert node_id in self.marked
        assert self.slots(node_id) < MAX_PER_NODE
        self.next_seq += 1
        self.stream.sent(node_id, Cursor("s", self.next_seq))
        self.flying[node_id].append(self.next_seq)

    @rule(node_id=node)
    def reserve(self, node_id: str) -> None:
        if node_id in self.present:
            room = self.slots(node_id) < MAX_PER_NODE and self.total() < MAX_PER_CONNECTION
            assert self.stream.reserve(node_id) is room
            self.reserved[node_id] += room

    @rule(node_id=node)
    def release(self, node_id: str) -> None:
        if self.reserved[node_id]:
            self.stream.release(node_id)
            self.reserved[node_id] -= 1

    @rule(node_id=node, data=st.data())
    def ack(self, node_id: str, data: st.DataObject) -> None:
        flying = self.flying[node_id]
        if flying:
            index = data.draw(st.integers(0, len(flying) - 1))
            assert self.stream.ack(node_id, Cursor("s", flying[index]))
            del flying[index]
        assert not self.stream.ack(node_id, Cursor("s", self.next_seq + 1))

    @invariant()
    def slots_are_counted_and_bounded(self) -> None:
        assert self.stream.unacknowledged == self.total() <= MAX_PER_CONNECTION

    def slots(self, node_id: str) -> int:
        return len(self.flying[node_id]) + self.reserved[node_id]

    def total(self) -> int:
        return sum(self.slots(node_id) for node_id in self.NODES)


TestBookkeeping = Bookkeeping.TestCase
TestBookkeeping.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
