"""One kettle's lease on one node: every rule by itself."""

from __future__ import annotations

from typing import Any

import pytest

from edge_node.lease import (
    MAX_EPOCH,
    MAX_LEAP,
    OVERRIDE,
    REMEMBERED,
    Grant,
    Lease,
    Promise,
    Refused,
    Replay,
)

TTL = 10_000
BOOT = "boot-1"
MEMBERS = "0123456789abcdef"
START = 50_000
READY = START + TTL  # the quarantine is over

A: dict[str, Any] = {"server_id": "a", "session": "a1"}
A_AGAIN: dict[str, Any] = {"server_id": "a", "session": "a2"}
B: dict[str, Any] = {"server_id": "b", "session": "b1"}


def lease(promised: Promise | None = None) -> Lease:
    return Lease(boot_id=BOOT, now=START, promised=promised, members_hash=MEMBERS)


def ask(
    node: Lease, now: int, who: dict[str, Any], epoch: int, *, echo: int | None = None, **more: Any
) -> Grant | Refused:
    arguments: dict[str, Any] = {"echo_boot": BOOT, "echo_ms": now if echo is None else echo}
    return node.acquire(now, **who, epoch=epoch, **(arguments | more))


def take(
    node: Lease, now: int, who: dict[str, Any], epoch: int, *, echo: int | None = None
) -> None:
    grant = ask(node, now, who, epoch, echo=echo)
    assert isinstance(grant, Grant), grant
    assert node.commit(grant, now) is None


def renew(node: Lease, now: int, who: dict[str, Any], epoch: int, echo: int) -> Refused | None:
    return node.renew(now, **who, epoch=epoch, echo_boot=BOOT, echo_ms=echo)


def command(
    node: Lease, now: int, who: dict[str, Any], epoch: int, seq: int, **more: Any
) -> Refused | Replay | None:
    arguments: dict[str, Any] = {
        "boot_id": BOOT,
        "not_after": now,
        "cmd_id": f"{who['session']}-{epoch}-{seq}",
    }
    return node.admit(now, **who, epoch=epoch, seq=seq, **(arguments | more))


def code(answer: object) -> str:
    assert isinstance(answer, Refused), answer
    return answer.code


def held(now: int = READY) -> Lease:
    """A holds it, epoch 5, since now."""
    node = lease()
    take(node, now, A, 5)
    assert node.lapsed(now)
    return node


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
