"""What is taken for an address of a MongoDB, and what its settings never show."""

from pathlib import Path
from typing import Any

import pytest

from storage_bridge.tiers.mongo_settings import MongoSettings, parse_url


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("mongodb://127.0.0.1", "127.0.0.1"),
        (
            "mongodb://a:27017,b:27018,[::1]:27019/?replicaSet=brewery",
            "a:27017,b:27018,[::1]:27019",
        ),
        ("mongodb+srv://cluster.example.net/?tls=true&authSource=admin", "cluster.example.net"),
    ],
)
def test_an_address_names_hosts_and_options(url: str, hosts: str) -> None:
    assert parse_url(url) == hosts
    assert hosts in MongoSettings(url=url).place


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://a", "must start with"),
        ("a:27017", "must start with"),
        ("mongodb://", "names no host"),
        ("mongodb://a,,b/", "names no host"),
        ("mongodb://a/#b", "must start with"),
        ("mongodb://u:secret@a/", "must not carry"),
        ("mongodb://u@a/", "must not carry"),
        ("mongodb://a/brewery", "must not name a database"),
        ("mongodb://a/?w=1", "must not set w:"),
        ("mongodb://a/?journal=false&replicaSet=b", "must not set journal:"),
        ("mongodb://a/?wTimeoutMS=5", "must not set wTimeoutMS:"),
    ],
)
def test_what_would_weaken_or_show_something_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [{"database": ""}, {"database": "a.b"}, {"database": "x" * 64}, {"flush_s": 0}],
    ids=repr,
)
def test_settings_no_server_takes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        MongoSettings(url="mongodb://a", **wrong)


def test_the_password_is_read_when_it_is_needed_and_shown_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("ps secret\n")
    settings = MongoSettings(url="mongodb://a", username="u", password_file=path)
    assert settings.password() == "ps secret"
    assert "secret" not in repr(settings)
    path.write_text("\n")
    with pytest.raises(OSError, match="is empty"):
        settings.password()
    assert MongoSettings(url="mongodb://a").password() is None
