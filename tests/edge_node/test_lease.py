"""One kettle's lease on one node: how it is granted, renewed and ends."""

from __future__ import annotations

from typing import Any

import pytest

from edge_node.lease import MAX_EPOCH, MAX_LEAP, Grant, Promise, Refused
from tests.edge_node.lease_calls import (
    A_AGAIN,
    BOOT,
    MEMBERS,
    READY,
    START,
    TTL,
    A,
    B,
    ask,
    code,
    held,
    lease,
    renew,
    take,
)


def test_a_lease_counts_from_the_echoed_stamp_not_from_arrival() -> None:
    node = lease()
    take(node, READY + 4_000, A, 1, echo=READY + 1_000)
    assert node.status(READY + 4_000)["expires_in_ms"] == TTL - 3_000
    assert renew(node, READY + 9_000, A, 1, READY + 3_000) is None
    assert node.holder(READY + 12_999) is not None
    assert node.holder(READY + 13_000) is None


def test_a_late_renewal_never_shortens_the_lease() -> None:
    node = held()
    assert renew(node, READY + 5_000, A, 5, READY + 5_000) is None
    assert renew(node, READY + 6_000, A, 5, READY + 1_000) is None
    assert node.status(READY + 6_000)["expires_in_ms"] == TTL - 1_000


@pytest.mark.parametrize(
    ("boot", "echo"),
    [("boot-0", READY), (BOOT, READY + 1), (BOOT, READY - TTL), (BOOT, 0)],
    ids=["another boot", "the future", "just too old", "long ago"],
)
def test_an_echo_that_is_not_of_the_last_seconds_of_this_boot_grants_nothing(
    boot: str, echo: int
) -> None:
    node = lease()
    refused = ask(node, READY, A, 1, echo_boot=boot, echo=echo)
    assert code(refused) == "bad_echo"
    node = held()
    answer = node.renew(READY, **A, epoch=5, echo_boot=boot, echo_ms=echo)
    assert isinstance(answer, Refused)
    assert (answer.status, answer.code) == (412, "bad_echo")


def test_the_oldest_echo_that_counts_grants_a_last_millisecond() -> None:
    node = lease()
    take(node, READY, A, 1, echo=READY - TTL + 1)
    assert node.holder(READY) is not None
    assert node.holder(READY + 1) is None


def test_an_epoch_never_falls_and_is_never_shared() -> None:
    node = held()
    later = READY + TTL
    for who, epoch in [(A, 4), (B, 4), (B, 5), (A_AGAIN, 5)]:
        refused = ask(node, later, who, epoch)
        assert refused == Refused(409, "stale_epoch", {"promised_epoch": 5})
    take(node, later, A, 5)
    take(node, later, A, 6)
    assert code(ask(node, later, A, 5)) == "stale_epoch"


def test_a_running_lease_is_not_given_to_another_server_nor_to_another_session_of_it() -> None:
    node = held()
    for who in (B, A_AGAIN):
        refused = ask(node, READY + TTL - 1, who, 9)
        assert refused == Refused(409, "held", {"holder": "a", "epoch": 5, "expires_in_ms": 1})
    take(node, READY + TTL, B, 9)


def test_an_epoch_beyond_what_json_keeps_exact_is_the_last_that_works() -> None:
    node = lease(promised=Promise(MAX_EPOCH - 1, **A))
    take(node, READY, A, MAX_EPOCH)
    assert code(ask(node, READY + TTL, B, MAX_EPOCH)) == "stale_epoch"


def test_an_epoch_far_above_what_was_promised_does_not_use_up_all_the_others() -> None:
    node = lease()
    refused = ask(node, READY, A, MAX_EPOCH)
    assert refused == Refused(409, "epoch_leap", {"highest_epoch": MAX_LEAP})
    assert code(ask(node, READY, A, MAX_LEAP + 1)) == "epoch_leap"
    take(node, READY, A, MAX_LEAP)
    assert code(ask(node, READY + TTL, B, 2 * MAX_LEAP + 1)) == "epoch_leap"
    take(node, READY + TTL, B, 2 * MAX_LEAP)


def test_after_a_release_the_next_holder_does_not_inherit_the_time_left() -> None:
    node = held()
    assert node.release(READY + 1_000, **A, epoch=5) is None
    take(node, READY + 2_000, B, 6, echo=READY - 5_000)
    assert node.status(READY + 2_000)["expires_in_ms"] == 3_000


def test_a_new_epoch_does_not_inherit_the_time_of_the_one_before() -> None:
    node = held()
    assert renew(node, READY + 5_000, A, 5, READY + 5_000) is None
    take(node, READY + 6_000, A, 6, echo=READY)
    assert node.status(READY + 6_000)["expires_in_ms"] == TTL - 6_000


def test_only_the_holder_releases() -> None:
    node = held()
    for who, epoch in [(B, 5), (A_AGAIN, 5), (A, 4), (A, 6)]:
        assert code(node.release(READY, **who, epoch=epoch)) == "not_holder"
    assert node.holder(READY) == Promise(5, "a", "a1")
    assert node.release(READY, **A, epoch=5) is None
    assert code(node.release(READY, **A, epoch=5)) == "not_holder"


def test_a_regrant_to_the_same_holder_never_shortens_the_lease() -> None:
    node = held()
    assert renew(node, READY + 5_000, A, 5, READY + 5_000) is None
    take(node, READY + 6_000, A, 5, echo=READY)  # the first acquire once more, late
    assert node.status(READY + 6_000)["expires_in_ms"] == TTL - 1_000


def test_a_fresh_grant_of_the_same_epoch_counts_from_its_own_echo() -> None:
    node = held()
    later = READY + TTL + 5_000
    take(node, later, A, 5, echo=later - 8_000)
    assert node.status(later)["expires_in_ms"] == 2_000


def test_renewing_a_lease_that_has_run_out_is_refused() -> None:
    node = held()
    assert code(renew(node, READY + TTL, A, 5, READY + TTL - 1)) == "not_holder"
    assert node.holder(READY + TTL) is None


def test_renewing_anothers_lease_is_refused() -> None:
    node = held()
    for who, epoch in [(B, 5), (A_AGAIN, 5), (A, 4), (A, 6)]:
        assert code(renew(node, READY, who, epoch, READY)) == "not_holder"


def test_nobody_is_granted_anything_in_the_quarantine_without_a_promise() -> None:
    node = lease()
    refused = ask(node, READY - 1, A, 1)
    assert refused == Refused(423, "quarantine", {"retry_ms": 1})
    take(node, READY, A, 1)


def test_only_the_promised_server_is_granted_the_lease_in_the_quarantine() -> None:
    node = lease(Promise(5, "a", "a1"))
    assert code(ask(node, START, B, 6)) == "quarantine"
    take(node, START, A, 5)


def test_the_promise_that_was_read_from_disk_binds() -> None:
    node = lease(Promise(5, "a", "a1"))
    assert code(ask(node, READY, B, 5)) == "stale_epoch"
    assert code(ask(node, READY, A_AGAIN, 5)) == "stale_epoch"
    assert code(ask(node, READY, B, 4)) == "stale_epoch"
    take(node, READY, B, 6)


def test_nodes_of_another_group_are_refused() -> None:
    node = lease()
    refused = ask(node, READY, A, 1, members_hash="f" * 16)
    assert refused == Refused(409, "members_mismatch", {"members_hash": MEMBERS})
    assert isinstance(ask(node, READY, A, 1, members_hash=MEMBERS), Grant)


def test_acquire_is_checked_in_the_order_of_the_contract() -> None:
    node = lease(Promise(5, "a", "a1"))
    take(node, START, A, 5)
    wrong: dict[str, Any] = {"members_hash": "f" * 16}
    assert code(ask(node, START, B, 4, echo_boot="x", **wrong)) == "bad_echo"
    assert code(ask(node, START, B, 4, **wrong)) == "stale_epoch"
    assert code(ask(node, START, B, 6, **wrong)) == "held"
    assert node.release(START, **A, epoch=5) is None
    assert code(ask(node, START, B, 6, **wrong)) == "members_mismatch"
    assert code(ask(node, START, B, 6)) == "quarantine"


def test_nothing_is_granted_before_the_promise_is_durable() -> None:
    node = lease()
    grant = ask(node, READY, A, 1)
    assert isinstance(grant, Grant)
    assert node.holder(READY) is None
    assert node.promised is None
    assert node.commit(grant, READY) is None
    assert node.promised == Promise(1, "a", "a1")


def test_a_grant_whose_writing_took_too_long_is_none_but_the_promise_stands() -> None:
    node = lease()
    grant = ask(node, READY, A, 1)
    assert isinstance(grant, Grant)
    assert code(node.commit(grant, READY + TTL)) == "bad_echo"
    assert node.holder(READY + TTL) is None
    assert code(ask(node, READY + TTL, B, 1)) == "stale_epoch"


def test_every_grant_and_every_end_clears_what_was_on_exactly_once() -> None:
    node = lease()
    assert not node.lapsed(READY)
    take(node, READY, A, 1)
    assert node.lapsed(READY)
    assert not node.lapsed(READY + TTL - 1)
    assert node.lapsed(READY + TTL)
    assert not node.lapsed(READY + TTL)
    take(node, READY + TTL, B, 2)
    assert node.lapsed(READY + TTL)
    assert node.release(READY + TTL, **B, epoch=2) is None
    assert node.lapsed(READY + TTL)
    assert not node.lapsed(READY + 3 * TTL)


def test_a_lapse_between_two_ticks_is_told_although_the_same_server_holds_again() -> None:
    node = held()
    take(node, READY + TTL, A, 6)
    assert node.lapsed(READY + TTL)


def test_the_status_shows_the_lease_and_no_session() -> None:
    node = held()
    assert node.status(READY + 1) == {
        "promised_epoch": 5,
        "holder": "a",
        "epoch": 5,
        "expires_in_ms": TTL - 1,
        "quarantine_ms": 0,
        "override_ms": 0,
        "members_hash": MEMBERS,
    }
    assert lease().status(START) == {
        "promised_epoch": None,
        "holder": None,
        "epoch": None,
        "expires_in_ms": 0,
        "quarantine_ms": TTL,
        "override_ms": 0,
        "members_hash": MEMBERS,
    }
