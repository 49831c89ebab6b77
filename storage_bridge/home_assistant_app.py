"""PURE: the bridge's configuration as an app (add-on) of Home Assistant OS, from its options.

The supervisor writes the options to `/data/options.json`, gives a token in SUPERVISOR_TOKEN and
answers for Home Assistant at `ws://supervisor/core/websocket` (its developer documentation).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

URL: Final = "ws://supervisor/core/websocket"
PORT: Final = 8555
SECRETS: Final = (
    "redis_password", "sentinel_password", "mongo_password", "cassandra_password",
)  # fmt: skip
CERTIFICATES: Final = Path("/ssl")  # where the supervisor shows an app the user's own


def configuration(options: Mapping[str, Any], data: Path, hostname: str) -> dict[str, Any]:
    """What `bridge.yaml` is to hold; `hostname` is the app's own in the supervisor's network."""
    return {
        "home_assistant": {"url": URL, "token_file": str(data / "token")},
        "data_dir": str(data / "bridge"),
        "api": {"bind": "0.0.0.0", "port": PORT, "advertise": f"http://{hostname}:{PORT}"},  # noqa: S104 - the app's own network
        "tiers": {
            "hot": _redis(options, data) | {"keep_days": options.get("hot_days", 3)},
            "warm": _mongo(options, data) | {"keep_days": options.get("warm_days", 30)},
            "cold": _cassandra(options, data),
        },
        "mirror": list(options.get("mirror", [])),
    }


def _redis(options: Mapping[str, Any], data: Path) -> dict[str, Any]:
    if not options.get("redis_url"):
        return {"driver": "sqlite"}
    return {
        "driver": "redis",
        "url": options["redis_url"],
        **_user(options, "redis"),
        **_password(options, "redis", data),
        **_user(options, "sentinel", "sentinel_"),
        **_password(options, "sentinel", data, "sentinel_"),
        **_ca(options, "redis"),
    }


def _mongo(options: Mapping[str, Any], data: Path) -> dict[str, Any]:
    if not options.get("mongo_url"):
        return {"driver": "sqlite"}
    return {
        "driver": "motor",
        "url": options["mongo_url"],
        "database": "smart_beer",
        **_user(options, "mongo"),
        **_password(options, "mongo", data),
        **_ca(options, "mongo"),
    }


def _cassandra(options: Mapping[str, Any], data: Path) -> dict[str, Any]:
    hosts = options.get("cassandra_hosts")
    if not hosts:
        return {"driver": "sqlite"}
    data_center = options.get("cassandra_data_center") or "datacenter1"
    return {
        "driver": "cassandra",
        "hosts": list(hosts),
        "keyspace": "smart_beer",
        "data_center": data_center,
        "replication": {data_center: min(3, len(hosts))},
        **_user(options, "cassandra"),
        **_password(options, "cassandra", data),
        **_ca(options, "cassandra"),
    }


def _user(options: Mapping[str, Any], store: str, prefix: str = "") -> dict[str, Any]:
    user = options.get(f"{store}_username")
    return {f"{prefix}username": user} if user else {}


def _password(
    options: Mapping[str, Any], store: str, data: Path, prefix: str = ""
) -> dict[str, Any]:
    name = f"{store}_password"
    return {f"{prefix}password_file": str(data / name)} if options.get(name) else {}


def _ca(options: Mapping[str, Any], store: str) -> dict[str, Any]:
    name = options.get(f"{store}_ca_file")
    return {"ca_file": str(CERTIFICATES / name)} if name else {}
