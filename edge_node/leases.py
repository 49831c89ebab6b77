"""The leases of all kettles of a node: joins the rules, the disk and the node's clock.

`lock` guards the leases and whatever the callbacks change. Hold it while looking at `holder` and
acting on the answer, so that no lease ends between the two; it may be taken again by its owner.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from edge_node.lease import OVERRIDE_MS, Lease, Promise, Refused, Replay
from edge_node.secret_file import SecretFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from edge_node.lease_store import LeaseStore

LOGGER = logging.getLogger(__name__)

# A server gives up on a request after a second and takes another stamp; a disk slower than this
# grants nothing.
WRITE_TIMEOUT_S: Final = 2.0


def members_hash(group: Iterable[str]) -> str:
    """What a kettle's nodes must agree on: 16 hex digits over the sorted ids of its group."""
    return hashlib.sha256(",".join(sorted(group)).encode()).hexdigest()[:16]


@dataclass(slots=True)
class _Kettle:
    lease: Lease
    group: tuple[str, ...]
    granting: asyncio.Lock = field(default_factory=asyncio.Lock)
    writing: Future[None] | None = None


class Leases:
    """Every kettle's lease on this node; calls name a kettle and raise KeyError for a strange one.

    `groups` holds, for each kettle that the node serves, the ids of all nodes that serve it.
    `ended(kettle_id)` is called with `lock` held whenever a lease began or ended, before anything
    else is done for the kettle: it must clear what the kettle's outputs were told, and be quick.
    `referred(kettle_id, reference, mono_ms)` is given the reference that came with a renewal, and
    the node's own stamp from which its age counts.
    """

    def __init__(
        self,
        *,
        node_id: str,
        boot_id: str,
        mono_ms: Callable[[], int],
        groups: Mapping[str, tuple[str, ...]],
        store: LeaseStore,
        ended: Callable[[str], None],
        referred: Callable[[str, Mapping[str, Any], int], None],
        write_timeout_s: float = WRITE_TIMEOUT_S,
    ) -> None:
        self.lock = threading.RLock()
        self._node_id = node_id
        self._mono_ms = mono_ms
        self._store = store
        self._ended = ended
        self._referred = referred
        self._write_timeout_s = write_timeout_s
        # One thread, so that writes keep their order also when the disk hangs.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="lease-store")
        now = mono_ms()
        self._kettles = {
            kettle_id: _Kettle(
                Lease(
                    boot_id=boot_id,
                    now=now,
                    promised=store.load(kettle_id),
                    members_hash=members_hash(group),
                ),
                group,
            )
            for kettle_id, group in groups.items()
        }

    def close(self) -> None:
        """Let go of the disk's thread; a write that hangs is not waited for."""
        self._disk.shutdown(wait=False, cancel_futures=True)

    def __contains__(self, kettle_id: str) -> bool:
        return kettle_id in self._kettles

    def __iter__(self) -> Iterator[str]:
        return iter(self._kettles)

    def tick(self) -> None:
        """End what has run out; call at least every half second, from any thread."""
        with self.lock:
            for kettle_id in self._kettles:
                self._settled(kettle_id)

    def status(self, kettle_id: str) -> dict[str, Any]:
        """The lease as `/v1/lease` and the node's state show it."""
        with self.lock:
            kettle, now = self._settled(kettle_id)
            return {
                "kettle_id": kettle_id,
                "node": self._node_id,
                "group": list(kettle.group),
                **kettle.lease.status(now),
            }

    def holder(self, kettle_id: str) -> Promise | None:
        """Whom the kettle's outputs obey now."""
        with self.lock:
            kettle, now = self._settled(kettle_id)
            return kettle.lease.holder(now)

    def override(self, ms: int = OVERRIDE_MS) -> None:
        """The node's override button: every kettle of this node, for `ms`; 0 gives them back."""
        with self.lock:
            for kettle_id in self._kettles:
                kettle, now = self._settled(kettle_id)
                kettle.lease.override(now, ms)
                self._settled(kettle_id)

    def override_ms(self, kettle_id: str) -> int:
        """How long the override of this kettle still lasts; 0 without one."""
        with self.lock:
            kettle, now = self._settled(kettle_id)
            return kettle.lease.override_ms(now)

    async def acquire(
        self,
        kettle_id: str,
        *,
        server_id: str,
        session: str,
        epoch: int,
        echo_boot: str,
        echo_ms: int,
        members_hash: str | None = None,
    ) -> Refused | None:
        """Grant the lease, its promise durable first; None means granted.

        Besides the rules' refusals 503 `cannot_store`: the promise cannot be written, or not soon.
        """
        kettle = self._kettles[kettle_id]
        async with kettle.granting:
            with self.lock:
                _, now = self._settled(kettle_id)
                grant = kettle.lease.acquire(
                    now,
                    server_id=server_id,
                    session=session,
                    epoch=epoch,
                    echo_boot=echo_boot,
                    echo_ms=echo_ms,
                    members_hash=members_hash,
                )
                if isinstance(grant, Refused):
                    return grant
                known = kettle.lease.promised == grant.promise
            if not known and (failed := await self._store_durably(kettle_id, grant.promise)):
                return failed
            with self.lock:
                _, now = self._settled(kettle_id)
                refused = kettle.lease.commit(grant, now)
                self._settled(kettle_id)
                return refused

    def renew(
        self,
        kettle_id: str,
        *,
        server_id: str,
        session: str,
        epoch: int,
        echo_boot: str,
        echo_ms: int,
    ) -> Refused | None:
        """Prolong the holder's lease; needs no disk."""
        with self.lock:
            kettle, now = self._settled(kettle_id)
            return kettle.lease.renew(
                now,
                server_id=server_id,
                session=session,
                epoch=epoch,
                echo_boot=echo_boot,
                echo_ms=echo_ms,
            )

    def refer(self, kettle_id: str, reference: Mapping[str, Any], mono_ms: int) -> None:
        """Hand on what the holder says of the kettle's other probes, as of the node's stamp."""
        with self.lock:
            self._referred(kettle_id, reference, mono_ms)

    def release(
        self, kettle_id: str, *, server_id: str, session: str, epoch: int
    ) -> Refused | None:
        """End the holder's lease at once."""
        with self.lock:
            kettle, now = self._settled(kettle_id)
            refused = kettle.lease.release(now, server_id=server_id, session=session, epoch=epoch)
            self._settled(kettle_id)
            return refused

    def admit(
        self,
        kettle_id: str,
        *,
        server_id: str,
        session: str,
        epoch: int,
        boot_id: str,
        seq: int,
        not_after: int,
        cmd_id: str,
    ) -> Refused | Replay | None:
        """Judge a command on its arrival; hold `lock` until it is carried out and remembered."""
        with self.lock:
            kettle, now = self._settled(kettle_id)
            return kettle.lease.admit(
                now,
                server_id=server_id,
                session=session,
                epoch=epoch,
                boot_id=boot_id,
                seq=seq,
                not_after=not_after,
                cmd_id=cmd_id,
            )

    def remember(self, kettle_id: str, cmd_id: str, answer: Any) -> None:  # noqa: ANN401 - any JSON
        """Keep the answer of an admitted command for its duplicates."""
        with self.lock:
            self._kettles[kettle_id].lease.remember(cmd_id, answer)

    def _settled(self, kettle_id: str) -> tuple[_Kettle, int]:
        """The kettle, its lapse told first, and the time."""
        kettle, now = self._kettles[kettle_id], self._mono_ms()
        if kettle.lease.lapsed(now):
            self._ended(kettle_id)
        return kettle, now

    async def _store_durably(self, kettle_id: str, promise: Promise) -> Refused | None:
        kettle = self._kettles[kettle_id]
        if kettle.writing is not None and not kettle.writing.done():
            return Refused(503, "cannot_store", {"reason": "an earlier write still hangs"})
        kettle.writing = self._disk.submit(self._store.save, kettle_id, promise)
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await asyncio.shield(asyncio.wrap_future(kettle.writing))
        except TimeoutError:
            LOGGER.error(  # noqa: TRY400 - the sentence says it all
                "The lease of kettle %s is not granted: the disk does not answer", kettle_id
            )
            return Refused(503, "cannot_store", {"reason": "the disk does not answer"})
        except SecretFileError as err:
            LOGGER.error(  # noqa: TRY400 - as above
                "The lease of kettle %s is not granted: %s", kettle_id, err
            )
            return Refused(503, "cannot_store", {"reason": "the disk takes no writes"})
        return None
