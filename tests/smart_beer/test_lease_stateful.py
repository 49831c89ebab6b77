"""A leadership against nodes that answer anything, late or never: what it may never believe."""

import random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from custom_components.smart_beer.lease import (
    RHO,
    SLACK_MS,
    TIMEOUT_MS,
    TTL_MS,
    Leadership,
    Role,
)
from custom_components.smart_beer.lease_messages import (
    RESIDUES,
    Ask,
    Reply,
    Request,
    members_hash,
    residue,
)

MARGIN = (1 - RHO) / (1 + RHO)
AHEAD = 900_000  # how far a node's clock is behind this server's

requests = st.integers(0, 30)


class Server(RuleBasedStateMachine):
    """One server; `proofs` is what nodes have really granted it, kept apart from its belief."""

    @initialize(nodes=st.integers(1, 5))
    def start(self, nodes: int) -> None:
        self.now = 1_000_000
        self.names = [f"n{index}" for index in range(nodes)]
        self.boots = dict.fromkeys(self.names, 1)
        self.core = Leadership(
            server_id="me", session="s", members=self.names, rng=random.Random(nodes)
        )
        self.open: list[Request] = []
        self.proofs: dict[str, int] = {}  # node -> until when its grant surely runs
        self.granted: set[tuple[str, int]] = set()  # node and epoch
        self.foreign: dict[str, int] = {}  # node -> until when another surely holds it
        self.led_since: int | None = None
        self.seqs: dict[int, int] = {}
        self.epochs = [0]

    @rule(ms=st.integers(1, 400))
    def pass_time(self, ms: int) -> None:
        self.now += ms

    @rule(ms=st.integers(400, 16_000))
    def stall(self, ms: int) -> None:
        self.now += ms

    @rule(fit=st.booleans() | st.just(True))
    def send(self, fit: bool) -> None:
        role = self.core.role
        sent = self.core.due(self.now, fit=fit)
        self.note()
        for request in sent:
            assert request.sent == self.now
            if request.ask is Ask.ACQUIRE:
                assert self.now >= self.foreign.get(request.node_id, 0), "contested"
                assert request.epoch % RESIDUES == residue("me", "s")
            if request.ask in {Ask.RENEW, Ask.RELEASE}:
                assert request.epoch in self.epochs
            self.open.append(request)
        if not fit and role is Role.FOLLOWING:
            assert self.core.role is Role.FOLLOWING

    @rule(steps=st.integers(1, 12), silent=st.integers(0, 5))
    def a_good_while(self, steps: int, silent: int) -> None:
        """All nodes but perhaps one grant what they are asked, at once."""
        for _ in range(steps):
            self.now += 250
            self.send(fit=True)
            for request in [one for one in self.open if one.sent == self.now]:
                if request.node_id != f"n{silent}":
                    self.grant(self.open.index(request))

    @precondition(lambda self: self.open)
    @rule(which=requests)
    def grant(self, which: int) -> None:
        request = self.open.pop(which % len(self.open))
        mine: dict[str, Any] = {}
        if request.ask in {Ask.ACQUIRE, Ask.RENEW}:
            mine = {
                "holder": "me",
                "epoch": request.epoch,
                "promised_epoch": request.epoch,
                "expires_in_ms": TTL_MS,
            }
            assert request.echo is not None
            if request.echo.boot_id == self.boot(request.node_id):
                until = request.echo.sent + int(TTL_MS * MARGIN)
                if request.epoch == self.core.epoch:
                    self.granted.add((request.node_id, request.epoch))
                    known = self.proofs.get(request.node_id, 0)
                    self.proofs[request.node_id] = max(known, until)
        self.reply(request, 200, **mine)

    @precondition(lambda self: self.open)
    @rule(which=requests, status=st.sampled_from([409, 412, 423, 429, 500, 503]))
    def refuse(self, which: int, status: int) -> None:
        request = self.open.pop(which % len(self.open))
        self.reply(request, status, quarantine_ms=4_000 if status == 423 else None)

    @precondition(lambda self: self.open)
    @rule(which=requests, ms=st.integers(1, TTL_MS))
    def held_by_another(self, which: int, ms: int) -> None:
        request = self.open.pop(which % len(self.open))
        status = 200 if request.ask is Ask.STATUS else 409
        waiting = self.core._witnesses[request.node_id].waiting == request
        if waiting and self.now < request.sent + TIMEOUT_MS:
            self.foreign[request.node_id] = self.now + ms
        self.reply(request, status, holder="other", epoch=7 * RESIDUES, expires_in_ms=ms)

    @precondition(lambda self: self.open)
    @rule(which=requests)
    def lose(self, which: int) -> None:
        request = self.open.pop(which % len(self.open))
        self.core.failed(request, self.now)
        self.note()

    @rule(which=requests)
    def reboot(self, which: int) -> None:
        self.boots[self.names[which % len(self.names)]] += 1

    @rule()
    def give_up(self) -> None:
        self.core.give_up(self.now)
        self.note()
        assert not self.core.leads(self.now)

    @rule(which=requests)
    def command(self, which: int) -> None:
        node_id = self.names[which % len(self.names)]
        command = self.core.command(node_id, self.now)
        if command is None:
            return
        assert self.core.leads(self.now)
        assert self.now < self.proofs[node_id]
        assert command.epoch == self.core.epoch
        assert command.seq > self.seqs.get(command.epoch, 0)
        self.seqs[command.epoch] = command.seq
        # It is dead by the node's clock when the lease that it rests on is, at the latest.
        assert command.not_after_ms <= self.now - AHEAD + SLACK_MS

    @invariant()
    def a_leader_has_proofs_of_a_majority(self) -> None:
        held = [name for name in self.names if self.core.held(name, self.now)]
        for name in held:
            assert (name, self.core.epoch) in self.granted
            assert self.now < self.proofs[name]
        if self.core.leads(self.now):
            assert len(held) > len(self.names) / 2

    @invariant()
    def nothing_is_energised_that_another_could_still_drive(self) -> None:
        if not self.core.may_energise(self.now):
            return
        assert self.core.leads(self.now)
        everywhere = all((name, self.core.epoch) in self.granted for name in self.names)
        assert self.led_since is not None
        assert everywhere or self.now >= self.led_since + (TTL_MS + SLACK_MS) / MARGIN

    def teardown(self) -> None:
        if not hasattr(self, "core"):
            return
        self.core.stop(self.now)
        assert not self.core.leads(self.now)
        for _ in range(3):
            self.now += 20_000
            assert self.core.due(self.now, fit=True) == []

    def boot(self, node_id: str) -> str:
        return f"b{self.boots[node_id]}"

    def reply(self, request: Request, status: int, **known: Any) -> None:
        content = {"members_hash": members_hash(self.names), **known}
        reply = Reply(status, self.boot(request.node_id), self.now - AHEAD, **content)
        self.core.answered(request, reply, self.now)
        self.note()

    def note(self) -> None:
        """Keep since when it has led without a break, and its epochs, which only grow."""
        assert self.core.epoch >= self.epochs[-1]
        if self.core.epoch > self.epochs[-1]:
            self.epochs.append(self.core.epoch)
        if not self.core.leads(self.now):
            self.led_since = None
        elif self.led_since is None:
            self.led_since = self.now


TestServer = Server.TestCase
TestServer.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
