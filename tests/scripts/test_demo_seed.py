"""The seeded configuration folder: what is made, and what is left alone."""

import json
import stat
from pathlib import Path

import jwt

from scripts.demo_brewery.seed import ROOT, make_config


def test_a_new_folder_starts_without_questions(tmp_path: Path) -> None:
    token = make_config(tmp_path / "ha", 12345, language="es")
    storage = tmp_path / "ha" / ".storage"
    http = json.loads((storage / "http").read_text())["data"]["stable"]
    assert (http["server_port"], http["server_host"]) == (12345, ["127.0.0.1"])
    auth = json.loads((storage / "auth").read_text())["data"]
    refresh = auth["refresh_tokens"][0]
    claims = jwt.decode(token, refresh["jwt_key"], algorithms=["HS256"])
    assert claims["iss"] == refresh["id"]
    assert len([user for user in auth["users"] if user["is_active"]]) == 1, "bypass needs just one"
    yaml = (tmp_path / "ha" / "configuration.yaml").read_text()
    assert "language: es" in yaml
    assert "http://127.0.0.1:12345" in yaml
    assert (tmp_path / "ha" / "custom_components").resolve() == ROOT / "custom_components"
    assert (tmp_path / "ha" / "dashboards" / "smart_beer.yaml").exists()


def test_secrets_are_the_owners_alone(tmp_path: Path) -> None:
    make_config(tmp_path / "ha", 12345)
    for name in ("demo_token", ".storage/auth", ".storage/http"):
        mode = stat.S_IMODE((tmp_path / "ha" / name).stat().st_mode)
        assert mode == 0o600, name
    assert stat.S_IMODE((tmp_path / "ha").stat().st_mode) == 0o700


def test_what_home_assistant_stored_is_kept(tmp_path: Path) -> None:
    token = make_config(tmp_path / "ha", 12345)
    storage = tmp_path / "ha" / ".storage"
    auth = (storage / "auth").read_text()
    entries = storage / "core.config_entries"
    entries.write_text("{}")
    (tmp_path / "ha" / "home-assistant_v2.db").write_bytes(b"rows")

    assert make_config(tmp_path / "ha", 23456) == token
    assert (storage / "auth").read_text() == auth
    assert entries.read_text() == "{}"
    assert (tmp_path / "ha" / "home-assistant_v2.db").read_bytes() == b"rows"
    http = json.loads((storage / "http").read_text())["data"]["stable"]
    assert http["server_port"] == 23456
