"""A random search: servers, nodes and a bad network in simulated time, judged by the invariants.

`python -m tests.lease_model.chaos --runs 3000 [--nodes 5]` searches longer than the tests do.
"""

import argparse
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from custom_components.smart_beer.lease import Leadership
from custom_components.smart_beer.lease_messages import Ask, Command, Reply, Request, members_hash
from edge_node.lease import Lease, Promise

from .invariants import Owner, ViolationError, Watch
from .node import Node, answer, obey, serve

TTL = 6_000
RENEW = 1_500
RHO = 0.02
TICK = 500


@dataclass(frozen=True)
class Settings:
    """What kind of chaos; times in milliseconds."""

    nodes: int = 3
    run_ms: int = 60_000
    loss: float = 0.02
    duplicates: float = 0.05
    all_duplicated: bool = False  # else commands and lease calls of the network's own making
    late_ms: int = 15_000
    fault_every_ms: int = 2_500
    state_lost: float = 0.0  # at a reboot
    copied_id: bool = False  # both servers have one server id
    colliding: bool = False  # both servers have one residue


@dataclass
class Clock:
    """A monotonic clock that runs a little wrong."""

    offset: float
    rate: float

    def at(self, t: int) -> int:
        """What it shows at the true time t."""
        return int(self.offset + self.rate * t)


@dataclass
class ClockedNode(Node):
    """A node, and how often it has started."""

    clock: Clock = field(default_factory=lambda: Clock(0, 1))
    boot: int = 0


@dataclass
class Server:
    """A server: its leadership, and how long its process stands still."""

    index: int
    server_id: str
    clock: Clock
    leadership: Leadership
    paused_until: int = 0
    sent: dict[int, int] = field(default_factory=dict)  # node -> true time of the last lease call

    @property
    def owner(self) -> Owner:
        """Who it is to a node."""
        return self.server_id, self.leadership.session


class World:
    """One run."""

    def __init__(self, seed: int, settings: Settings) -> None:
        self.rng = random.Random(seed)
        self.settings = settings
        self.t = 0
        self.watch = Watch()
        self.led = 0
        self._queue: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._numbers = itertools.count()
        self._sessions = itertools.count(1)
        self._cuts: dict[tuple[int, int, bool], int] = {}
        self.names = [f"n{index}" for index in range(settings.nodes)]
        self.nodes = [
            ClockedNode(index, self._lease(clock, 0, index, None), clock=clock)
            for index in range(settings.nodes)
            for clock in [self._clock()]
        ]
        self.servers = [
            self._server(index, "same" if settings.copied_id else f"s{index}") for index in (0, 1)
        ]
        for server in self.servers:
            self._at(self.rng.randrange(500), self._drive, server)
            self._at(self.rng.randrange(700), self._control, server)
        for node in self.nodes:
            self._at(self.rng.randrange(TICK), self._tick, node)
        self._at(settings.fault_every_ms, self._fault)

    def run(self) -> None:
        """To the end, or to the ViolationError."""
        while self._queue:
            self.t, _, call, arguments = heapq.heappop(self._queue)
            if self.t >= self.settings.run_ms:
                return
            call(*arguments)
            self._check()

    def _at(self, t: int, call: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._queue, (t, next(self._numbers), call, arguments))

    def _clock(self) -> Clock:
        return Clock(self.rng.randrange(10**6), 1 + self.rng.uniform(-RHO, RHO))

    def _lease(self, clock: Clock, boot: int, index: int, promised: Promise | None) -> Lease:
        return Lease(
            boot_id=f"n{index}-{boot}",
            now=clock.at(self.t),
            promised=promised,
            members_hash=members_hash(self.names),
            ttl=TTL,
        )

    def _server(self, index: int, server_id: str) -> Server:
        return Server(index, server_id, self._clock(), self._leadership(server_id))

    def _leadership(self, server_id: str) -> Leadership:
        leadership = Leadership(
            server_id=server_id,
            session=f"session{next(self._sessions)}",
            members=self.names,
            rng=self.rng,
            ttl=TTL,
            rho=RHO,
            renew_ms=RENEW,
        )
        if self.settings.colliding:
            leadership._residue = 7
        return leadership

    def _check(self) -> None:
        leaders = [
            server.owner
            for server in self.servers
            if server.leadership.leads(server.clock.at(self.t))
        ]
        self.watch.leaders(leaders)
        self.led += bool(leaders)
        self.watch.energised(node.on for node in self.nodes)

    # The servers

    def _drive(self, server: Server) -> None:
        if self._paused(server, self._drive, server):
            return
        self._at(self.t + 250, self._drive, server)
        for request in server.leadership.due(server.clock.at(self.t), fit=True):
            self._send(server, request)

    def _send(self, server: Server, request: Request) -> None:
        index = self.names.index(request.node_id)
        if request.ask in {Ask.ACQUIRE, Ask.RENEW}:
            server.sent[index] = self.t
        for delay in self._delays(server.index, index, up=True):
            owner = server.owner
            self._at(self.t + delay, self._asked, self.nodes[index], server, owner, request)

    def _control(self, server: Server) -> None:
        if self._paused(server, self._control, server):
            return
        self._at(self.t + 700, self._control, server)
        now = server.clock.at(self.t)
        if not server.leadership.may_energise(now):
            return
        # It has checked; then the process may stand still before anything leaves it.
        pause = self.rng.randrange(500, 12_000) if self.rng.random() < 0.02 else 0
        server.paused_until = max(server.paused_until, self.t + pause)
        for index, name in enumerate(self.names):
            command = server.leadership.command(name, now)
            if command is not None:
                on = self.rng.random() < 0.8
                for delay in self._delays(server.index, index, up=True):
                    self._at(
                        self.t + pause + delay, self._commanded, self.nodes[index], command, on
                    )

    def _answered(self, server: Server, request: Request, reply: Reply) -> None:
        if not self._paused(server, self._answered, server, request, reply):
            server.leadership.answered(request, reply, server.clock.at(self.t))

    def _paused(self, server: Server, call: Callable[..., None], *arguments: Any) -> bool:
        if self.t < server.paused_until:
            self._at(server.paused_until, call, *arguments)
            return True
        return False

    # The nodes

    def _tick(self, node: ClockedNode) -> None:
        self._at(self.t + TICK, self._tick, node)
        self._age(node, TTL / (1 - RHO) + TICK)
        self._settle(node)
        self._age(node, TTL / (1 - RHO))

    def _age(self, node: ClockedNode, most: float) -> None:
        """How long ago the one who switched it on has asked for its lease."""
        for server in self.servers:
            if node.on == server.owner and self.t - server.sent[node.index] > most + 2:
                age = self.t - server.sent[node.index]
                raise ViolationError(f"I5: node {node.index} is on {age} ms after the last call")

    def _settle(self, node: ClockedNode) -> int:
        now = node.clock.at(self.t)
        if node.lease.lapsed(now):
            node.on = None
        return now

    def _asked(self, node: ClockedNode, server: Server, owner: Owner, request: Request) -> None:
        now = self._settle(node)
        refused = serve(node, owner, request, now, self.watch)
        self._settle(node)
        reply = answer(node.lease, refused, now)
        for delay in self._delays(server.index, node.index, up=False):
            self._at(self.t + delay, self._answered, server, request, reply)

    def _commanded(self, node: ClockedNode, command: Command, on: bool) -> None:
        now = self._settle(node)
        obey(node, command, on, now, self.watch)

    # The world

    def _delays(self, server: int, node: int, *, up: bool) -> list[int]:
        if self.t < self._cuts.get((server, node, up), 0) or self.rng.random() < self.settings.loss:
            return []
        delay = self.rng.randrange(2, 80)
        if self.rng.random() < 0.03:
            delay = self.rng.randrange(80, 8_000)
        delays = [delay]
        if self.rng.random() < (0.15 if self.settings.all_duplicated else self.settings.duplicates):
            delays.append(self.rng.randrange(delay, self.settings.late_ms))
        return delays

    def _fault(self) -> None:
        self._at(self.t + self.settings.fault_every_ms, self._fault)
        lasting = self.t + self.rng.randrange(500, 12_000)
        server = self.rng.choice(self.servers)
        node = self.rng.choice(self.nodes)
        match self.rng.randrange(7):
            case 0:
                self._reboot(node)
            case 1:  # nothing gets through in one direction, or both, to one node or all
                up = self.rng.choice([(True,), (False,), (True, False)])
                nodes = self.rng.choice([[node], self.nodes])
                for direction, cut in itertools.product(up, nodes):
                    self._cuts[server.index, cut.index, direction] = lasting
            case 2:
                server.paused_until = max(server.paused_until, lasting)
            case 3:
                self._reboot(node)
                self._reboot(self.rng.choice(self.nodes))
            case 4:  # Home Assistant starts again
                server.leadership = self._leadership(server.server_id)
                server.sent = {}
            case 5:
                node.lease.override(node.clock.at(self.t), self.rng.choice([0, 1_000, 5_000]))
                self._settle(node)
            case 6:
                server.leadership.give_up(server.clock.at(self.t))

    def _reboot(self, node: ClockedNode) -> None:
        node.boot += 1
        if self.rng.random() < 0.5:  # not only the process: its clock starts again as well
            node.clock.offset = self.rng.randrange(10_000) - node.clock.rate * self.t
        if self.rng.random() < self.settings.state_lost:
            node.disk = None
        node.lease = self._lease(node.clock, node.boot, node.index, node.disk)
        node.on = None


def main() -> None:
    """Search for longer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--nodes", type=int, default=3)
    for flag in ("all-duplicated", "copied-id", "colliding"):
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--state-lost", type=float, default=0.0)
    options = vars(parser.parse_args())
    runs, first = options.pop("runs"), options.pop("first")
    broken = obeyed = 0
    for seed in range(first, first + runs):
        world = World(seed, Settings(**options))
        try:
            world.run()
        except ViolationError as err:
            broken += 1
            print(f"seed {seed} at {world.t} ms: {err}")  # noqa: T201 - a command prints
        obeyed += world.watch.obeyed
    print(f"{runs} runs, {broken} broken, {obeyed} commands obeyed")  # noqa: T201
    raise SystemExit(broken > 0)


if __name__ == "__main__":
    main()
