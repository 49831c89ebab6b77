"""One kettle's lease on one node: who may command it, for seconds. Pure: the caller tells the time.

Times are whole milliseconds of the node's own monotonic clock (CLOCK_BOOTTIME). A lease counts from
the stamp that the server echoes, never from the arrival of a request: what is late cannot prolong
it. A leadership is named by epoch, server and session together, so that two servers with the same
number, or even with the same id, are still two.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

TTL_MS: Final = 10_000
OVERRIDE_MS: Final = 600_000  # what a press of the override button grants
OVERRIDE: Final = "override"  # the holder that others are told of meanwhile
MAX_EPOCH: Final = 2**53 - 1  # what every JSON reader keeps exact
# A server counts in steps of 2**20, one each time it contends; a node that was away for a year and
# a half, while two contended every three seconds, is this far behind. More is a mistake, and one
# that would use up the numbers that every later server needs.
MAX_LEAP: Final = 2**44
REMEMBERED: Final = 256  # answered commands of one lease


@dataclass(frozen=True, slots=True)
class Promise:
    """One leadership. A node that has promised it never obeys a lower epoch again."""

    epoch: int
    server_id: str
    session: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why not: an HTTP status, the error's code and what else the caller should know."""

    status: int
    code: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be granted once `promise` is durable; `expires` in the node's milliseconds."""

    promise: Promise
    expires: int


@dataclass(frozen=True, slots=True)
class Replay:
    """The command has been answered already: this was the answer, and nothing is to be done."""

    answer: Any


class Lease:
    """The lease of one kettle on one node.

    `promised` is what was read from disk at start; None (never one, or lost) means that nobody is
    granted anything during the quarantine, the first `ttl` milliseconds after `now`.
    """

    __slots__ = (
        "_answers",
        "_ended",
        "_expires",
        "_holder",
        "_last_seq",
        "_override_until",
        "_promised",
        "_quarantine_until",
        "_ttl",
        "boot_id",
        "members_hash",
    )

    def __init__(
        self,
        *,
        boot_id: str,
        now: int,
        promised: Promise | None,
        members_hash: str,
        ttl: int = TTL_MS,
    ) -> None:
        self.boot_id = boot_id
        self.members_hash = members_hash
        self._ttl = ttl
        self._promised = promised
        self._quarantine_until = now + ttl
        self._override_until = now
        self._holder: Promise | None = None
        self._expires = now
        self._ended = False
        self._last_seq = 0
        self._answers: OrderedDict[str, Any] = OrderedDict()

    @property
    def promised(self) -> Promise | None:
        """The highest leadership this node has promised."""
        return self._promised

    def acquire(
        self,
        now: int,
        *,
        server_id: str,
        session: str,
        epoch: int,
        echo_boot: str,
        echo_ms: int,
        members_hash: str | None = None,
    ) -> Grant | Refused:
        """Judge a request for the lease; nothing is granted before `commit`.

        The checks and their order are those of the API: 412 `bad_echo`, 409 `stale_epoch`,
        409 `epoch_leap`, 409 `held`, 409 `members_mismatch`, 423 `quarantine`.
        """
        self._settle(now)
        wanted = Promise(epoch, server_id, session)
        if bad := self._bad_echo(now, echo_boot, echo_ms):
            return bad
        promised = self._promised
        if promised is not None and (
            epoch < promised.epoch or (epoch == promised.epoch and wanted != promised)
        ):
            return Refused(409, "stale_epoch", {"promised_epoch": promised.epoch})
        highest = MAX_LEAP + (promised.epoch if promised is not None else 0)
        if epoch > highest:
            return Refused(409, "epoch_leap", {"highest_epoch": highest})
        if self.override_ms(now) or self._held_by_another(wanted):
            return Refused(409, "held", self._whose(now))
        if members_hash is not None and members_hash != self.members_hash:
            return Refused(409, "members_mismatch", {"members_hash": self.members_hash})
        quarantine = self._quarantine_ms(now)
        if quarantine and (promised is None or promised.server_id != server_id):
            return Refused(423, "quarantine", {"retry_ms": quarantine})
        return Grant(wanted, echo_ms + self._ttl)

    def commit(self, grant: Grant, now: int) -> Refused | None:
        """Grant what `acquire` allowed and is durable now; what was on under this lease ends.

        Refused (409 `held`, 412 `bad_echo`) if writing took so long that it is no longer due.
        """
        self._settle(now)
        if self._promised is None or grant.promise.epoch > self._promised.epoch:
            self._last_seq = 0
            self._answers.clear()
        self._promised = grant.promise
        if self.override_ms(now):
            return Refused(409, "held", self._whose(now))
        # A late duplicate must not shorten what the server already counts on.
        again = self._holder == grant.promise
        expires = max(self._expires, grant.expires) if again else grant.expires
        if expires <= now:
            return Refused(412, "bad_echo", {"boot_id": self.boot_id, "mono_ms": now})
        self._holder, self._expires = grant.promise, expires
        self._ended = True  # else a new holder would find the old one's outputs on
        return None

    def renew(
        self,
        now: int,
        *,
        server_id: str,
        session: str,
        epoch: int,
        echo_boot: str,
        echo_ms: int,
    ) -> Refused | None:
        """Prolong a running lease; 412 `bad_echo`, 409 `not_holder` (also once it has run out)."""
        self._settle(now)
        if bad := self._bad_echo(now, echo_boot, echo_ms):
            return bad
        if self.holder(now) != Promise(epoch, server_id, session):
            return Refused(409, "not_holder", self._whose(now))
        self._expires = max(self._expires, echo_ms + self._ttl)
        return None

    def release(self, now: int, *, server_id: str, session: str, epoch: int) -> Refused | None:
        """End the holder's lease at once; 409 `not_holder`."""
        self._settle(now)
        if self._holder != Promise(epoch, server_id, session):
            return Refused(409, "not_holder", self._whose(now))
        self._holder, self._expires, self._ended = None, now, True
        return None

    def lapsed(self, now: int) -> bool:
        """True exactly once after a lease began or ended: what it had switched on must be cleared.

        Ask before anything else is done with the kettle's outputs.
        """
        self._settle(now)
        ended, self._ended = self._ended, False
        return ended

    def holder(self, now: int) -> Promise | None:
        """Whom the kettle's outputs obey now; nobody while the override lasts."""
        self._settle(now)
        return None if self.override_ms(now) else self._holder

    def admit(
        self,
        now: int,
        *,
        server_id: str,
        session: str,
        epoch: int,
        boot_id: str,
        seq: int,
        not_after: int,
        cmd_id: str,
    ) -> Refused | Replay | None:
        """Judge a command: None means obey it, and its `seq` is used up.

        In this order: 412 `wrong_boot`, 403 `not_leader`, 410 `expired`, the stored answer of the
        same `cmd_id` (compared alone), 409 `stale_seq`.
        """
        self._settle(now)
        if boot_id != self.boot_id:
            return Refused(412, "wrong_boot", {"boot_id": self.boot_id})
        if self.holder(now) != Promise(epoch, server_id, session):
            return Refused(403, "not_leader", _without_time(self._whose(now)))
        if now > not_after:
            return Refused(410, "expired", {"mono_ms": now, "not_after_ms": not_after})
        if cmd_id in self._answers:
            return Replay(self._answers[cmd_id])
        if seq <= self._last_seq:
            return Refused(409, "stale_seq", {"last_seq": self._last_seq})
        self._last_seq = seq
        return None

    def remember(self, cmd_id: str, answer: Any) -> None:  # noqa: ANN401 - whatever was answered
        """Keep the answer of an admitted command for its duplicates: the last REMEMBERED."""
        self._answers[cmd_id] = answer
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)

    def override(self, now: int, ms: int = OVERRIDE_MS) -> None:
        """The person at the kettle takes it, for `ms` from now; 0 gives it back.

        It replaces the permit of a lease on this node alone, and no other permit. Meanwhile every
        server is refused. A running lease is not given to anybody else before it would have run
        out, because its holder still counts on it.
        """
        self._settle(now)
        self._override_until = now + ms
        self._ended = True

    def override_ms(self, now: int) -> int:
        """How long the override still lasts; 0 without one."""
        return max(0, self._override_until - now)

    def status(self, now: int) -> dict[str, Any]:
        """What `/v1/lease` shows of the lease; `holder` is a server id, "override" or null."""
        self._settle(now)
        return {
            "promised_epoch": self._promised.epoch if self._promised else None,
            **self._whose(now),
            "quarantine_ms": self._quarantine_ms(now),
            "override_ms": self.override_ms(now),
            "members_hash": self.members_hash,
        }

    def _settle(self, now: int) -> None:
        """End a lease that has run out; every entrance comes through here first."""
        if self._holder is not None and now >= self._expires:
            self._holder, self._ended = None, True

    def _bad_echo(self, now: int, echo_boot: str, echo_ms: int) -> Refused | None:
        if echo_boot == self.boot_id and now - self._ttl < echo_ms <= now:
            return None
        return Refused(412, "bad_echo", {"boot_id": self.boot_id, "mono_ms": now})

    def _held_by_another(self, wanted: Promise) -> bool:
        holder = self._holder
        return holder is not None and (holder.server_id, holder.session) != (
            wanted.server_id,
            wanted.session,
        )

    def _quarantine_ms(self, now: int) -> int:
        return max(0, self._quarantine_until - now)

    def _whose(self, now: int) -> dict[str, Any]:
        if left := self.override_ms(now):
            return {"holder": OVERRIDE, "epoch": None, "expires_in_ms": left}
        if self._holder is None:
            return {"holder": None, "epoch": None, "expires_in_ms": 0}
        return {
            "holder": self._holder.server_id,
            "epoch": self._holder.epoch,
            "expires_in_ms": self._expires - now,
        }


def _without_time(whose: dict[str, Any]) -> dict[str, Any]:
    return {"holder": whose["holder"], "epoch": whose["epoch"]}
