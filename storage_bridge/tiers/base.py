"""The one protocol that every tier speaks, whatever store is behind it.

Hot and warm hold samples, cold holds encoded hours. All calls are coroutines, safe to cancel and
to repeat; several bridges may use one store at once.
"""

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from storage_bridge.codec import Chunk, ChunkHead
    from storage_bridge.model import Last, Sample
    from storage_bridge.records.base import ColdRecords, WarmRecords

type Role = Literal["hot", "warm", "cold"]


class TierError(Exception):
    """Base of what a tier raises; its text is a sentence that names the store."""


class TierUnavailableError(TierError):
    """The store cannot do it now (network, lock, disk full, timeout); try again later."""


class TierRejectedError(TierError):
    """The store will never take this: one of the records given is at fault.

    Or it will never give it: what is stored there is damaged.
    """


class Conflict(NamedTuple):
    """Two contents for one key `(series, t)`: the one that stayed and the one that did not."""

    kept: Sample
    refused: Sample


class Written(NamedTuple):
    """What became of a batch; `new + same + len(conflicts)` is the number of samples given.

    A store that cannot tell new from same counts both as `new`; one that cannot show a conflict
    (Redis, MongoDB) reports none, and the mover's compare finds it.
    """

    new: int
    same: int
    conflicts: tuple[Conflict, ...] = ()


class Span(NamedTuple):
    """Times (ms) of the oldest and the newest sample of a series."""

    first: int
    last: int


class SeriesHour(NamedTuple):
    """An hour (its start, ms) of a series."""

    series: str
    hour: int


class Bucket(NamedTuple):
    """All samples of a series with `t <= time < t + bucket_ms`.

    `rows` counts every sample, `n` those that are numbers (`model.is_number`); `low`, `high` are
    None and `total` 0.0 when `n` is 0. `first` and `last` are times (ms) over all rows.
    """

    t: int
    rows: int
    n: int
    low: float | None
    high: float | None
    total: float
    first: int
    last: int


class Standing(NamedTuple):
    """What the content of a hot tier is known to be.

    `holder` names whatever holds it now, a server's process for example: under another name it
    may lack the newest that was acknowledged. `content` is `whole` once it was filled for this
    holder, `tail` when it was filled for another, `empty` when it never was or has been lost.
    """

    holder: str
    content: Literal["whole", "tail", "empty"]


class Tier(Protocol):
    """What hot, warm and cold share. Every method raises `TierUnavailableError`."""

    @property
    def role(self) -> Role:
        """Which of the three it is; names it in partial answers."""
        ...

    async def open(self) -> None:
        """Connect and prepare the store; idempotent."""
        ...

    async def close(self) -> None:
        """Let go of the store; idempotent."""
        ...

    async def series(self) -> list[str]:
        """Every series with at least one sample here, sorted."""
        ...

    async def span(self, series: str) -> Span | None:
        """The oldest and newest time stored of a series, None when there is none."""
        ...

    async def count(self) -> int:
        """The number of samples stored; for status, may cost a scan."""
        ...


class RowTier(Tier, Protocol):
    """A tier that holds single samples."""

    async def write(self, samples: Sequence[Sample]) -> Written:
        """Store samples durably before returning; idempotent by key, any order, may be empty.

        Raises TierRejectedError, having stored nothing, when one of them can never be stored.
        For differing content under one key, either stays, but always exactly one.
        """
        ...

    async def read(
        self, series: str, start: int, end: int, limit: int | None = None
    ) -> list[Sample]:
        """The first `limit` samples with `start <= t < end` (ms), by rising `t`."""
        ...


class HotTier(RowTier, Protocol):
    """The newest days, and the newest sample of each series: a cache, which may lose anything."""

    @property
    def shares_rows(self) -> bool:
        """Whether its samples are the warm tier's own rows.

        Then nothing need be read here that was read from warm, and a feeder that wrote samples to
        warm has written them here; `write_last` is still its to call.
        """
        ...

    @property
    def settle_s(self) -> float:
        """How long (s) what it acknowledged may still be lost with its holder; 0: it is not."""
        ...

    async def standing(self) -> Standing:
        """Who holds the content, and whether it is all there; cheap, asked every second."""
        ...

    async def begin_fill(self) -> str:
        """What `end_fill` takes, once the tier was filled from warm and from what is on its way."""
        ...

    async def end_fill(self, token: str) -> bool:
        """Make the content `whole` for the holder of then; False if it was lost since.

        Also where it has passed to another holder, which may lack what came after the token.
        """
        ...

    async def newest(self) -> dict[str, Last]:
        """The newest sample of each series."""
        ...

    async def write_last(self, last: Mapping[str, Last]) -> int:
        """Move the newest sample of each series by `Last.yields_to`; how many moved."""
        ...

    async def expire(self, before: int) -> int:
        """Forget samples with `t < before` (ms), not `newest`; how many are gone, if known.

        Samples of the minute that `before` lies in may stay.
        """
        ...


class WarmTier(RowTier, Protocol):
    """The newest weeks. Only `delete_exact` ever removes anything."""

    @property
    def records(self) -> WarmRecords:
        """The records in the same store, to be opened and closed by itself."""
        ...

    async def aggregate(self, series: str, start: int, end: int, bucket_ms: int) -> list[Bucket]:
        """The buckets that hold samples, by rising `t`; costs what lies in the range, not 1 Hz.

        `start` and `end` are multiples of `bucket_ms`, which divides an hour or is whole hours.
        """
        ...

    async def hours_before(self, t: int, limit: int) -> list[SeriesHour]:
        """At most `limit` hours with samples that end at or before `t` (ms), oldest first."""
        ...

    async def delete_exact(self, samples: Sequence[Sample]) -> int:
        """Remove those of these samples that are still stored with this very content.

        All are of one series and hour. Returns how many are gone. A store whose unit is bigger
        than a sample leaves a unit that holds anything else; never removes what was not given.
        """
        ...

    async def keep_conflicts(self, conflicts: Iterable[Conflict]) -> None:
        """Keep, durably and once each, contents that met another one under their key."""
        ...

    async def conflicts(self, limit: int) -> list[Conflict]:
        """At most `limit` of the conflicts kept."""
        ...


class ColdTier(Tier, Protocol):
    """The archive: encoded hours, several of one hour when data came late, and records."""

    @property
    def records(self) -> ColdRecords:
        """The records in the same store, open while this is."""
        ...

    async def write_chunk(self, chunk: Chunk) -> None:
        """Store a chunk under `(series, hour, gen)`; a repetition replaces it with its equal.

        Acknowledged is not yet durable everywhere (Cassandra's commit log): see the mover.
        """
        ...

    async def heads(self, series: str, start: int, end: int) -> list[ChunkHead]:
        """Heads of the chunks whose hours meet `start <= t < end` (ms), by hour, then gen."""
        ...

    async def chunks(self, series: str, start: int, end: int) -> list[Chunk]:
        """The same chunks whole, undecoded and unverified."""
        ...

    async def mark(self, series: str, hour: int) -> bytes:
        """Changes when a chunk of that hour is written again, its equal too, or is lost.

        Always the same where what was acknowledged is on the disk.
        """
        ...


class Tiers(NamedTuple):
    """The three tiers of a bridge."""

    hot: HotTier
    warm: WarmTier
    cold: ColdTier

    async def open(self) -> None:
        """Open all three; those already open are closed again when one fails."""
        try:
            await self.hot.open()
            await self.warm.open()
            await self.cold.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close all three."""
        await self.cold.close()
        await self.warm.close()
        await self.hot.close()
