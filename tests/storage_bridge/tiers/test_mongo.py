"""The MongoDB warm tier against the contract, on both drivers; hot and cold are embedded."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.mongo_client import Mongo
from storage_bridge.tiers.mongo_settings import Driver, MongoSettings
from storage_bridge.tiers.mongo_warm import MongoWarm
from storage_bridge.tiers.sqlite_hot import SqliteHot
from storage_bridge.tiers.sqlite_store import SqliteStore
from tests.storage_bridge.servers.mongo import drop

from .contract import TierFactory, TiersContract, tiers
from .contract_warm import WarmContract

__all__ = ["tiers"]


class MongoFactory:
    """An empty database of its own."""

    shows_conflicts = False

    def __init__(self, settings: MongoSettings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self.now = time.time_ns() // 1_000_000

    def client(self) -> Tiers:
        return Tiers(
            hot=SqliteHot(SqliteStore(self._folder / "hot.db"), shares_rows=False),
            warm=MongoWarm(Mongo(self._settings)),
            cold=embedded(self._folder / "cold.db").cold,
        )


@pytest.fixture(params=["motor", "pymongo"])
def factory(
    request: pytest.FixtureRequest, tmp_path: Path, mongo_url: str
) -> Iterator[TierFactory]:
    database = f"smart_beer_test_{uuid.uuid4().hex[:12]}"
    driver = cast("Driver", request.param)
    yield MongoFactory(MongoSettings(url=mongo_url, driver=driver, database=database), tmp_path)
    drop(mongo_url, database)


class TestWarm(WarmContract):
    """Warm."""


class TestTiers(TiersContract):
    """All."""
