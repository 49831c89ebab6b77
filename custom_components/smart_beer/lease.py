"""One kettle's leadership as a server sees it: contend, hold, fence. Pure: times are passed in.

Times are whole milliseconds of this server's own monotonic clock; `mono_ms` and `not_after_ms` are
of the node's. A node's lease counts from the stamp that is echoed to it, and this server believes
in it from the moment it *asked* for that stamp, shortened by what two clocks may drift apart: so
the belief always ends before the lease does.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from .lease_messages import (
    MAX_EPOCH,
    OVERRIDE,
    RESIDUES,
    Ask,
    Command,
    Reply,
    Request,
    Stamp,
    members_hash,
    residue,
)

TTL_MS: Final = 10_000
RENEW_MS: Final = 2_000
TIMEOUT_MS: Final = 1_000
RHO: Final = 0.01  # how far off a monotonic clock's rate may be; real ones: below 0.0006
SLACK_MS: Final = 2_000  # beyond the TTL: how long a command may live, and the unanimity wait
BACKOFF_MS: Final = (500, 3_000)
# What a node says about the lease; any other status (429, 500) leaves the belief as it is.
LEASE_STATUS: Final = frozenset({200, 409, 412, 423})


class Role(StrEnum):
    """What this server is to the kettle."""

    FOLLOWING = "following"
    CONTENDING = "contending"
    LEADING = "leading"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class _Witness:
    """What is known of one node; `*_until` in this server's milliseconds."""

    stamp: Stamp | None = None
    waiting: Request | None = None
    next_at: int = 0
    held_until: int = 0
    granted: bool = False  # at some time in this epoch
    asked: bool = False  # in this contention
    promised: int = 0
    holder: str | None = None
    foreign_until: int = 0
    closed_until: int = 0  # quarantine or override: it grants nothing new
    members_hash: str | None = None


class Leadership:
    """One kettle's leadership on one server, for one start of it (`session`).

    Call `due` at least four times a second and send what it says; every reply goes to `answered`.
    """

    def __init__(
        self,
        *,
        server_id: str,
        session: str,
        members: Sequence[str],
        rng: random.Random,
        ttl: int = TTL_MS,
        rho: float = RHO,
        renew_ms: int = RENEW_MS,
        timeout_ms: int = TIMEOUT_MS,
        slack_ms: int = SLACK_MS,
        backoff_ms: tuple[int, int] = BACKOFF_MS,
    ) -> None:
        self.server_id = server_id
        self.session = session
        self.members = tuple(sorted(members))
        self.members_hash = members_hash(members)
        self.majority = len(self.members) // 2 + 1
        self.role = Role.FOLLOWING
        self.epoch = 0
        self._residue = residue(server_id, session)
        self._rng = rng
        self._ttl = ttl
        self._renew_ms = renew_ms
        self._timeout_ms = timeout_ms
        self._slack_ms = slack_ms
        self._backoff_ms = backoff_ms
        self._fresh_ms = renew_ms + timeout_ms  # an older stamp is not worth contending with
        margin = (1 - rho) / (1 + rho)
        self._belief_ms = int(ttl * margin)
        self._unanimity_ms = int((ttl + slack_ms) / margin) + 1
        self._witnesses = {node_id: _Witness() for node_id in self.members}
        self._releases: tuple[Request, ...] = ()
        self._led_since = 0
        self._backoff_until = 0
        self._seq = 0
        self._twin: tuple[int, int] | None = None  # another with this id: first, last seen until

    def leads(self, now: int) -> bool:
        """Whether a majority of the kettle's nodes is held. Ask again before every command."""
        return self.role is Role.LEADING and self._held(now) >= self.majority

    def may_energise(self, now: int) -> bool:
        """Whether nothing can still obey an earlier leader: all nodes granted, or time enough."""
        return self.leads(now) and (
            all(witness.granted for witness in self._witnesses.values())
            or now >= self._led_since + self._unanimity_ms
        )

    def energise_in(self, now: int) -> int | None:
        """Milliseconds until this leader may energise; None if it does not lead."""
        if not self.leads(now):
            return None
        return 0 if self.may_energise(now) else self._led_since + self._unanimity_ms - now

    def held_until(self, node_id: str) -> int:
        """Until when this server may believe in its lease at the node; 0 for not at all."""
        return self._witnesses[node_id].held_until

    def held(self, node_id: str, now: int) -> bool:
        """Whether this server holds the node's lease, as far as it can know."""
        return now < self._witnesses[node_id].held_until

    def leader(self, now: int) -> str | None:
        """The server id of the leader as this server sees it, or "override"; None if unknown."""
        if self.leads(now):
            return self.server_id
        seen = [
            witness.holder
            for witness in self._witnesses.values()
            if witness.holder is not None and now < witness.foreign_until
        ]
        if seen:
            return max(sorted(seen), key=seen.count)
        overridden = [
            witness.holder == OVERRIDE and now < witness.closed_until
            for witness in self._witnesses.values()
        ]
        return OVERRIDE if any(overridden) else None

    def members_agree(self) -> bool:
        """Whether every node that was heard lists the kettle's nodes as this server does."""
        return all(
            witness.members_hash in {None, self.members_hash}
            for witness in self._witnesses.values()
        )

    def twin(self, now: int) -> bool:
        """Whether another server leads under this server's id: its disk was copied.

        A former session of this server looks the same until its lease has run out.
        """
        return (
            self._twin is not None
            and now < self._twin[1]
            and self._twin[1] - self._twin[0] > 2 * self._ttl
        )

    def command(self, node_id: str, now: int) -> Command | None:
        """What to add to a command to this node, sent at once; None: it must not be sent.

        The command dies `SLACK_MS` from now by the node's clock, judged by its last stamp. For what
        energises ask `may_energise` as well.
        """
        witness = self._witnesses[node_id]
        if not self.leads(now) or now >= witness.held_until or witness.stamp is None:
            return None
        self._seq += 1
        node_now = witness.stamp.mono_ms + now - witness.stamp.received
        return Command(
            self.server_id,
            self.session,
            self.epoch,
            witness.stamp.boot_id,
            self._seq,
            node_now + self._slack_ms,
        )

    def due(self, now: int, *, fit: bool) -> list[Request]:
        """What to send now. `fit`: Home Assistant runs, and so does this kettle's control."""
        self._settle(now)
        if self.role is Role.FOLLOWING and fit and self._may_contend(now):
            self._contend()
        requests = [replace(request, sent=now) for request in self._releases]
        self._releases = ()
        for node_id in self.members:
            request = self._next(node_id, now)
            if request is not None:
                requests.append(request)
                self._change(node_id, waiting=request, next_at=now + self._renew_ms)
        self._judge(now)
        return requests

    def answered(self, request: Request, reply: Reply, now: int) -> bool:
        """Learn from a reply; True if the node is newly held: everything is off there now."""
        self._settle(now)
        node_id = request.node_id
        witness = self._witnesses[node_id]
        if witness.waiting != request:
            return False
        rebooted = witness.stamp is not None and witness.stamp.boot_id != reply.boot_id
        self._change(
            node_id,
            waiting=None,
            stamp=Stamp(reply.boot_id, reply.mono_ms, request.sent, now),
            held_until=0 if rebooted else witness.held_until,
            # A refusal may not say how long the new boot's quarantine is.
            closed_until=now + self._ttl if rebooted else witness.closed_until,
        )
        self._learn(node_id, reply, now)
        newly = self._count(request, reply, now)
        self._judge(now)
        return newly

    def failed(self, request: Request, now: int) -> None:
        """Learn that no reply will come."""
        self._settle(now)
        if self._witnesses[request.node_id].waiting == request:
            self._change(request.node_id, waiting=None)
            self._judge(now)

    def give_up(self, now: int, *, pause_ms: int = 0) -> None:
        """Release the kettle (the next `due` says so) and do not contend for `pause_ms`."""
        self._settle(now)
        if self.role in {Role.CONTENDING, Role.LEADING}:
            self._lose(now)
        self._backoff_until = max(self._backoff_until, now + pause_ms)

    def stop(self, now: int) -> list[Request]:
        """End for good: the releases to send."""
        self.give_up(now)
        self.role = Role.STOPPED
        requests = [replace(request, sent=now) for request in self._releases]
        self._releases = ()
        return requests

    def body(self, request: Request, kettle_id: str) -> dict[str, Any]:
        """The JSON body of a request that has one."""
        content: dict[str, Any] = {
            "kettle_id": kettle_id,
            "server_id": self.server_id,
            "session": self.session,
            "epoch": request.epoch,
        }
        if request.echo is not None:
            content["echo"] = {"boot_id": request.echo.boot_id, "mono_ms": request.echo.mono_ms}
        if request.ask is Ask.ACQUIRE:
            content["members_hash"] = self.members_hash
        return content

    def _change(self, node_id: str, **changes: Any) -> None:  # noqa: ANN401 - fields of a witness
        self._witnesses[node_id] = replace(self._witnesses[node_id], **changes)

    def _held(self, now: int) -> int:
        return sum(now < witness.held_until for witness in self._witnesses.values())

    def _settle(self, now: int) -> None:
        """Notice what time has done; every entrance that changes anything comes through here."""
        for node_id, witness in self._witnesses.items():
            if witness.waiting is not None and now >= witness.waiting.sent + self._timeout_ms:
                self._change(node_id, waiting=None)
        self._judge(now)

    def _judge(self, now: int) -> None:
        """Win or lose a contention; lose a majority."""
        if self.role is Role.CONTENDING:
            if self._held(now) >= self.majority:
                self.role, self._led_since = Role.LEADING, now
            elif all(witness.asked for witness in self._witnesses.values()) and not any(
                witness.waiting is not None and witness.waiting.ask is Ask.ACQUIRE
                for witness in self._witnesses.values()
            ):
                self._lose(now)
        elif self.role is Role.LEADING and self._held(now) < self.majority:
            self._lose(now)

    def _lose(self, now: int) -> None:
        """Release everywhere. The epoch is spent: a late release could end a later lease in it."""
        self._releases += tuple(
            Request(node_id, Ask.RELEASE, now, self.epoch) for node_id in self.members
        )
        self.role = Role.FOLLOWING
        self._backoff_until = now + self._rng.randint(*self._backoff_ms)
        for node_id in self.members:
            self._change(node_id, held_until=0, granted=False, asked=False)

    def _may_contend(self, now: int) -> bool:
        witnesses = self._witnesses.values()
        return (
            now >= self._backoff_until
            and self.members_agree()
            and all(now >= witness.foreign_until for witness in witnesses)
            and sum(self._electable(witness, now) for witness in witnesses) >= self.majority
            and self._next_epoch() <= MAX_EPOCH
        )

    def _electable(self, witness: _Witness, now: int) -> bool:
        """Whether to ask this node for a new epoch.

        Not in its quarantine, though it would grant it to the server id it has promised: that is
        for a leader that comes back with its epoch, not for a new session, or a copy, of it.
        """
        stamp = witness.stamp
        return (
            stamp is not None and now < stamp.sent + self._fresh_ms and now >= witness.closed_until
        )

    def _next_epoch(self) -> int:
        seen = max(self.epoch, *(witness.promised for witness in self._witnesses.values()))
        return (seen // RESIDUES + 1) * RESIDUES + self._residue

    def _contend(self) -> None:
        self.epoch = self._next_epoch()
        self.role = Role.CONTENDING
        for node_id in self.members:
            self._change(node_id, asked=False, granted=False, held_until=0, waiting=None)

    def _next(self, node_id: str, now: int) -> Request | None:
        """The next request to this node, if one is due."""
        witness = self._witnesses[node_id]
        if self.role is Role.STOPPED or witness.waiting is not None:
            return None
        if self.role is Role.CONTENDING and not witness.asked:
            self._change(node_id, asked=True)
            if self._electable(witness, now):
                return Request(node_id, Ask.ACQUIRE, now, self.epoch, witness.stamp)
            return None
        if now < witness.next_at:
            return None
        if self.role is Role.LEADING:
            if now < witness.held_until:
                return Request(node_id, Ask.RENEW, now, self.epoch, witness.stamp)
            if self._may_rejoin(witness, now):
                return Request(node_id, Ask.ACQUIRE, now, self.epoch, witness.stamp)
        return Request(node_id, Ask.STATUS, now)

    def _may_rejoin(self, witness: _Witness, now: int) -> bool:
        stamp = witness.stamp
        return (
            stamp is not None
            and now < stamp.sent + self._fresh_ms
            and now >= witness.foreign_until
            and witness.promised <= self.epoch
        )

    def _learn(self, node_id: str, reply: Reply, now: int) -> None:
        """Remember whom the node obeys, and what it would grant."""
        if reply.promised_epoch is not None:
            self._change(node_id, promised=reply.promised_epoch)
        if reply.members_hash is not None:
            self._change(node_id, members_hash=reply.members_hash)
        if reply.quarantine_ms is not None or reply.override_ms is not None:
            closed = max(reply.quarantine_ms or 0, reply.override_ms or 0)
            self._change(node_id, closed_until=now + closed)
        if reply.expires_in_ms is None:
            return
        foreign = reply.holder not in {None, OVERRIDE} and not self._mine(reply)
        until = now + reply.expires_in_ms
        self._change(node_id, holder=reply.holder, foreign_until=until if foreign else 0)
        if reply.holder == OVERRIDE:
            self._change(node_id, closed_until=until)
        if foreign and reply.holder == self.server_id:
            first = self._twin[0] if self._twin is not None and now < self._twin[1] else now
            self._twin = (first, until)

    def _mine(self, reply: Reply) -> bool:
        return (
            reply.holder == self.server_id
            and reply.epoch is not None
            and reply.epoch % RESIDUES == self._residue
        )

    def _count(self, request: Request, reply: Reply, now: int) -> bool:
        """Hold, or no longer hold, the node that answered to an acquire or a renewal."""
        current = self.role in {Role.CONTENDING, Role.LEADING} and request.epoch == self.epoch
        if request.echo is None or not current:
            return False
        node_id, witness = request.node_id, self._witnesses[request.node_id]
        if reply.status not in LEASE_STATUS:
            return False
        if reply.status != 200 or reply.boot_id != request.echo.boot_id:
            lost = request.ask is Ask.RENEW  # ask for it again at once
            self._change(node_id, held_until=0, next_at=now if lost else witness.next_at)
            return False
        newly = request.ask is Ask.ACQUIRE
        until = request.echo.sent + self._belief_ms
        self._change(node_id, held_until=max(witness.held_until, until), granted=True)
        return newly
