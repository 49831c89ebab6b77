"""The embedded tiers against the contract, in one file and with hot in a file of its own."""

import time
from pathlib import Path

import pytest

from storage_bridge.codec import encode, verified
from storage_bridge.model import Last, Sample
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.sqlite_hot import SqliteHot
from storage_bridge.tiers.sqlite_store import SqliteStore

from .contract import TierFactory, TiersContract, tiers
from .contract_cold import ColdContract
from .contract_hot import HotContract
from .contract_warm import WarmContract

__all__ = ["tiers"]


class SqliteFactory:
    """A store file in a folder of the test's."""

    shows_conflicts = True

    def __init__(self, folder: Path, *, hot_apart: bool) -> None:
        self._folder = folder
        self._hot_apart = hot_apart
        self.now = time.time_ns() // 1_000_000

    def client(self) -> Tiers:
        made = embedded(self._folder / "store.db")
        if not self._hot_apart:
            return made
        return made._replace(hot=SqliteHot(SqliteStore(self._folder / "hot.db"), shares_rows=False))


@pytest.fixture(params=["one file", "hot apart"])
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> TierFactory:
    return SqliteFactory(tmp_path, hot_apart=request.param == "hot apart")


class TestHot(HotContract):
    """Hot."""

    async def test_minus_zero_comes_back_as_its_equal(self, tiers: Tiers) -> None:
        """In rows and as the newest; only an archived hour, which is a blob, keeps the sign."""
        sample = Sample("n/a", 0, -0.0, "ok", None)
        await tiers.warm.write([sample])
        await tiers.hot.write([sample])
        await tiers.hot.write_last({"n/a": Last(*sample[1:], "s1", 1)})
        await tiers.cold.write_chunk(encode([sample]))
        rows = [await tier.read("n/a", 0, 1) for tier in (tiers.hot, tiers.warm)]
        assert rows == [[sample], [sample]]
        newest = (await tiers.hot.newest())["n/a"]
        [chunk] = await tiers.cold.chunks("n/a", 0, 1)
        values = [*(row.value for [row] in rows), newest.value, verified(chunk)[0].value]
        assert [str(value) for value in values] == ["0.0", "0.0", "0.0", "-0.0"]
        written = await tiers.warm.write([sample])
        assert (written.new, written.same, written.conflicts) == (0, 1, ())
        assert await tiers.warm.delete_exact([sample]) == 1


class TestWarm(WarmContract):
    """Warm."""


class TestCold(ColdContract):
    """Cold."""


class TestTiers(TiersContract):
    """All."""
