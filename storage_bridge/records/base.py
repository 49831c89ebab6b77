"""The one protocol for records, whatever store is behind it."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .model import Record


class Records(Protocol):
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

    async def get[R: Record](self, kind: type[R], key: str) -> R | None:
        """The record with that key."""
        ...

    async def find[R: Record](
        self,
        kind: type[R],
        *,
        start: int | None = None,
        end: int | None = None,
        subject: str | None = None,
        batch: str | None = None,
        limit: int = 1000,
    ) -> list[R]:
        """The first `limit` with `start <= at < end` (ms) of a subject or batch, by rising `at`."""
        ...
