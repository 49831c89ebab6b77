"""A person's override beside the lease."""

from __future__ import annotations

from edge_node.lease import OVERRIDE, Grant, Refused
from tests.edge_node.lease_calls import (
    READY,
    A,
    B,
    ask,
    code,
    command,
    held,
    lease,
    renew,
    take,
)


def test_the_override_shuts_out_every_server_and_clears_what_was_on() -> None:
    node = held()
    node.override(READY + 1_000, 60_000)
    now = READY + 2_000
    assert node.lapsed(now)
    assert not node.lapsed(now)
    assert node.holder(now) is None
    assert node.override_ms(now) == 59_000
    assert code(command(node, now, A, 5, 1)) == "not_leader"
    assert code(renew(node, now, A, 5, now)) == "not_holder"
    refused = ask(node, now, A, 6)
    assert refused == Refused(
        409, "held", {"holder": OVERRIDE, "epoch": None, "expires_in_ms": 59_000}
    )
    assert node.status(now)["holder"] == OVERRIDE
    take(node, READY + 61_000, B, 6)


def test_an_override_given_back_early_leaves_the_lease_to_nobody_else() -> None:
    node = held()
    node.override(READY, 60_000)
    node.override(READY + 1_000, 0)
    assert code(ask(node, READY + 1_000, B, 6)) == "held"
    assert renew(node, READY + 1_000, A, 5, READY + 1_000) is None


def test_an_override_pressed_while_a_promise_is_written_stops_the_grant() -> None:
    node = lease()
    grant = ask(node, READY, A, 1)
    assert isinstance(grant, Grant)
    node.override(READY)
    assert code(node.commit(grant, READY)) == "held"
    assert node.holder(READY) is None
