"""A server's side of a kettle's leases, and nodes that grant what they are asked."""

import random
from typing import Any

from custom_components.smart_beer.lease import TTL_MS, Leadership, Role
from custom_components.smart_beer.lease_messages import Ask, Reply, Request, members_hash


class Brewery:
    """Nodes that grant what they are asked, unless a test says otherwise."""

    def __init__(self, nodes: int = 3, *, now: int = 1_000_000, session: str = "s1") -> None:
        self.now = now
        self.names = [f"n{index}" for index in range(1, nodes + 1)]
        self.silent: set[str] = set()
        self.said: dict[str, dict[str, Any]] = {name: {} for name in self.names}
        self.status = dict.fromkeys(self.names, 200)
        self.boot = dict.fromkeys(self.names, "b1")
        self.sent: list[Request] = []
        self.lead = Leadership(
            server_id="me", session=session, members=self.names, rng=random.Random(1)
        )

    def reply(self, request: Request, **more: Any) -> Reply:
        """What the node answers: its clock is this server's less 900 seconds."""
        name = request.node_id
        content: dict[str, Any] = {"members_hash": members_hash(self.names), "expires_in_ms": 0}
        if request.ask in {Ask.ACQUIRE, Ask.RENEW} and self.status[name] == 200:
            content |= {
                "holder": "me",
                "epoch": request.epoch,
                "promised_epoch": request.epoch,
                "expires_in_ms": TTL_MS,
            }
        content |= self.said[name] | more
        status = 200 if request.ask is Ask.STATUS else self.status[name]
        return Reply(status, self.boot[name], self.now - 900_000, **content)

    def due(self, *, fit: bool = True) -> list[Request]:
        requests = self.lead.due(self.now, fit=fit)
        self.sent += requests
        return requests

    def answer(self, requests: list[Request]) -> list[str]:
        """Answer them all; the nodes that are newly held."""
        return [
            request.node_id
            for request in requests
            if request.node_id not in self.silent
            and self.lead.answered(request, self.reply(request), self.now)
        ]

    def step(self, ms: int = 250, *, fit: bool = True) -> list[Request]:
        self.now += ms
        requests = self.due(fit=fit)
        self.answer(requests)
        return requests

    def run(self, ms: int) -> list[Request]:
        """Let time pass in steps; everything sent."""
        sent: list[Request] = []
        for _ in range(ms // 250):
            sent += self.step()
        return sent


def led(nodes: int = 3) -> Brewery:
    """A server that has just become leader, by grants of all nodes."""
    brewery = Brewery(nodes)
    brewery.step()
    assert brewery.lead.role is Role.FOLLOWING
    brewery.step()
    assert brewery.lead.leads(brewery.now)
    return brewery
