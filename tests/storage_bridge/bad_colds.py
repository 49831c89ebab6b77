"""Archives that do not do what they say."""

from typing import override

from storage_bridge.codec import Chunk
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.sqlite_cold import SqliteCold


class ForgetfulCold(SqliteCold):
    """Says yes and stores nothing."""

    @override
    async def write_chunk(self, chunk: Chunk) -> None:
        return


class FailingCold(SqliteCold):
    """Stores, then says no: the write was ambiguous."""

    @override
    async def write_chunk(self, chunk: Chunk) -> None:
        await super().write_chunk(chunk)
        raise TierUnavailableError("The cold store did not answer.")


class MuteCold(SqliteCold):
    """Never answers for one hour."""

    mute = 0

    @override
    async def chunks(self, series: str, start: int, end: int) -> list[Chunk]:
        if start == self.mute:
            raise TierUnavailableError("The cold store did not answer.")
        return await super().chunks(series, start, end)
