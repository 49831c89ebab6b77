"""Which commands a lease lets through, and which it has seen before."""

from __future__ import annotations

from edge_node.lease import REMEMBERED, Refused, Replay
from tests.edge_node.lease_calls import (
    A_AGAIN,
    READY,
    TTL,
    A,
    B,
    code,
    command,
    held,
    take,
)


def test_a_command_is_obeyed_by_the_holders_own_names_only() -> None:
    node = held()
    for who, epoch in [(B, 5), (A_AGAIN, 5), (A, 4), (A, 6)]:
        refused = command(node, READY, who, epoch, 1)
        assert refused == Refused(403, "not_leader", {"holder": "a", "epoch": 5})
    assert command(node, READY, A, 5, 1) is None


def test_a_command_after_the_lease_is_refused() -> None:
    node = held()
    assert command(node, READY + TTL - 1, A, 5, 1) is None
    refused = command(node, READY + TTL, A, 5, 2)
    assert refused == Refused(403, "not_leader", {"holder": None, "epoch": None})


def test_commands_are_obeyed_in_order_and_once() -> None:
    node = held()
    assert command(node, READY, A, 5, 3) is None
    for seq in (1, 3):
        assert command(node, READY, A, 5, seq, cmd_id="other") == Refused(
            409, "stale_seq", {"last_seq": 3}
        )
    assert command(node, READY, A, 5, 4) is None


def test_a_refused_command_uses_no_number() -> None:
    node = held()
    assert code(command(node, READY, A, 5, 9, not_after=READY - 1)) == "expired"
    assert command(node, READY, A, 5, 1) is None


def test_a_regrant_of_the_same_epoch_keeps_the_last_number() -> None:
    node = held()
    assert command(node, READY, A, 5, 7) is None
    take(node, READY + TTL, A, 5)
    assert code(command(node, READY + TTL, A, 5, 7, cmd_id="other")) == "stale_seq"
    take(node, READY + TTL, A, 6)
    assert command(node, READY + TTL, A, 6, 1) is None


def test_the_same_command_again_is_answered_and_not_obeyed() -> None:
    node = held()
    assert command(node, READY, A, 5, 1, cmd_id="one") is None
    node.remember("one", {"actual": 40.0})
    again = command(node, READY, A, 5, 1, cmd_id="one")
    assert again == Replay({"actual": 40.0})
    assert command(node, READY, A, 5, 8, cmd_id="one") == again  # the id is compared alone
    assert command(node, READY, A, 5, 2, cmd_id="two") is None


def test_only_the_last_answers_of_this_lease_are_remembered() -> None:
    node = held()
    for number in range(REMEMBERED + 1):
        node.remember(f"c{number}", number)
    assert code(command(node, READY, A, 5, 0, cmd_id="c0")) == "stale_seq"
    assert command(node, READY, A, 5, 0, cmd_id="c1") == Replay(1)
    take(node, READY, A, 6)
    assert command(node, READY, A, 6, 1, cmd_id="c1") is None


def test_commands_are_checked_in_the_order_of_the_contract() -> None:
    node = held()
    assert command(node, READY, A, 5, 1, cmd_id="one") is None
    node.remember("one", "answer")
    late = {"not_after": READY - 1, "cmd_id": "one"}
    assert code(command(node, READY, B, 5, 1, boot_id="x", **late)) == "wrong_boot"
    assert code(command(node, READY, B, 5, 1, **late)) == "not_leader"
    assert code(command(node, READY, A, 5, 1, **late)) == "expired"
    assert command(node, READY, A, 5, 1, cmd_id="one") == Replay("answer")
    assert code(command(node, READY, A, 5, 1, cmd_id="two")) == "stale_seq"
