"""The lease under any sequence of calls, against a plain account of what was granted and obeyed."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge_node.lease import Grant, Lease, Promise

TTL = 10
WHO = st.sampled_from([("a", "a1"), ("a", "a2"), ("b", "b1")])
EPOCHS = st.integers(1, 6)
AGES = st.integers(-1, TTL + 1)  # of the echoed stamp


class LeaseMachine(RuleBasedStateMachine):
    """One node with a disk, servers that send anything, and an output that is on or off."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100
        self.boot = 0
        self.disk: Promise | None = None
        self.start()
        # The account: what the rules owe us, kept without looking at the lease.
        self.until: dict[Promise, int] = {}  # until when each leadership may be obeyed at most
        self.floor = 0  # of the epochs obeyed, reboots included
        self.obeyed: set[tuple[Promise, int]] = set()
        self.last_seq: dict[Promise, int] = {}
        self.owners: dict[int, Promise] = {}

    def start(self) -> None:
        self.lease = Lease(
            boot_id=f"boot-{self.boot}",
            now=self.now,
            promised=self.disk,
            members_hash="m",
            ttl=TTL,
        )
        self.booted = self.now
        self.until = {}
        self.on: Promise | None = None

    def settle(self) -> None:
        if self.lease.lapsed(self.now):
            self.on = None

    @rule(ms=st.integers(1, TTL))
    def time_passes(self, ms: int) -> None:
        self.now += ms

    @rule(lost=st.sampled_from([False, False, True]))
    def reboot(self, *, lost: bool) -> None:
        self.boot += 1
        if lost:
            self.disk, self.floor, self.owners = None, 0, {}
        self.start()

    @rule(who=WHO, epoch=EPOCHS, age=AGES, boot=st.sampled_from([0, 0, 0, 1]), ms=st.integers(0, 2))
    def acquire(self, who: tuple[str, str], epoch: int, age: int, boot: int, ms: int) -> None:
        self.settle()
        before = {leader for leader, until in self.until.items() if self.now < until}
        wanted = Promise(epoch, *who)
        grant = self.lease.acquire(
            self.now,
            server_id=who[0],
            session=who[1],
            epoch=epoch,
            echo_boot=f"boot-{self.boot - boot}",
            echo_ms=self.now - age,
        )
        if not isinstance(grant, Grant):
            return
        assert boot == 0
        assert 0 <= age < TTL
        assert all((leader.server_id, leader.session) == who for leader in before)
        if self.now < self.booted + TTL:
            assert self.disk is not None
            assert self.disk.server_id == who[0]
        if self.disk is not None:
            assert epoch > self.disk.epoch or wanted == self.disk
        self.disk = grant.promise
        stamp = self.now - age
        self.now += ms  # the disk takes its time
        if self.lease.commit(grant, self.now) is None:
            again = self.until.get(wanted, 0)
            fresh = stamp + TTL
            self.until = {wanted: max(again, fresh) if self.now < again else fresh}
        self.settle()
        assert self.on is None

    @rule(who=WHO, epoch=EPOCHS, age=AGES)
    def renew(self, who: tuple[str, str], epoch: int, age: int) -> None:
        self.settle()
        wanted = Promise(epoch, *who)
        refused = self.lease.renew(
            self.now,
            server_id=who[0],
            session=who[1],
            epoch=epoch,
            echo_boot=f"boot-{self.boot}",
            echo_ms=self.now - age,
        )
        owed = self.now < self.until.get(wanted, 0) and 0 <= age < TTL
        assert (refused is None) == owed
        if owed:
            self.until[wanted] = max(self.until[wanted], self.now - age + TTL)

    @rule(who=WHO, epoch=EPOCHS)
    def release(self, who: tuple[str, str], epoch: int) -> None:
        self.settle()
        wanted = Promise(epoch, *who)
        refused = self.lease.release(self.now, server_id=who[0], session=who[1], epoch=epoch)
        assert (refused is None) == (self.now < self.until.get(wanted, 0))
        if refused is None:
            self.until = {}
            self.settle()
            assert self.on is None

    @rule(
        who=WHO,
        epoch=EPOCHS,
        seq=st.integers(1, 8),
        boot=st.sampled_from([0, 0, 0, 1]),
        life=st.integers(-2, 2),
    )
    def command(self, who: tuple[str, str], epoch: int, seq: int, boot: int, life: int) -> None:
        self.settle()
        leader = Promise(epoch, *who)
        verdict = self.lease.admit(
            self.now,
            server_id=who[0],
            session=who[1],
            epoch=epoch,
            boot_id=f"boot-{self.boot - boot}",
            seq=seq,
            not_after=self.now + life,
            cmd_id=f"{self.boot}-{leader}-{seq}-{life}",
        )
        owed = boot == 0 and life >= 0 and self.now < self.until.get(leader, 0)
        if verdict is not None:
            return
        assert owed
        assert self.owners.setdefault(epoch, leader) == leader
        assert (leader, self.boot * 100 + seq) not in self.obeyed
        self.obeyed.add((leader, self.boot * 100 + seq))
        key = Promise(epoch, f"{self.boot}/{who[0]}", who[1])
        assert seq > self.last_seq.get(key, 0)
        self.last_seq[key] = seq
        assert epoch >= self.floor
        self.floor = epoch
        self.on = leader

    @invariant()
    def what_is_on_is_on_for_the_holder(self) -> None:
        self.settle()
        holder = self.lease.holder(self.now)
        owed = [leader for leader, until in self.until.items() if self.now < until]
        assert ([holder] if holder else []) == owed
        if self.on is not None:
            assert self.on == holder


TestLease = LeaseMachine.TestCase
TestLease.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
