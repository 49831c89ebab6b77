"""The bridge's configuration file, read once and checked as a whole."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import yaml

from . import config_tiers
from .config_check import Check
from .config_tiers import TiersConfig

SIZES: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
MIN_OUTBOX: Final = 1 << 20
MAX_MIRROR: Final = 500
_ENTITY: Final = re.compile(r"(?=.{3,250}\Z)[a-z0-9_]+\.[a-z0-9_]+")
_SIZE: Final = re.compile(r"(\d+)\s*([KMGT]iB|B?)")


class ConfigError(Exception):
    """The file cannot be used; `problems` lists everything wrong, each as a sentence."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class HomeAssistantConfig:
    """Where samples come from; the file holds the access token and nothing else."""

    url: str
    token_file: Path

    def token(self) -> str:
        """The token; raises OSError, also when the file is empty."""
        token = self.token_file.read_text(encoding="utf-8").strip()
        if not token:
            raise OSError(f"The token file {self.token_file} is empty")
        return token


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """Where the bridge listens (port 0: any free one) and what it tells Home Assistant of it."""

    bind: str
    port: int
    advertise: str | None


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """Everything the bridge needs to know."""

    path: Path
    home_assistant: HomeAssistantConfig
    data_dir: Path
    api: ApiConfig
    tiers: TiersConfig
    outbox_max_bytes: int
    mirror: tuple[str, ...] = ()

    @property
    def batches_path(self) -> Path:
        """Where it is kept which batches the series carry."""
        return self.data_dir / "batches.json"

    @property
    def outbox_path(self) -> Path:
        """The outbox's file."""
        return self.data_dir / "outbox.db"

    @property
    def store_path(self) -> Path:
        """The file of those tiers that are embedded."""
        return self.data_dir / "store.db"

    @property
    def runtime_path(self) -> Path:
        """Where a running bridge says how to reach it (mode 0600)."""
        return self.data_dir / "runtime.json"


def load(path: Path) -> BridgeConfig:
    """Read and check a file; raises ConfigError with all its problems.

    Relative paths in it count from the file's own folder.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as err:
        raise ConfigError([f"{path} cannot be read: {err.strerror}"]) from err
    except UnicodeDecodeError as err:
        raise ConfigError([f"{path} is not valid YAML: {err}"]) from err
    return parse(path, text)


def parse(path: Path, text: str) -> BridgeConfig:
    """Check what the file `path` holds or is to hold; raises ConfigError with all its problems."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as err:
        raise ConfigError([f"{path} is not valid YAML: {err}"]) from err
    return _bridge(Check(path, node), data)


def parse_size(text: object) -> int | None:
    """Bytes of `2GiB`, `500 MiB` or a plain number; None if it is none of these."""
    if type(text) is int:
        return text if text >= 0 else None
    found = _SIZE.fullmatch(text) if isinstance(text, str) else None
    return int(found[1]) * SIZES[found[2]] if found else None


def parse_url(text: object) -> str | None:
    """Why this is no websocket address of Home Assistant, None if it is one."""
    if not isinstance(text, str):
        return "is not a text"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as err:
        return f"is no address: {err}"
    if parts.scheme not in {"ws", "wss"} or not parts.hostname or port == 0:
        return "must look like ws://HOST:8123/api/websocket"
    if parts.username or parts.password:
        return "must not carry a password"
    return None


def _bridge(check: Check, data: object) -> BridgeConfig:
    top = check.section(
        data, "", {"home_assistant", "data_dir", "api", "tiers", "outbox", "mirror"}
    )
    home = check.section(top.get("home_assistant", {}), "home_assistant", {"url", "token_file"})
    api = check.section(top.get("api", {}), "api", {"bind", "port", "advertise"})
    outbox = check.section(top.get("outbox", {}), "outbox", {"max_bytes"})
    url = home.get("url")
    if (wrong := parse_url(url)) is not None:
        check.wrong("home_assistant.url", wrong)
    port = api.get("port", 0)
    if type(port) is not int or not 0 <= port <= 65535:
        check.wrong("api.port", "must be a port, 0 for any free one")
    bind = api.get("bind", "127.0.0.1")
    if not isinstance(bind, str) or not bind:
        check.wrong("api.bind", "must be an address to listen on")
    max_bytes = parse_size(outbox.get("max_bytes", "2GiB"))
    if max_bytes is None or max_bytes < MIN_OUTBOX:
        check.wrong("outbox.max_bytes", "must be a size of at least 1MiB, such as 2GiB")
    config = BridgeConfig(
        path=check.path,
        home_assistant=HomeAssistantConfig(
            str(url), check.file(home.get("token_file"), "home_assistant.token_file")
        ),
        data_dir=check.file(top.get("data_dir"), "data_dir"),
        api=ApiConfig(str(bind), port, _advertise(check, api.get("advertise"))),
        tiers=config_tiers.tiers(check, top.get("tiers", {})),
        outbox_max_bytes=max_bytes or 0,
        mirror=_mirror(check, top.get("mirror", [])),
    )
    if check.problems:
        raise ConfigError(check.problems)
    return config


def _mirror(check: Check, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_MIRROR:
        check.wrong("mirror", f"must be a list of at most {MAX_MIRROR} entities")
        return ()
    good = all(isinstance(one, str) and _ENTITY.fullmatch(one) for one in value)
    if not good or len(set(value)) < len(value):
        check.wrong("mirror", "must name entities, each once, such as sensor.tilt_red_gravity")
        return ()
    return tuple(value)


def _advertise(check: Check, value: object) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        check.wrong("api.advertise", "must be an address such as http://bridge:8555")
        return None
    return str(value).rstrip("/")
