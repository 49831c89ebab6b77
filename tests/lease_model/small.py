"""Every schedule with a few faults: two servers, three nodes, whole ticks of time.

Breadth first over all states that at most `faults` faults within `ticks` can lead to, and what
follows from them in `quiet` further ticks. A fault is: a
direction between a server and one node or all is cut or mended, a server stops or goes on, its
messages of one tick come late or twice, it starts anew, a node reboots, with or without its disk.

`python -m tests.lease_model.small --faults 3` goes deeper than the tests do.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, override

from custom_components.smart_beer.lease import Leadership
from custom_components.smart_beer.lease_messages import Ask, Command, Reply, Request, members_hash
from edge_node.lease import Lease, Promise

from .invariants import Owner, ViolationError, Watch
from .node import Node, answer, obey, serve

TTL = 4
LATE = 2
NODES = (0, 1, 2)
SERVERS = (0, 1)
NAMES = ("n0", "n1", "n2")
UP, DOWN = True, False

Fault = tuple[Any, ...]
FAULTS: tuple[Fault, ...] = (
    *(("cut", server, (node,), way) for server in SERVERS for node in NODES for way in (UP, DOWN)),
    *(("cut", server, NODES, way) for server in SERVERS for way in (UP, DOWN)),
    *((kind, server) for kind in ("stop", "late", "twice", "restart") for server in SERVERS),
    *((kind, node) for kind in ("reboot", "wipe") for node in NODES),
)


class Steady(random.Random):
    """Backs off by the same time, each server by its own."""

    def __init__(self, ticks: int) -> None:
        super().__init__(0)
        self.ticks = ticks

    @override
    def randint(self, a: int, b: int) -> int:
        return self.ticks


@dataclass(frozen=True)
class Letter:
    """Something under way to a node."""

    at: int
    server: int
    owner: Owner
    node: int
    content: Request | Command


@dataclass
class World:
    """One state. `copy` before changing it."""

    t: int
    nodes: list[Node]
    servers: list[Leadership]
    watch: Watch
    cuts: frozenset[tuple[int, int, bool]] = frozenset()
    stopped: frozenset[int] = frozenset()
    post: tuple[Letter, ...] = ()
    calls: tuple[tuple[Owner, int, int], ...] = ()  # last lease call: owner, node, when
    boots: int = 0
    starts: int = 2

    def copy(self) -> World:
        """The same state, on its own."""
        watch = Watch(
            dict(self.watch.highest),
            dict(self.watch.owners),
            dict(self.watch.last_seq),
            set(self.watch.granted_boots),
        )
        nodes = [replace(node, lease=_copied(node.lease)) for node in self.nodes]
        servers = [_copy_server(server) for server in self.servers]
        return replace(self, nodes=nodes, servers=servers, watch=watch)

    def key(self) -> object:
        """What makes two states the same."""
        watch = self.watch
        return (
            tuple((*map(_frozen, _slots(node.lease)), node.disk, node.on) for node in self.nodes),
            tuple(tuple(map(_frozen, _facts(server).values())) for server in self.servers),
            (self.cuts, self.stopped, self.post, self.calls),
            (_frozen(watch.highest), _frozen(watch.owners), _frozen(watch.last_seq)),
        )

    def tick(self, fault: Fault | None) -> None:
        """Let one tick pass, with or without a fault at its start; ViolationError."""
        self.t += 1
        for node in self.nodes:
            self._settle(node)
        self._check()
        late, twice = self._befall(fault)
        due = [letter for letter in self.post if letter.at <= self.t]
        self.post = tuple(letter for letter in self.post if letter.at > self.t)
        for letter in due:
            self._arrive(letter)
        for index in SERVERS:
            if index not in self.stopped:
                self._serve(index, late=late == index, twice=twice == index)
            self._check()

    def _befall(self, fault: Fault | None) -> tuple[int | None, int | None]:
        match fault:
            case ("cut", server, nodes, way):
                self.cuts ^= {(server, node, way) for node in nodes}
            case ("stop", server):
                self.stopped ^= {server}
            case ("restart", server):
                self.starts += 1
                old = self.servers[server].server_id
                self.servers[server] = new_server(server, self.starts, server_id=old)
            case ("reboot" | "wipe" as kind, index):
                node = self.nodes[index]
                node.disk = None if kind == "wipe" else node.disk
                self.boots += 1
                node.lease = new_lease(f"b{self.boots}", self.t, node.disk)
                node.on = None
                if kind == "wipe":  # a node without a memory is another node to I2 and I3
                    self.watch.highest.pop(index, None)
                    for key in [key for key in self.watch.owners if key[0] == index]:
                        del self.watch.owners[key]
            case ("late", server):
                return server, None
            case ("twice", server):
                return None, server
        return None, None

    def _serve(self, index: int, *, late: bool, twice: bool) -> None:
        server = self.servers[index]
        owner = (server.server_id, server.session)
        for request in server.due(self.t, fit=True):
            self._post(index, owner, NAMES.index(request.node_id), request, late, twice)
        if server.may_energise(self.t):
            for node in NODES:
                command = server.command(NAMES[node], self.t)
                if command is not None:
                    self._post(index, owner, node, command, late, twice)

    def _post(
        self,
        server: int,
        owner: Owner,
        node: int,
        content: Request | Command,
        late: bool,
        twice: bool,
    ) -> None:
        if isinstance(content, Request) and content.ask in {Ask.ACQUIRE, Ask.RENEW}:
            self.calls = (
                *(call for call in self.calls if call[:2] != (owner, node)),
                (owner, node, self.t),
            )
        letter = Letter(self.t + LATE, server, owner, node, content)
        if (server, node, UP) in self.cuts:
            return
        if late or twice:
            self.post = (*self.post, letter)
        if not late:
            self._arrive(letter)

    def _arrive(self, letter: Letter) -> None:
        node = self.nodes[letter.node]
        self._settle(node)
        if isinstance(letter.content, Command):
            obey(node, letter.content, True, self.t, self.watch)
            return
        refused = serve(node, letter.owner, letter.content, self.t, self.watch)
        self._settle(node)
        if (letter.server, letter.node, DOWN) in self.cuts or letter.server in self.stopped:
            return
        server = self.servers[letter.server]
        if (server.server_id, server.session) == letter.owner:
            reply: Reply = answer(node.lease, refused, self.t)
            server.answered(letter.content, reply, self.t)

    def _settle(self, node: Node) -> None:
        if node.lease.lapsed(self.t):
            node.on = None

    def _check(self) -> None:
        self.watch.leaders(
            (server.server_id, server.session) for server in self.servers if server.leads(self.t)
        )
        self.watch.energised(node.on for node in self.nodes)
        for node in self.nodes:
            for owner, index, when in self.calls:
                if node.on == owner and node.index == index and self.t - when >= TTL:
                    raise ViolationError(f"I5: node {index} is on {self.t - when} ticks after")


def new_lease(boot_id: str, now: int, promised: Promise | None) -> Lease:
    """A node that has just started."""
    return Lease(
        boot_id=boot_id, now=now, promised=promised, members_hash=members_hash(NAMES), ttl=TTL
    )


def new_server(index: int, session: int, *, server_id: str | None = None) -> Leadership:
    """A server that has just started."""
    return Leadership(
        server_id=server_id or f"s{index}",
        session=f"x{session}",
        members=NAMES,
        rng=Steady(index + 1),
        ttl=TTL,
        rho=0.0,
        renew_ms=1,
        timeout_ms=1,
        slack_ms=1,
    )


def start(ticks: int = 10, *, server_id: str | None = None) -> World:
    """The first server leads, and what it switched on is on; `server_id` is a copied one."""
    world = World(
        0,
        [Node(index, new_lease(f"first{index}", 0, None)) for index in NODES],
        [new_server(index, index, server_id=server_id) for index in SERVERS],
        Watch(),
    )
    for _ in range(ticks):
        world.tick(None)
    return world


def search(world: World, *, faults: int, ticks: int, quiet: int) -> int:
    """Visit every state; how many there are. ViolationError names the faults that led there."""
    level: dict[object, tuple[World, int, tuple[Fault, ...]]] = {0: (world, faults, ())}
    visited = 1
    for number in range(ticks + quiet):
        following: dict[object, tuple[World, int, tuple[Fault, ...]]] = {}
        for state, left, path in level.values():
            for fault in _choices(left if number < ticks else 0):
                successor = state.copy()
                walked = (*path, (successor.t + 1, *fault)) if fault else path
                try:
                    successor.tick(fault)
                except ViolationError as err:
                    raise ViolationError(f"{err}; after {walked}") from None
                rest = left - bool(fault)
                key = successor.key()
                known = following.get(key)
                if known is None or known[1] < rest:
                    following[key] = (successor, rest, walked)
        level = following
        visited += len(level)
    return visited


def _choices(left: int) -> Iterator[Fault | None]:
    yield None
    if left:
        yield from FAULTS


def _slots(lease: Lease) -> tuple[Any, ...]:
    return tuple(getattr(lease, name) for name in Lease.__slots__)


def _copied(lease: Lease) -> Lease:
    new = Lease.__new__(Lease)
    for name in Lease.__slots__:
        setattr(new, name, getattr(lease, name))
    new._answers = lease._answers.copy()
    return new


def _facts(server: Leadership) -> dict[str, Any]:
    return {name: value for name, value in vars(server).items() if name != "_rng"}


def _copy_server(server: Leadership) -> Leadership:
    new = Leadership.__new__(Leadership)
    vars(new).update(vars(server))
    new._witnesses = dict(server._witnesses)
    return new


def _frozen(value: Any) -> Any:
    return tuple(sorted(value.items())) if isinstance(value, dict) else value


def main() -> None:
    """Search deeper."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=2)
    parser.add_argument("--ticks", type=int, default=8)
    parser.add_argument("--quiet", type=int, default=8)
    options = parser.parse_args()
    count = search(start(), faults=options.faults, ticks=options.ticks, quiet=options.quiet)
    print(f"{count} states, no invariant broken")  # noqa: T201 - a command prints


if __name__ == "__main__":
    main()
