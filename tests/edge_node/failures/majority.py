"""A server that leads a kettle by the majority of its nodes, as the lease's rules want it."""

import contextlib
import threading
import time
from typing import Any, Final

from tests.edge_node.failures.conftest import LIMIT_S, Brewery
from tests.edge_node.plain_client import PlainClient, SteadyClient

# A lease of 10 s as a server counts it: from before it was asked for, with a clock 1 % too fast.
HELD_S: Final = 10 * 0.99 / 1.01
ROUND_S: Final = 1.5
FRESH_S: Final = 5.0  # what a node said before that is not fused any more
ANSWER_S: Final = 4.0


class Server:
    """Asks and renews at each node in a thread of its own: one that hangs delays no other.

    The first node has the outputs. Without the majority it gives up what it holds, and leads again
    only when told to. Call `close` at the end.
    """

    def __init__(self, brewery: Brewery) -> None:
        nodes = brewery.line["nodes"]
        tokens = brewery.line["clients"][0]["tokens"]
        self.clients: list[PlainClient] = [
            SteadyClient(
                node["url"], tokens[node["node_id"]], node["fingerprint"], timeout=ANSWER_S
            )
            for node in nodes
        ]
        self._series = [f"{node['node_id']}/temperature" for node in nodes]
        self._locks = [threading.RLock() for _ in nodes]
        self._held = [0.0] * len(nodes)  # until when, monotonic seconds
        self._said: dict[int, tuple[float, float]] = {}  # when, °C
        self._leading = False
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, args=(number,), daemon=True)
            for number in range(len(nodes))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Renew no more."""
        self._end.set()
        for thread in self._threads:
            thread.join(LIMIT_S)

    def lead(self) -> None:
        """Take the lease on every node, with one epoch."""
        deadline = time.monotonic() + LIMIT_S
        while not self._acquire():
            assert time.monotonic() < deadline, "not every node grants the lease"
            time.sleep(0.5)
        self._leading = True

    @property
    def leads(self) -> bool:
        """Whether it holds the lease on a majority now."""
        now = time.monotonic()
        return self._leading and 2 * sum(until > now for until in self._held) > len(self._held)

    def reference(self) -> dict[str, Any]:
        """The mean of what those measure that answer."""
        since = time.monotonic() - FRESH_S
        said = {n: value for n, (at, value) in sorted(self._said.items()) if at >= since}
        return {
            "value": round(sum(said.values()) / len(said), 3) if said else None,
            "t": round(time.time() * 1000),
            "probes": [self._series[number] for number in said],
        }

    def switch(self, output: str, on: bool) -> tuple[int, dict[str, Any]]:
        """What the first node says to that."""
        with self._locks[0]:
            return self.clients[0].switch(output, on)

    def state(self) -> dict[str, Any]:
        """Of the first node."""
        with self._locks[0]:
            return self.clients[0].state()

    def epochs(self) -> list[int | None]:
        """Of the lease that each node shows."""
        found = []
        for lock, client in zip(self._locks, self.clients, strict=True):
            with lock:
                found.append(client.get(f"/v1/lease?kettle_id={client.kettle}")["epoch"])
        return found

    def _acquire(self) -> bool:
        with contextlib.ExitStack() as stack:
            for lock in self._locks:
                stack.enter_context(lock)
            try:
                promised = [
                    client.get(f"/v1/lease?kettle_id={client.kettle}")["promised_epoch"] or 0
                    for client in self.clients
                ]
                for number, client in enumerate(self.clients):
                    client.who = {**self.clients[0].who, "epoch": max(promised) + 1}
                    sent = time.monotonic()
                    if client.lease("acquire")[0] != 200:
                        return False
                    client.seq, self._held[number] = 0, sent + HELD_S
            except OSError:
                return False
        return True

    def _keep(self, number: int) -> None:
        while not self._end.wait(ROUND_S):
            with contextlib.suppress(OSError), self._locks[number]:
                self._round(number)

    def _round(self, number: int) -> None:
        client, asked = self.clients[number], time.monotonic()
        reading = client.state()["channels"]["temperature"]
        if reading["quality"] == "ok":
            self._said[number] = (asked, reading["value"])
        if self._held[number] == 0:
            return
        if not self.leads:
            self._leading, self._held[number] = False, 0.0
            client.lease("release")
        elif client.renew(reference=self.reference())[0] == 200:
            self._held[number] = asked + HELD_S
        else:
            self._held[number] = 0.0
