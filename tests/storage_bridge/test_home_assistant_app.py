"""As an app of Home Assistant OS the bridge is configured by its options alone."""

import json
import stat
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from storage_bridge import cli, cli_app
from storage_bridge.config import load, parse
from storage_bridge.home_assistant_app import SECRETS, URL, configuration

ROOT = Path(__file__).parents[2]
APP = ROOT / "ha_config" / "app" / "smart_beer_bridge"
OWN_STORES = {
    "hot_days": 2,
    "warm_days": 20,
    "mirror": ["sensor.tilt_red_gravity"],
    "redis_url": "rediss+sentinel://10.0.0.2:26379/brewery/0",
    "redis_ca_file": "redis-ca.pem",
    "mongo_ca_file": "mongo-ca.pem",
    "cassandra_ca_file": "cassandra-ca.pem",
    "redis_username": "beer",
    "redis_password": "r-secret",
    "sentinel_username": "watch",
    "sentinel_password": "s-secret",
    "mongo_url": "mongodb://10.0.0.2:27017/?replicaSet=rs&authSource=admin",
    "mongo_username": "beer",
    "mongo_password": "m-secret",
    "cassandra_hosts": ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"],
    "cassandra_data_center": "brewery",
    "cassandra_username": "beer",
    "cassandra_password": "c-secret",
}


def _data(folder: Path, options: object) -> Path:
    (folder / "options.json").write_text(json.dumps(options))
    return folder


def test_the_options_as_shipped_keep_everything_in_the_app(tmp_path: Path) -> None:
    shipped = yaml.safe_load((APP / "config.yaml").read_text())["options"]
    config = load(cli_app.prepare(_data(tmp_path, shipped), "the-token", "a-host"))
    assert config.tiers.embedded
    assert (config.tiers.hot_days, config.tiers.warm_days) == (3, 30)
    assert config.home_assistant.url == URL
    assert config.home_assistant.token() == "the-token"
    assert config.api.advertise == "http://a-host:8555"


def test_stores_of_ones_own_are_used_with_their_secrets_in_private_files(tmp_path: Path) -> None:
    path = cli_app.prepare(_data(tmp_path, OWN_STORES), "the-token", "a-host")
    config = load(path)
    assert config.tiers.hot is not None
    assert config.tiers.warm is not None
    assert config.tiers.cold is not None
    assert config.mirror == ("sensor.tilt_red_gravity",)
    hot, warm, cold = config.tiers.hot, config.tiers.warm, config.tiers.cold
    assert (hot.username, hot.sentinel_username) == ("beer", "watch")
    assert hot.password_file is not None
    assert hot.password_file.read_text().strip() == "r-secret"
    assert hot.sentinel_password_file is not None
    assert hot.sentinel_password_file.read_text().strip() == "s-secret"
    assert [str(one.ca_file) for one in (hot, warm, cold)] == [
        "/ssl/redis-ca.pem", "/ssl/mongo-ca.pem", "/ssl/cassandra-ca.pem",
    ]  # fmt: skip
    written = yaml.safe_load(path.read_text())["tiers"]["cold"]["replication"]
    assert written == {"brewery": 3}, "four hosts need no fourth copy"
    assert "secret" not in path.read_text()
    for name in ("token", *SECRETS):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_secret_that_is_taken_back_is_gone(tmp_path: Path) -> None:
    cli_app.prepare(_data(tmp_path, OWN_STORES), "the-token", "a-host")
    cli_app.prepare(_data(tmp_path, OWN_STORES | {"redis_password": ""}), "the-token", "a-host")
    assert not (tmp_path / "redis_password").exists()
    assert (tmp_path / "mongo_password").exists()


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "hot_days": st.integers(1, 9),
            "warm_days": st.integers(10, 99),
            "redis_url": st.sampled_from(["", "redis://h:6379/0"]),
            "mongo_url": st.sampled_from(["", "mongodb://h:27017/"]),
            "cassandra_hosts": st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True),
            "cassandra_data_center": st.sampled_from(["", "dc"]),
            "mongo_username": st.sampled_from(["", "beer"]),
            "mongo_password": st.sampled_from(["", "word"]),
            "mongo_ca_file": st.sampled_from(["", "ca.pem"]),
            "redis_username": st.sampled_from(["", "beer"]),
            "sentinel_password": st.sampled_from(["", "word"]),
            "cassandra_ca_file": st.sampled_from(["", "ca.pem"]),
        },
    )
)
def test_whatever_is_left_out_the_configuration_is_one(options: dict[str, object]) -> None:
    # A user without a password cannot log in anywhere; the form does not hinder it, the file does.
    if bool(options.get("mongo_username")) != bool(options.get("mongo_password")):
        options.pop("mongo_username", None)
        options.pop("mongo_password", None)
    text = yaml.safe_dump(configuration(options, Path("/data"), "host"))
    parse(Path("/data/bridge.yaml"), text)


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_options_that_cannot_be_read_are_said(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "options.json").write_text(text)
    monkeypatch.setenv("SUPERVISOR_TOKEN", "t")
    assert cli.main(["app", "--data", str(tmp_path)]) == 2
    assert str(tmp_path / "options.json") in capsys.readouterr().err


def test_elsewhere_it_says_what_to_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SUPERVISOR_TOKEN", raising=False)
    assert cli.main(["app"]) == 2
    assert "smart-beer-bridge init" in capsys.readouterr().err


def test_every_option_has_a_schema_and_words_in_both_languages() -> None:
    app = yaml.safe_load((APP / "config.yaml").read_text())
    names = set(app["options"])
    assert set(app["schema"]) == names
    for language in ("en", "es"):
        words = yaml.safe_load((APP / "translations" / f"{language}.yaml").read_text())
        assert set(words["configuration"]) == names
        assert all(one["name"] and one["description"] for one in words["configuration"].values())
    assert set(SECRETS) <= names
    assert {name for name, kind in app["schema"].items() if kind == "password?"} == set(SECRETS)
    assert {"type": "ssl", "read_only": True} in app["map"]
