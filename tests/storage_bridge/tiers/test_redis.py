"""The hot tier in Redis against the contract: one server, behind Sentinels, and in a cluster."""

import time
import uuid
from pathlib import Path

import pytest

from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.redis_hot import RedisHot
from storage_bridge.tiers.redis_settings import RedisSettings
from tests.storage_bridge.servers.redis import PREFIX

from .contract import TierFactory, TiersContract, tiers
from .contract_hot import HotContract

__all__ = ["tiers"]


class RedisFactory:
    """Keys of a test's own on the session's server; warm and cold in a file."""

    shows_conflicts = False

    def __init__(self, url: str, folder: Path) -> None:
        self.settings = RedisSettings(url=url, prefix=f"{PREFIX}{uuid.uuid4().hex}")
        self._folder = folder
        self.now = time.time_ns() // 1_000_000

    def client(self) -> Tiers:
        return embedded(self._folder / "store.db")._replace(hot=RedisHot(self.settings))


@pytest.fixture(params=["redis_url", "redis_sentinel_url", "redis_cluster_url"])
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> TierFactory:
    return RedisFactory(request.getfixturevalue(request.param), tmp_path)


class TestHot(HotContract):
    """Hot."""


class TestTiers(TiersContract):
    """Hot in Redis, warm and cold embedded."""
