"""A node as both searches use it: its lease as it is, a disk, and an output."""

from dataclasses import dataclass

from custom_components.smart_beer.lease_messages import Ask, Command, Reply, Request
from edge_node.lease import Grant, Lease, Promise, Refused

from .invariants import Owner, Watch


@dataclass
class Node:
    """A node: its lease, its disk, and who switched its output on."""

    index: int
    lease: Lease
    disk: Promise | None = None
    on: Owner | None = None

    @property
    def boot_id(self) -> str:
        """As the lease knows it."""
        return self.lease.boot_id


def serve(node: Node, owner: Owner, request: Request, now: int, watch: Watch) -> Refused | None:
    """What a node does with a lease call."""
    who = {"server_id": owner[0], "session": owner[1], "epoch": request.epoch}
    if request.ask is Ask.RELEASE:
        return node.lease.release(now, **who)  # type: ignore[arg-type]
    if request.ask is Ask.STATUS or request.echo is None:
        return None
    echo = {"echo_boot": request.echo.boot_id, "echo_ms": request.echo.mono_ms}
    if request.ask is Ask.RENEW:
        return node.lease.renew(now, **who, **echo)  # type: ignore[arg-type]
    grant = node.lease.acquire(now, **who, **echo)  # type: ignore[arg-type]
    if not isinstance(grant, Grant):
        return grant
    node.disk = grant.promise
    refused = node.lease.commit(grant, now)
    if refused is None:
        watch.granted(node.index, node.boot_id)
    return refused


def answer(lease: Lease, refused: Refused | None, now: int) -> Reply:
    """What goes over the wire."""
    stamp = {"boot_id": lease.boot_id, "mono_ms": now}
    if refused is None:
        return Reply.of(200, {**lease.status(now), **stamp})
    return Reply.of(refused.status, {"error": {"detail": refused.detail}, **stamp})


def obey(node: Node, command: Command, on: bool, now: int, watch: Watch) -> bool:
    """What a node does with a command; whether it obeyed."""
    cmd_id = f"{command.server_id}/{command.session}/{command.seq}"
    verdict = node.lease.admit(
        now,
        server_id=command.server_id,
        session=command.session,
        epoch=command.epoch,
        boot_id=command.boot_id,
        seq=command.seq,
        not_after=command.not_after_ms,
        cmd_id=cmd_id,
    )
    if verdict is not None:
        return False
    node.lease.remember(cmd_id, "done")
    holder = node.lease.holder(now)
    owner = (command.server_id, command.session)
    watch.obeys(
        node.index,
        node.boot_id,
        owner,
        command.epoch,
        command.seq,
        (holder.server_id, holder.session) if holder else None,
    )
    node.on = owner if on else None
    return True
