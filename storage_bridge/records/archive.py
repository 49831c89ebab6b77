"""Copies records from warm to cold, and again when they change; nothing is deleted anywhere.

Warm notes with each record which archive holds it as it is now, and forgets that when the record
changes: what lacks the note is the to-do list. A pass copies what cold lacks and reads it back;
only a later pass, when cold has had time to make its yes durable, reads it back once more and lets
warm note it, if neither has changed. Contents merge, so movers may run at once, and be killed.

Events stay in warm too: they are found there by the time up to which an entity was mirrored, and
some thousands a day are less than the samples of one probe.
"""

import time
from itertools import batched
from typing import TYPE_CHECKING, NamedTuple

from storage_bridge.tiers.base import TierRejectedError

from .content import content_of
from .model import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .base import ColdRecords, WarmRecords
    from .model import Record

_PER_PASS = 1000
_AT_ONCE = 100


class RecordsPass(NamedTuple):
    """What a pass did: records written to cold, noted as archived, waiting for the second look.

    `failed` has a sentence for each that cold does not take, `more` says that there are others, it
    has not looked at all of them.
    """

    copied: int
    archived: int
    waiting: int
    failed: tuple[str, ...]
    more: bool


class Archived(NamedTuple):
    """Records archived since an archiver was made, and what its last whole pass left.

    `left` are not archived as they are now, at least so many; of them cold does not take `failing`.
    """

    archived: int = 0
    left: int = 0
    failing: int = 0


class _Proof(NamedTuple):
    at: float
    content: bytes
    mark: bytes


class _Pass:
    def __init__(self, seal: str) -> None:
        self.seal = seal
        self.proofs: dict[tuple[str, str], _Proof] = {}
        self.copied = 0
        self.archived = 0
        self.failed: list[str] = []


class RecordArchiver:
    """Archives what is new or has changed; several may run at once, anywhere.

    It looks at no more than `per_pass` records of a kind. `clock` counts seconds and is never set:
    it measures how long cold has had to settle.
    """

    def __init__(
        self,
        warm: WarmRecords,
        cold: ColdRecords,
        *,
        settle_s: float,
        per_pass: int = _PER_PASS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._warm = warm
        self._cold = cold
        self._settle_s = settle_s
        self._per_pass = per_pass
        self._clock = clock
        self._seal: str | None = None
        self.archived = Archived()
        self._proofs: dict[tuple[str, str], _Proof] = {}

    async def run_pass(self) -> RecordsPass:
        """Take every due record one step further; raises TierUnavailableError, may be repeated."""
        await self._warm.open()
        seal = await self._cold.seal()
        if seal != self._seal:  # another archive, or one that was emptied
            self._seal, self._proofs = seal, {}
        done, seen, more = _Pass(seal), 0, False
        for kind in KINDS:
            due = await self._warm.unarchived(kind, seal, self._per_pass)
            for some in batched(due, _AT_ONCE, strict=False):
                await self._step(some, done)
            seen += len(due)
            more |= len(due) == self._per_pass
        self._proofs = done.proofs
        self.archived = self.archived._replace(left=seen - done.archived, failing=len(done.failed))
        return RecordsPass(done.copied, done.archived, len(done.proofs), tuple(done.failed), more)

    async def _step(self, due: Sequence[Record], done: _Pass) -> None:
        ready = [record for record in due if not self._settling(record, done)]
        marks = await self._cold.held(ready)
        lacking = [record for record, mark in zip(ready, marks, strict=True) if mark is None]
        if lacking:
            refused = await self._copy(lacking)
            done.copied += len(lacking) - len(refused)
            done.failed += refused.values()
            ready = [record for record in ready if (record.kind, record.key) not in refused]
            marks = await self._cold.held(ready)
        proven: list[Record] = []
        for record, mark in zip(ready, marks, strict=True):
            place, content = (record.kind, record.key), content_of(record).gen
            proof = self._proofs.get(place)
            if mark is None:
                done.failed.append(
                    f"The cold tier did not give back the record {record.key} of {record.kind} "
                    "that it was given; it is tried again."
                )
            elif proof is not None and (proof.content, proof.mark) == (content, mark):
                proven.append(record)
            else:
                # What another mover wrote again, since cold had forgotten it, settles once more.
                done.proofs[place] = _Proof(self._clock(), content, mark)
        if proven:
            noted = await self._warm.set_archived(proven, done.seal)
            done.archived += noted
            self.archived = self.archived._replace(archived=self.archived.archived + noted)

    def _settling(self, record: Record, done: _Pass) -> bool:
        place = (record.kind, record.key)
        proof = self._proofs.get(place)
        if proof is None or self._clock() - proof.at >= self._settle_s:
            return False
        if proof.content != content_of(record).gen:
            return False
        done.proofs[place] = proof
        return True

    async def _copy(self, lacking: Sequence[Record]) -> dict[tuple[str, str], str]:
        """Why some were refused, by kind and key."""
        try:
            await self._cold.put(lacking)
        except TierRejectedError:
            # One of them is at fault: the others are not to wait for it.
            refused: dict[tuple[str, str], str] = {}
            for record in lacking:
                try:
                    await self._cold.put([record])
                except TierRejectedError as err:
                    refused[record.kind, record.key] = (
                        f"The record {record.key} of {record.kind} is not archived: {err}"
                    )
            return refused
        return {}
