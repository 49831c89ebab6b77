"""A lease without a disk, two servers, and one of them again: for the tests of each rule."""

from __future__ import annotations

from typing import Any

from edge_node.lease import Grant, Lease, Promise, Refused, Replay

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
