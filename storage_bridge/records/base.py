"""The one protocol for records, whatever store is behind it, and what warm and cold add to it."""

from typing import TYPE_CHECKING, Protocol, Unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .model import Record
    from .where import Where


class Readable(Protocol):
    """Records that can be read; every method raises TierUnavailableError."""

    async def get[R: Record](self, kind: type[R], key: str) -> R | None:
        """The record with that key."""
        ...

    async def find[R: Record](
        self, kind: type[R], *, limit: int = 1000, **where: Unpack[Where]
    ) -> list[R]:
        """The first `limit` of those asked for, by rising `at`, then `key`."""
        ...


class Records(Readable, Protocol):
    """Keeps records by kind; calls are safe to cancel and to repeat, several bridges may write.

    Every method raises TierUnavailableError.
    """

    async def open(self) -> None:
        """Connect and prepare the store; idempotent."""
        ...

    async def close(self) -> None:
        """Let go of the store; idempotent."""
        ...

    async def put(self, records: Sequence[Record]) -> int:
        """Keep records durably, each merged into what there is; how many brought anything new.

        They may be of several kinds, and of one key. Records of one key never undo each other.
        """
        ...


class WarmRecords(Records, Protocol):
    """Records of the warm tier, each with the seal of the archive that holds it as it is now."""

    async def unarchived[R: Record](self, kind: type[R], seal: str, limit: int) -> list[R]:
        """At most `limit` records that have not been archived under `seal` since they changed."""
        ...

    async def set_archived(self, records: Sequence[Record], seal: str) -> int:
        """Note that the archive holds these very contents; of how many that is new.

        One that has changed meanwhile is not noted.
        """
        ...


class ColdRecords(Records, Protocol):
    """Records of the cold tier, which is open while its tier is; `put` may raise TierRejectedError.

    What is acknowledged is not yet durable everywhere (Cassandra's commit log): see the archiver.
    """

    async def seal(self) -> str:
        """A name that this archive has given to itself: under another one it may hold nothing."""
        ...

    async def held(self, records: Sequence[Record]) -> list[bytes | None]:
        """For each: None unless the archive holds it, and finds it, as `put` left it.

        Else a mark, which changes when anything of it is written again.
        """
        ...
