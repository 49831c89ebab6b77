"""Records in the embedded store and in MongoDB, on both drivers, against the contract."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from storage_bridge.tiers.mongo_client import Mongo
from storage_bridge.tiers.mongo_settings import Driver, MongoSettings
from storage_bridge.tiers.mongo_warm import MongoWarm
from storage_bridge.tiers.sqlite_cold import SqliteCold
from storage_bridge.tiers.sqlite_store import SqliteStore
from storage_bridge.tiers.sqlite_warm import SqliteWarm
from tests.storage_bridge.servers.mongo import drop

from .contract import Make, RecordsContract, records
from .contract_cold import ColdRecordsContract

__all__ = ["records"]


class TestSqlite(RecordsContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda: SqliteWarm(SqliteStore(tmp_path / "store.db")).records


class TestSqliteArchive(ColdRecordsContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda: SqliteCold(SqliteStore(tmp_path / "store.db")).records


class TestMongo(RecordsContract):
    @pytest.fixture(params=["motor", "pymongo"])
    def make(self, request: pytest.FixtureRequest, mongo_url: str) -> Iterator[Make]:
        database = f"smart_beer_test_{uuid.uuid4().hex[:12]}"
        driver = cast("Driver", request.param)
        settings = MongoSettings(url=mongo_url, driver=driver, database=database)
        yield lambda: MongoWarm(Mongo(settings)).records
        drop(mongo_url, database)
