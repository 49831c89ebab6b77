"""The bridge's configuration file, read once and checked as a whole."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

SIZES: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
MIN_OUTBOX: Final = 1 << 20
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
class TiersConfig:
    """How long (days) hot and warm keep samples."""

    hot_days: int
    warm_days: int


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """Everything the bridge needs to know."""

    path: Path
    home_assistant: HomeAssistantConfig
    data_dir: Path
    api: ApiConfig
    tiers: TiersConfig
    outbox_max_bytes: int

    @property
    def outbox_path(self) -> Path:
        """The outbox's file."""
        return self.data_dir / "outbox.db"

    @property
    def store_path(self) -> Path:
        """The embedded tiers' file."""
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
    return _Check(path, node).bridge(data)


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


class _Check:
    """Collects problems with their lines while it reads."""

    def __init__(self, path: Path, root: yaml.Node | None) -> None:
        self._path = path
        self._problems: list[str] = []
        self._lines: dict[str, int] = {}
        if root is not None:
            self._index(root, "")

    def bridge(self, data: object) -> BridgeConfig:
        top = self._section(data, "", {"home_assistant", "data_dir", "api", "tiers", "outbox"})
        home = self._part(top, "home_assistant", {"url", "token_file"})
        api = self._part(top, "api", {"bind", "port", "advertise"})
        tiers = self._part(top, "tiers", {"hot", "warm", "cold"})
        outbox = self._part(top, "outbox", {"max_bytes"})
        url = home.get("url")
        if (wrong := parse_url(url)) is not None:
            self._wrong("home_assistant.url", wrong)
        port = api.get("port", 0)
        if type(port) is not int or not 0 <= port <= 65535:
            self._wrong("api.port", "must be a port, 0 for any free one")
        bind = api.get("bind", "127.0.0.1")
        if not isinstance(bind, str) or not bind:
            self._wrong("api.bind", "must be an address to listen on")
        max_bytes = parse_size(outbox.get("max_bytes", "2GiB"))
        if max_bytes is None or max_bytes < MIN_OUTBOX:
            self._wrong("outbox.max_bytes", "must be a size of at least 1MiB, such as 2GiB")
        hot = self._tier(tiers, "hot", 3)
        warm = self._tier(tiers, "warm", 30)
        self._tier(tiers, "cold", None)
        if hot > warm:
            self._wrong("tiers.hot.keep_days", "must not be longer than tiers.warm.keep_days")
        config = BridgeConfig(
            path=self._path,
            home_assistant=HomeAssistantConfig(
                str(url), self._file(home.get("token_file"), "home_assistant.token_file")
            ),
            data_dir=self._file(top.get("data_dir"), "data_dir"),
            api=ApiConfig(str(bind), port, self._advertise(api.get("advertise"))),
            tiers=TiersConfig(hot, warm),
            outbox_max_bytes=max_bytes or 0,
        )
        if self._problems:
            raise ConfigError(self._problems)
        return config

    def _tier(self, tiers: Mapping[str, Any], role: str, default: int | None) -> int:
        key = f"tiers.{role}"
        tier = self._section(
            tiers.get(role, {}), key, {"driver"} if default is None else {"driver", "keep_days"}
        )
        if tier.get("driver", "sqlite") != "sqlite":
            self._wrong(f"{key}.driver", "must be sqlite, the store built into the bridge")
        days = tier.get("keep_days", default or 0)
        if type(days) is not int or (default is not None and not 1 <= days <= 36_500):
            self._wrong(f"{key}.keep_days", "must be a number of days from 1 to 36500")
            return 0
        return days

    def _advertise(self, value: object) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
            self._wrong("api.advertise", "must be an address such as http://bridge:8555")
            return None
        return str(value).rstrip("/")

    def _file(self, value: object, key: str) -> Path:
        if not isinstance(value, str) or not value or "\0" in value:
            self._wrong(key, "must be a path")
            return Path()
        return self._path.parent / Path(value).expanduser()

    def _part(self, top: Mapping[str, Any], key: str, known: set[str]) -> Mapping[str, Any]:
        return self._section(top.get(key, {}), key, known)

    def _section(self, data: object, key: str, known: set[str]) -> Mapping[str, Any]:
        if not isinstance(data, dict):
            self._wrong(key, f"must be a mapping with {', '.join(sorted(known))}")
            return {}
        for name in data:
            if name not in known:
                self._wrong(
                    f"{key}.{name}".removeprefix("."),
                    f"is not known here; known are {', '.join(sorted(known))}",
                )
        return data

    def _wrong(self, key: str, text: str) -> None:
        line = self._lines.get(key) or self._lines.get(key.rpartition(".")[0]) or 1
        self._problems.append(f"{self._path}, line {line}: {key or 'the file'} {text}.")

    def _index(self, node: yaml.Node, prefix: str) -> None:
        if not isinstance(node, yaml.MappingNode):
            return
        for key, value in node.value:
            name = f"{prefix}.{key.value}".removeprefix(".")
            if name in self._lines:
                self._problems.append(
                    f"{self._path}, line {key.start_mark.line + 1}: {name} is given twice."
                )
            self._lines[name] = key.start_mark.line + 1
            self._index(value, name)
