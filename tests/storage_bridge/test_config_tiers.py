"""Which store is behind each tier."""

import subprocess
import sys
from pathlib import Path

import pytest

from storage_bridge.config import BridgeConfig, ConfigError, load
from storage_bridge.config_tiers import HOURS_PER_MINUTE, MAX_TTL_DAYS
from storage_bridge.tiers import DriverMissingError, tiers_of
from storage_bridge.tiers.cassandra_settings import CassandraSettings
from storage_bridge.tiers.mongo_settings import MAX_FLUSH_S, MIN_FLUSH_S, MongoSettings
from storage_bridge.tiers.redis_settings import DAY_MS, RedisSettings
from storage_bridge.tiers.sqlite_cold import SqliteCold
from storage_bridge.tiers.sqlite_hot import SqliteHot
from storage_bridge.tiers.sqlite_warm import SqliteWarm

HEAD = """\
home_assistant: {url: "ws://127.0.0.1:8123/api/websocket", token_file: token}
data_dir: data
"""


def _load(tmp_path: Path, tiers: str) -> BridgeConfig:
    path = tmp_path / "bridge.yaml"
    path.write_text(f"{HEAD}{tiers}")
    return load(path)


def _problems(tmp_path: Path, tiers: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, tiers)
    assert all("bridge.yaml, line " in problem for problem in caught.value.problems)
    return caught.value.problems


def test_every_store_is_described_by_its_settings(tmp_path: Path) -> None:
    tiers = _load(
        tmp_path,
        """\
tiers:
  hot: {driver: redis, url: "rediss+sentinel://a,b:26380/brewery/2", username: bridge,
        password_file: secrets/redis, ca_file: ca.pem, keep_days: 2}
  warm: {driver: pymongo, url: "mongodb://a:1,b:2/?replicaSet=rs0", database: beer,
         username: bridge, password_file: /secret, keep_days: 40, flush_s: 60}
  cold: {driver: cassandra, hosts: [c1, 10.0.0.2], port: 9142, keyspace: beer,
         data_center: cellar, replication: {cellar: 3}, consistency: QUORUM,
         username: bridge, password_file: secret, ca_file: ca.pem, compaction: twcs, ttl_days: 900,
         hours_per_minute: 1000}
""",
    ).tiers
    assert (tiers.hot_days, tiers.warm_days, tiers.hours_per_minute) == (2, 40, 1000)
    assert tiers.hot == RedisSettings(
        url="rediss+sentinel://a,b:26380/brewery/2",
        username="bridge",
        password_file=tmp_path / "secrets/redis",
        ca_file=tmp_path / "ca.pem",
        keep_ms=2 * DAY_MS,
    )
    assert tiers.warm == MongoSettings(
        url="mongodb://a:1,b:2/?replicaSet=rs0",
        driver="pymongo",
        database="beer",
        username="bridge",
        password_file=Path("/secret"),
        flush_s=60,
    )
    assert tiers.cold == CassandraSettings(
        hosts=("c1", "10.0.0.2"),
        port=9142,
        keyspace="beer",
        data_center="cellar",
        replication={"cellar": 3},
        consistency="QUORUM",
        username="bridge",
        password_file=tmp_path / "secret",
        ca_file=tmp_path / "ca.pem",
        compaction="twcs",
        ttl_days=900,
    )


def test_stores_need_no_more_than_their_addresses(tmp_path: Path) -> None:
    tiers = _load(
        tmp_path,
        """\
tiers:
  hot: {driver: redis, url: "redis://r"}
  warm: {driver: motor, url: "mongodb://m"}
  cold: {driver: cassandra, hosts: [c]}
""",
    ).tiers
    assert tiers.hot == RedisSettings(url="redis://r")
    assert tiers.warm == MongoSettings(url="mongodb://m")
    assert tiers.cold == CassandraSettings(hosts=("c",))
    assert not tiers.embedded
    assert tiers.hours_per_minute == HOURS_PER_MINUTE


@pytest.mark.parametrize(
    ("tier", "section", "name", "low", "high"),
    [
        ("warm", "driver: motor, url: 'mongodb://m'", "flush_s", MIN_FLUSH_S, MAX_FLUSH_S),
        ("cold", "driver: cassandra, hosts: [c]", "ttl_days", 1, MAX_TTL_DAYS),
        ("cold", "driver: cassandra, hosts: [c]", "hours_per_minute", 1, 1_000_000),
        ("cold", "driver: sqlite", "hours_per_minute", 1, 1_000_000),
    ],
)
def test_a_number_may_be_at_its_limits_and_no_further(
    tmp_path: Path, tier: str, section: str, name: str, low: int, high: int
) -> None:
    def told(value: object) -> str:
        return f"tiers: {{{tier}: {{{section}, {name}: {value}}}}}\n"

    for value in (low, high):
        tiers = _load(tmp_path, told(value)).tiers
        assert getattr(tiers, name, None) or getattr(getattr(tiers, tier), name) == value
    sentence = f"tiers.{tier}.{name} must be a whole number from {low} to {high}."
    for wrong in (low - 1, high + 1, -1, 1.5, "'5'", "true", "[1]", ".nan", ".inf"):
        assert _problems(tmp_path, told(wrong)) == [
            f"{tmp_path / 'bridge.yaml'}, line 3: {sentence}"
        ]


def test_ttl_days_may_be_left_open_and_is_for_a_server_only(tmp_path: Path) -> None:
    cold = _load(
        tmp_path, "tiers: {cold: {driver: cassandra, hosts: [c], ttl_days: null}}\n"
    ).tiers.cold
    assert cold is not None
    assert cold.ttl_days is None
    [problem] = _problems(tmp_path, "tiers: {cold: {driver: sqlite, ttl_days: 9}}\n")
    assert "line 3: tiers.cold.ttl_days is not known" in problem
    [problem] = _problems(tmp_path, "tiers: {warm: {driver: sqlite, flush_s: 9}}\n")
    assert "line 3: tiers.warm.flush_s is not known" in problem


@pytest.mark.parametrize(
    ("tier", "key", "word"),
    [
        ("hot: {driver: redis}", "hot.url", "text"),
        ("hot: {driver: redis, url: 'http://r'}", "hot.url", "redis://"),
        ("hot: {driver: redis, url: 'redis://:hunter2@r'}", "hot.url", "password_file"),
        ("hot: {driver: redis, url: 'redis://r', password: hunter2}", "hot.password", "not known"),
        ("hot: {driver: redis, url: 'redis://r', ca_file: ca}", "hot.ca_file", "rediss"),
        ("hot: {driver: redis, url: 'redis://r', keep_days: 0}", "hot.keep_days", "from 1"),
        ("hot: {driver: memcached, url: 'x'}", "hot.driver", "sqlite or redis"),
        ("hot: {driver: [1]}", "hot.driver", "sqlite or redis"),
        ("hot: {url: 'redis://r'}", "hot.url", "not known"),
        ("hot: {keep_days: 31}", "hot.keep_days", "longer"),
        ("warm: {driver: motor}", "warm.url", "text"),
        ("warm: {driver: motor, url: 'mongodb://u:hunter2@m'}", "warm.url", "password_file"),
        ("warm: {driver: motor, url: 'mongodb://m', database: a.b}", "warm.database", "must"),
        ("warm: {driver: paper}", "warm.driver", "sqlite or motor or pymongo"),
        ("cold: {driver: cassandra}", "cold.hosts", "list"),
        ("cold: {driver: cassandra, hosts: c}", "cold.hosts", "list"),
        ("cold: {driver: cassandra, hosts: ['c/x']}", "cold.hosts", "without"),
        ("cold: {driver: cassandra, hosts: [c], replication: {d: 0}}", "cold.replication", "cop"),
        ("cold: {driver: cassandra, hosts: [c], consistency: ANY}", "cold.consistency", "ALL"),
        ("cold: {driver: cassandra, hosts: [c], compaction: lcs}", "cold.compaction", "ucs"),
        ("cold: {driver: cassandra, hosts: [c], compaction: twcs}", "cold.compaction", "ttl"),
        ("cold: {driver: cassandra, hosts: [c], ttl_days: 0}", "cold.ttl_days", "from 1"),
        ("cold: {driver: cassandra, hosts: [c], port: 0}", "cold.port", "from 1"),
    ],
)
def test_what_is_wrong_is_named_with_its_key_and_no_secret(
    tmp_path: Path, tier: str, key: str, word: str
) -> None:
    [problem] = _problems(tmp_path, f"tiers: {{{tier}}}\n")
    assert f"line 3: tiers.{key} " in problem
    assert word in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("consistency", "section", "quorum"),
    [
        ("LOCAL_QUORUM", "hosts: [a, b, c]", True),
        ("ALL", "hosts: [a, b, c]", True),
        ("ONE", "hosts: [a]", True),
        ("LOCAL_ONE", "hosts: [a]", True),
        ("ONE", "hosts: [a, b]", False),
        ("LOCAL_ONE", "hosts: [a, b, c]", False),
        ("ONE", "hosts: [a, b, c], replication: {cellar: 1}", True),
        ("ONE", "hosts: [a], replication: {SimpleStrategy: 3}", False),
        ("ONE", "hosts: [a], replication: {cellar: 1, attic: 1}", False),
        ("LOCAL_ONE", "hosts: [a], replication: {cellar: 1, attic: 1}", True),
        ("LOCAL_ONE", "hosts: [a], replication: {cellar: 1, attic: 2}", False),
        ("TWO", "hosts: [a, b, c]", True),
        ("TWO", "hosts: [a], replication: {cellar: 2, attic: 2}", False),
    ],
)
def test_an_archive_that_a_single_server_may_have_is_refused(
    tmp_path: Path, consistency: str, section: str, quorum: bool
) -> None:
    text = f"tiers: {{cold: {{driver: cassandra, {section}, consistency: {consistency}}}}}\n"
    if quorum:
        cold = _load(tmp_path, text).tiers.cold
        assert cold is not None
        assert cold.consistency == consistency
    else:
        [problem] = _problems(tmp_path, text)
        assert "line 3: tiers.cold.consistency must be a quorum" in problem
        assert f"with {consistency} " in problem
        assert "LOCAL_QUORUM" in problem


def test_tiers_without_a_server_share_the_bridges_file(tmp_path: Path) -> None:
    config = _load(tmp_path, "")
    hot, warm, cold = tiers_of(config.tiers, config.store_path)
    assert isinstance(hot, SqliteHot)
    assert hot.shares_rows
    assert isinstance(warm, SqliteWarm)
    assert isinstance(cold, SqliteCold)


def test_an_embedded_hot_tier_beside_a_warm_server_has_rows_of_its_own(tmp_path: Path) -> None:
    config = _load(tmp_path, "tiers: {warm: {driver: motor, url: 'mongodb://127.0.0.1'}}\n")
    hot, warm, cold = tiers_of(config.tiers, config.store_path)
    assert isinstance(hot, SqliteHot)
    assert not hot.shares_rows
    assert [type(tier).__name__ for tier in (warm, cold)] == ["MongoWarm", "SqliteCold"]


def test_servers_are_made_from_their_settings(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        "tiers: {hot: {driver: redis, url: 'redis://r'}, cold: {driver: cassandra, hosts: [c]}}\n",
    )
    found = tiers_of(config.tiers, config.store_path)
    assert [type(tier).__name__ for tier in found] == ["RedisHot", "SqliteWarm", "CassandraCold"]


def test_a_driver_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "storage_bridge.tiers.redis_hot", None)
    config = _load(tmp_path, "tiers: {hot: {driver: redis, url: 'redis://r'}}\n")
    with pytest.raises(DriverMissingError, match=r"pip install 'smart-beer\[redis\]'"):
        tiers_of(config.tiers, config.store_path)


def test_no_driver_is_imported_that_is_not_configured() -> None:
    program = (
        "import sys, storage_bridge.cli; "
        "print([n for n in ('redis', 'motor', 'pymongo', 'cassandra') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert found.stdout.strip() == b"[]"
