"""A Home Assistant configuration folder that starts without asking anybody anything.

It holds one owner, logged in by itself from 127.0.0.1, and a long-lived token for the
scripts. For demonstrations and tests on loopback only.
"""

import base64
import json
import secrets
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bcrypt
import jwt

ROOT = Path(__file__).resolve().parents[2]

CONFIGURATION = """\
homeassistant:
  name: Demo brewery
  latitude: 50.0755
  longitude: 14.4378
  elevation: 200
  unit_system: metric
  currency: EUR
  country: CZ
  language: {language}
  time_zone: Europe/Prague
  internal_url: http://127.0.0.1:{port}
  external_url: http://127.0.0.1:{port}
  packages: !include_dir_named packages
  auth_providers:
    - type: trusted_networks
      trusted_networks: [127.0.0.1/32]
      allow_bypass_login: true
    - type: homeassistant
frontend:
config:
api:
history:
recorder:
  commit_interval: 5
logbook:
automation: []
script: {{}}
person:
mobile_app:
system_health:
persistent_notification:
logger:
  default: info
"""


def make_config(folder: Path, port: int, *, language: str = "en") -> str:
    """Make or complete a configuration folder for 127.0.0.1:`port`; the owner's long-lived token.

    What Home Assistant has stored since is kept; its YAML files are written anew.
    """
    storage = folder / ".storage"
    storage.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=port, language=language))
    for name in ("packages", "dashboards"):
        shutil.copytree(
            ROOT / "ha_config" / "homeassistant" / name, folder / name, dirs_exist_ok=True
        )
    link = folder / "custom_components"
    if not link.is_symlink():
        link.symlink_to(ROOT / "custom_components")
    _store(storage, "http", 3, _http(port))
    secret_file = folder / "demo_token"
    if not (storage / "auth").exists():
        secret_file.touch(mode=0o600)
        secret_file.write_text(_seed_owner(storage))
    return secret_file.read_text()


def _store(storage: Path, key: str, version: int, data: dict[str, Any]) -> None:
    body = {"version": version, "minor_version": 1, "key": key, "data": data}
    path = storage / key
    path.write_text(json.dumps(body, indent=2))
    path.chmod(0o600)


def _http(port: int) -> dict[str, Any]:
    # An `http:` block in YAML would be a trial that Home Assistant reverts after five minutes.
    stable = {
        "server_port": port,
        "server_host": ["127.0.0.1"],
        "cors_allowed_origins": [],
        "login_attempts_threshold": -1,
        "ip_ban_enabled": True,
        "ssl_profile": "intermediate_v6",
        "use_x_frame_options": True,
        "created_at": datetime.now(UTC).isoformat(),
        "error": None,
        "error_message": None,
    }
    return {"stable": stable, "pending": None, "yaml_migration_done": True}


def _seed_owner(storage: Path) -> str:
    user, credential, refresh = (secrets.token_hex(16) for _ in range(3))
    jwt_key = secrets.token_hex(64)
    now = datetime.now(UTC)
    hashed = base64.b64encode(
        bcrypt.hashpw(secrets.token_bytes(16).hex().encode(), bcrypt.gensalt(rounds=4))
    )
    _store(storage, "onboarding", 4, {"done": ["user", "core_config", "analytics", "integration"]})
    _store(
        storage,
        "auth_provider.homeassistant",
        1,
        {"users": [{"username": "brewer", "password": hashed.decode()}]},
    )
    person: dict[str, Any] = {
        "id": "brewer",
        "name": "Brewer",
        "user_id": user,
        "device_trackers": [],
        "picture": None,
    }
    _store(storage, "person", 2, {"items": [person]})
    _store(
        storage,
        "auth",
        1,
        {
            "users": [
                {
                    "id": user,
                    "group_ids": ["system-admin"],
                    "is_owner": True,
                    "is_active": True,
                    "name": "Brewer",
                    "system_generated": False,
                    "local_only": False,
                }
            ],
            "groups": [
                {"id": "system-admin", "name": "Administrators"},
                {"id": "system-users", "name": "Users"},
                {"id": "system-read-only", "name": "Read Only"},
            ],
            "credentials": [
                {
                    "id": credential,
                    "user_id": user,
                    "auth_provider_type": "homeassistant",
                    "auth_provider_id": None,
                    "data": {"username": "brewer"},
                }
            ],
            "refresh_tokens": [
                {
                    "id": refresh,
                    "user_id": user,
                    "client_id": None,
                    "client_name": "demo",
                    "client_icon": None,
                    "token_type": "long_lived_access_token",
                    "created_at": now.isoformat(),
                    "access_token_expiration": timedelta(days=3650).total_seconds(),
                    "token": secrets.token_hex(64),
                    "jwt_key": jwt_key,
                    "last_used_at": None,
                    "last_used_ip": None,
                    "expire_at": None,
                    "credential_id": None,
                    "version": None,
                }
            ],
        },
    )
    claims = {"iss": refresh, "iat": now, "exp": now + timedelta(days=3650)}
    return jwt.encode(claims, jwt_key, algorithm="HS256")
