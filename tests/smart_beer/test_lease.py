"""One kettle's leadership on a server: every rule by itself, against nodes of a few lines."""

from dataclasses import replace

import pytest

from custom_components.smart_beer.lease import (
    BACKOFF_MS,
    RENEW_MS,
    RHO,
    SLACK_MS,
    TIMEOUT_MS,
    TTL_MS,
    Role,
)
from custom_components.smart_beer.lease_messages import (
    MAX_EPOCH,
    OVERRIDE,
    RESIDUES,
    Ask,
    Reply,
    Request,
    members_hash,
    residue,
)
from tests.smart_beer.lease_brewery import Brewery, led

MARGIN = (1 - RHO) / (1 + RHO)
BELIEF = int(TTL_MS * MARGIN)
UNANIMITY = int((TTL_MS + SLACK_MS) / MARGIN) + 1


@pytest.mark.parametrize(("nodes", "needed"), [(1, 1), (2, 2), (3, 2), (5, 3)])
def test_a_majority_of_the_nodes_makes_a_leader(nodes: int, needed: int) -> None:
    for answering in range(nodes + 1):
        brewery = Brewery(nodes)
        brewery.silent = set(brewery.names[answering:])
        brewery.run(5_000)
        assert brewery.lead.leads(brewery.now) == (answering >= needed)


def test_belief_begins_when_the_echoed_stamp_was_asked_for_and_ends_before_the_lease() -> None:
    brewery = Brewery(1)
    brewery.now += 250
    asked_at = brewery.now
    requests = brewery.due()
    brewery.now += 700  # the reply takes its time
    brewery.answer(requests)
    brewery.step()
    assert brewery.lead.held_until("n1") == asked_at + BELIEF
    assert BELIEF < TTL_MS * MARGIN + 1
    assert brewery.lead.leads(asked_at + BELIEF - 1)
    assert not brewery.lead.leads(asked_at + BELIEF)


def test_every_renewal_echoes_the_newest_stamp() -> None:
    brewery = led()
    before = brewery.now
    requests = brewery.run(RENEW_MS)
    renewals = [request for request in requests if request.ask is Ask.RENEW]
    assert {request.node_id for request in renewals} == set(brewery.names)
    assert all(request.echo is not None and request.echo.sent == before for request in renewals)
    assert brewery.lead.held_until("n1") == before + BELIEF


def test_a_late_reply_does_not_count() -> None:
    brewery = Brewery(1)
    brewery.step()
    brewery.now += 250
    (acquire,) = brewery.due()
    assert acquire.ask is Ask.ACQUIRE
    reply = brewery.reply(acquire)
    brewery.now += TIMEOUT_MS
    assert not brewery.lead.answered(acquire, reply, brewery.now)
    assert not brewery.lead.leads(brewery.now)


def test_a_leader_without_all_nodes_waits_before_it_energises() -> None:
    brewery = Brewery()
    brewery.silent = {"n3"}
    while not brewery.lead.leads(brewery.now):
        brewery.step()
    since = brewery.now
    assert brewery.lead.energise_in(since) == UNANIMITY
    while brewery.now + 250 < since + UNANIMITY:
        brewery.step()
        assert brewery.lead.leads(brewery.now)
        assert not brewery.lead.may_energise(brewery.now)
    brewery.step()
    assert brewery.lead.may_energise(brewery.now)
    assert brewery.lead.energise_in(brewery.now) == 0


def test_the_last_grant_ends_the_wait_and_losing_that_node_does_not_bring_it_back() -> None:
    brewery = led()
    assert brewery.lead.may_energise(brewery.now)
    brewery.silent = {"n3"}
    brewery.run(TTL_MS)
    assert not brewery.lead.held("n3", brewery.now)
    assert brewery.lead.may_energise(brewery.now)


def test_a_valid_foreign_lease_is_never_contested() -> None:
    brewery = Brewery()
    theirs = {"holder": "other", "epoch": 3, "expires_in_ms": 8_000, "promised_epoch": 3}
    brewery.said["n2"] = theirs
    sent = brewery.run(30_000)
    assert {request.ask for request in sent} == {Ask.STATUS}
    assert brewery.lead.leader(brewery.now) == "other"
    brewery.said["n2"] = {}
    brewery.run(10_000)
    assert brewery.lead.leads(brewery.now)


def test_a_server_that_is_not_fit_watches_only() -> None:
    brewery = Brewery()
    for _ in range(20):
        assert all(request.ask is Ask.STATUS for request in brewery.step(fit=False))
    brewery.step()
    assert brewery.lead.role is Role.LEADING


def test_nodes_that_disagree_about_the_group_are_not_led() -> None:
    brewery = Brewery()
    brewery.said["n3"] = {"members_hash": "f" * 16}
    sent = brewery.run(10_000)
    assert {request.ask for request in sent} == {Ask.STATUS}
    assert not brewery.lead.members_agree()


def test_no_new_epoch_is_asked_of_a_node_in_quarantine_even_of_ones_own_id() -> None:
    brewery = Brewery(1)
    brewery.said["n1"] = {"quarantine_ms": 5_000, "promised_epoch": RESIDUES}
    assert {request.ask for request in brewery.run(10_000)} == {Ask.STATUS}
    brewery.said["n1"] = {"quarantine_ms": 0}
    brewery.run(8_000)
    assert brewery.lead.leads(brewery.now)


def test_a_failed_contention_is_released_and_rests_a_random_while() -> None:
    brewery = Brewery()
    brewery.status = {"n1": 200, "n2": 409, "n3": 409}
    brewery.step()
    brewery.step()
    epoch = brewery.lead.epoch
    assert brewery.lead.role is Role.FOLLOWING
    lost_at = brewery.now
    sent = brewery.step()
    releases = [request for request in sent if request.ask is Ask.RELEASE]
    assert [(request.node_id, request.epoch) for request in releases] == [
        (name, epoch) for name in brewery.names
    ]
    brewery.status = dict.fromkeys(brewery.names, 200)
    while brewery.lead.epoch == epoch:
        brewery.step()
    assert BACKOFF_MS[0] <= brewery.now - lost_at
    assert brewery.lead.epoch > epoch  # a spent epoch never comes back


def test_a_spent_epoch_is_left_behind_also_if_no_node_has_promised_it() -> None:
    brewery = Brewery()
    brewery.status = dict.fromkeys(brewery.names, 409)
    epochs = [request.epoch for request in brewery.run(20_000) if request.ask is Ask.ACQUIRE]
    assert len(set(epochs)) > 2
    assert all(epochs.count(epoch) == 3 for epoch in epochs)
    assert epochs == sorted(epochs)


def test_a_majority_once_lost_does_not_come_back_with_a_late_reply() -> None:
    brewery = led()
    ends = brewery.lead.held_until("n2")
    brewery.silent = {"n2", "n3"}
    brewery.step(RENEW_MS)
    brewery.now = ends - 500
    late = next(request for request in brewery.due() if request.node_id == "n2")
    assert late.ask is Ask.RENEW
    brewery.now = ends + 100
    assert brewery.lead.held("n1", brewery.now)
    brewery.lead.answered(late, brewery.reply(late), brewery.now)
    assert not brewery.lead.leads(brewery.now)
    assert Ask.RELEASE in {request.ask for request in brewery.due()}


def test_a_leader_that_loses_its_majority_releases_everywhere() -> None:
    brewery = led()
    epoch = brewery.lead.epoch
    brewery.silent = {"n1", "n2"}
    sent = brewery.run(TTL_MS + 1_000)
    assert not brewery.lead.leads(brewery.now)
    releases = [request for request in sent if request.ask is Ask.RELEASE]
    assert [request.node_id for request in releases] == brewery.names
    assert {request.epoch for request in releases} == {epoch}


def test_a_refused_renewal_ends_the_belief_at_once() -> None:
    brewery = led()
    brewery.status["n1"] = 409
    brewery.run(RENEW_MS + 250)
    assert brewery.lead.held_until("n1") == 0
    assert brewery.lead.leads(brewery.now)


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_an_answer_that_says_nothing_of_the_lease_changes_no_belief(status: int) -> None:
    brewery = led()
    before = brewery.lead.held_until("n1")
    brewery.status["n1"] = status
    brewery.run(RENEW_MS + 250)
    assert brewery.lead.held_until("n1") == before


def test_a_reboot_ends_the_belief_whatever_else_the_answer_says() -> None:
    brewery = led()
    brewery.boot["n1"] = "b2"
    brewery.status["n1"] = 503
    brewery.run(RENEW_MS)
    assert brewery.lead.held_until("n1") == 0


def test_a_reboot_ends_the_belief_at_once_and_the_leader_rejoins_with_its_epoch() -> None:
    brewery = led()
    epoch = brewery.lead.epoch
    brewery.boot["n1"] = "b2"
    brewery.status["n1"] = 412
    brewery.run(RENEW_MS)
    assert brewery.lead.held_until("n1") == 0
    assert brewery.lead.command("n1", brewery.now) is None
    brewery.status["n1"] = 200
    brewery.said["n1"] = {"quarantine_ms": 8_000}
    sent = brewery.step()
    assert [(request.ask, request.epoch) for request in sent if request.node_id == "n1"] == [
        (Ask.ACQUIRE, epoch)
    ]
    assert brewery.lead.held("n1", brewery.now)
    command = brewery.lead.command("n1", brewery.now)
    assert command is not None
    assert command.boot_id == "b2"


def test_a_new_hold_is_told_once_because_everything_is_off_there() -> None:
    brewery = Brewery()
    brewery.step()
    brewery.now += 250
    requests = brewery.due()
    assert brewery.answer(requests) == brewery.names
    assert brewery.answer(requests) == []
    brewery.now += RENEW_MS
    assert brewery.answer(brewery.due()) == []


def test_commands_are_numbered_and_die_by_the_nodes_own_clock() -> None:
    brewery = led()
    brewery.now += 400
    commands = [brewery.lead.command(name, brewery.now) for name in brewery.names]
    numbers = [command.seq for command in commands if command is not None]
    assert numbers == [1, 2, 3]
    assert commands[0] is not None
    assert commands[0].epoch == brewery.lead.epoch
    assert commands[0].not_after_ms == brewery.now - 900_000 + SLACK_MS


def test_no_command_is_made_without_the_lead_or_without_that_node() -> None:
    brewery = Brewery()
    assert brewery.lead.command("n1", brewery.now) is None
    brewery = led()
    brewery.silent = {"n3"}
    brewery.run(TTL_MS)
    assert brewery.lead.command("n1", brewery.now) is not None
    assert brewery.lead.command("n3", brewery.now) is None
    brewery.silent = {"n2", "n3"}
    brewery.run(RENEW_MS)
    ends = brewery.lead.held_until("n2")
    while brewery.now + 250 < ends:
        brewery.step()
    assert brewery.lead.held("n1", ends)
    assert brewery.lead.command("n1", ends - 1) is not None
    assert brewery.lead.command("n1", ends) is None


def test_an_epoch_is_above_every_promise_and_tells_sessions_apart() -> None:
    brewery = Brewery()
    brewery.said["n2"] = {"promised_epoch": 41 * RESIDUES + 5}
    brewery.run(1_000)
    mine = residue("me", "s1")
    assert brewery.lead.epoch == 42 * RESIDUES + mine
    others = {residue("me", "s2"), residue("other", "s1"), residue("other", "s2")}
    assert len(others | {mine}) == 4
    assert all(0 <= value < RESIDUES for value in others)


def test_a_promise_that_leaves_no_number_above_it_is_not_contested() -> None:
    brewery = Brewery()
    brewery.said["n1"] = {"promised_epoch": MAX_EPOCH}
    assert {request.ask for request in brewery.run(5_000)} == {Ask.STATUS}


def test_stopping_releases_and_never_contends_again() -> None:
    brewery = led()
    releases = brewery.lead.stop(brewery.now)
    assert [(request.node_id, request.ask) for request in releases] == [
        (name, Ask.RELEASE) for name in brewery.names
    ]
    assert not brewery.lead.leads(brewery.now)
    assert brewery.run(20_000) == []


def test_giving_up_pauses_as_long_as_it_is_told() -> None:
    brewery = led()
    brewery.lead.give_up(brewery.now, pause_ms=30_000)
    assert not brewery.lead.leads(brewery.now)
    since = brewery.now
    sent = brewery.run(29_000)
    assert [request.ask for request in sent].count(Ask.RELEASE) == 3
    assert Ask.ACQUIRE not in {request.ask for request in sent}
    while not brewery.lead.leads(brewery.now):
        brewery.step()
    assert brewery.now - since >= 30_000


def test_an_overridden_node_is_neither_led_nor_in_the_way() -> None:
    brewery = Brewery()
    brewery.said["n1"] = {"holder": OVERRIDE, "expires_in_ms": 500_000, "override_ms": 500_000}
    brewery.status["n1"] = 409
    brewery.run(4_000)
    assert brewery.lead.leads(brewery.now)
    assert not brewery.lead.held("n1", brewery.now)
    brewery = Brewery(1)
    brewery.said["n1"] = {"holder": OVERRIDE, "expires_in_ms": 500_000, "override_ms": 500_000}
    brewery.run(4_000)
    assert brewery.lead.leader(brewery.now) == OVERRIDE


def test_a_copied_server_id_is_noticed_but_ones_own_former_session_is_not() -> None:
    for lasting, twin in [(TTL_MS, False), (3 * TTL_MS, True)]:
        brewery = Brewery()
        mine = {"holder": "me", "epoch": RESIDUES + residue("me", "old"), "expires_in_ms": 9_000}
        brewery.said = {name: dict(mine) for name in brewery.names}
        brewery.run(lasting)
        assert brewery.lead.twin(brewery.now) is twin
        assert not brewery.lead.leads(brewery.now)


def test_bodies_are_those_of_the_contract() -> None:
    brewery = led()
    acquire = next(request for request in brewery.sent if request.ask is Ask.ACQUIRE)
    assert acquire.echo is not None
    who = {
        "kettle_id": "mash",
        "server_id": "me",
        "session": "s1",
        "epoch": brewery.lead.epoch,
    }
    echo = {"boot_id": "b1", "mono_ms": acquire.echo.mono_ms}
    assert brewery.lead.body(acquire, "mash") == who | {
        "echo": echo,
        "members_hash": members_hash(["n3", "n2", "n1"]),
    }
    renew = replace(acquire, ask=Ask.RENEW)
    assert brewery.lead.body(renew, "mash") == who | {"echo": echo}
    release = Request("n1", Ask.RELEASE, brewery.now, brewery.lead.epoch)
    assert brewery.lead.body(release, "mash") == who
    assert members_hash(["n3", "n1", "n2"]) == "8014492f3850f222"


def test_replies_are_read_from_the_wire() -> None:
    stamp = {"boot_id": "b", "mono_ms": 7}
    refused = {"error": {"code": "quarantine", "detail": {"retry_ms": 90}}} | stamp
    assert Reply.of(423, refused) == Reply(423, "b", 7, quarantine_ms=90)
    held = {"error": {"detail": {"holder": "x", "epoch": 4, "expires_in_ms": 5}}} | stamp
    assert Reply.of(409, held) == Reply(409, "b", 7, holder="x", epoch=4, expires_in_ms=5)
    with pytest.raises(LookupError):
        Reply.of(502, {"oops": 1})
