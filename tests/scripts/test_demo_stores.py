"""The demo's stores are what its bridge is configured with, and what a person is told."""

from pathlib import Path

import pytest
import yaml

from scripts.demo_brewery.brewery import Brewery
from scripts.demo_brewery.stores import PORTS, Stores, drivers, set_tiers
from storage_bridge.config import load
from tests.ports import consecutive_ports
from tests.storage_bridge.servers import required

EMBEDDED = {role: {"driver": "sqlite"} for role in ("hot", "warm", "cold")}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "bridge" / "bridge.yaml"
    path.parent.mkdir()
    settings = {
        "home_assistant": {"url": "ws://127.0.0.1:8123/api/websocket", "token_file": "token"},
        "data_dir": "data",
        "tiers": EMBEDDED,
    }
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    with required():
        return Stores(tmp_path / "stores", 9311)


def test_the_bridge_is_told_of_them_and_of_nothing_else(config: Path, stores: Stores) -> None:
    before = load(config)
    assert drivers(config) == ["sqlite"] * 3
    set_tiers(config, stores.tiers())
    assert drivers(config) == ["redis", "motor", "cassandra"]
    after = load(config)
    assert (after.home_assistant, after.data_dir) == (before.home_assistant, before.data_dir)
    assert after.tiers.hot is not None
    assert after.tiers.warm is not None
    assert after.tiers.cold is not None
    assert after.tiers.hot.url == "redis://127.0.0.1:9311/0"
    assert after.tiers.warm.url == "mongodb://127.0.0.1:9312/"
    assert (after.tiers.cold.hosts, after.tiers.cold.port) == (("127.0.0.1",), 9313)


def test_what_an_earlier_run_kept_elsewhere_is_noticed(
    tmp_path: Path, config: Path, stores: Stores
) -> None:
    assert not Brewery(tmp_path / "new").kept_elsewhere()
    assert not Brewery(tmp_path).kept_elsewhere()
    assert Brewery(tmp_path, stores=stores).kept_elsewhere()
    set_tiers(config, stores.tiers())
    assert Brewery(tmp_path).kept_elsewhere()
    assert not Brewery(tmp_path, stores=stores).kept_elsewhere()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_they_start_again_where_they_were(tmp_path: Path) -> None:
    port = consecutive_ports(PORTS)
    with required():
        stores = Stores(tmp_path / "stores", port)
    stores.start()
    try:
        assert stores.revive() == []
        with stores.redis.client() as client:
            client.set("key", "value")
        text = stores.look(tmp_path / "bridge.yaml")
        assert f"-p {stores.redis.port}" in text
        assert f"{stores.mongo.url}smart_beer" in text
        assert f"127.0.0.1 {stores.cassandra.port}" in text
        assert all(str(server.pid) in text for server in stores.servers.values())
        stores.redis.kill()
        stores.mongo.kill()
        assert stores.revive() == ["Redis", "MongoDB"]
        with stores.redis.client() as client:
            assert client.get("key") == b"value"
    finally:
        stores.stop()
    assert not any(server.running for server in stores.servers.values())
