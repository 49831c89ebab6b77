"""How the Redis of the hot tier is reached; reads addresses only, imports no driver."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

DAY_MS: Final = 86_400_000
PORT: Final = 6379
SENTINEL_PORT: Final = 26379

type Kind = Literal["standalone", "sentinel", "cluster"]

_KINDS: Final[dict[str, tuple[Kind, bool]]] = {
    "redis": ("standalone", False),
    "rediss": ("standalone", True),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}


class Address(NamedTuple):
    """What a URL names; `service` is the master's name with Sentinels, `hosts` are those then."""

    kind: Kind
    tls: bool
    hosts: tuple[tuple[str, int], ...]
    service: str
    database: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """One Redis: `url` as `parse_url` takes it; the file holds the user's password, nothing else.

    Keys start with `prefix`; samples leave by themselves `keep_ms` after their minute. With
    Sentinels the user and the password are the servers'; `sentinel_username` and
    `sentinel_password_file` are the Sentinels' own, when those ask for them.
    """

    url: str
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    sentinel_username: str | None = None
    sentinel_password_file: Path | None = None
    keep_ms: int = 3 * DAY_MS
    prefix: str = "smart_beer"

    @property
    def address(self) -> Address:
        """The URL taken apart; raises ValueError, its text why."""
        return parse_url(self.url)


def parse_url(text: str) -> Address:
    """Take an address apart; raises ValueError with the rest of a sentence about it.

    `redis://HOST[:PORT][/DATABASE]`, `redis+sentinel://HOST[:PORT],.../MASTER[/DATABASE]`,
    `redis+cluster://HOST[:PORT],...`; with `rediss` for TLS, that of Sentinels included.
    """
    scheme, _, rest = text.partition("://")
    servers, _, path = rest.partition("/")
    if scheme not in _KINDS:
        raise ValueError(f"must start with one of {', '.join(f'{name}://' for name in _KINDS)}")
    if "@" in rest:
        raise ValueError("must not carry a user or a password: use username and password_file")
    if "?" in rest or "#" in rest:
        raise ValueError("must end with the path: options are keys of their own here")
    kind, tls = _KINDS[scheme]
    default = SENTINEL_PORT if kind == "sentinel" else PORT
    hosts = tuple(_host(host, default) for host in servers.split(","))
    if kind == "standalone" and len(hosts) > 1:
        raise ValueError("names several servers: use redis+sentinel:// or redis+cluster://")
    service, database = _path(kind, [name for name in path.split("/") if name])
    return Address(kind, tls, hosts, service, database)


def _path(kind: Kind, names: list[str]) -> tuple[str, int]:
    service = ""
    if kind == "sentinel":
        if not names:
            raise ValueError("must name the master, as in redis+sentinel://HOST:26379/MASTER")
        service = names.pop(0)
    if not names:
        return service, 0
    number = names[0]
    if kind == "cluster" or len(names) > 1 or not (number.isascii() and number.isdecimal()):
        raise ValueError("has a path that is no database number")
    return service, int(number)


def _host(text: str, default: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError as err:
        raise ValueError(f"has a host {text!r} that is no address: {err}") from err
    if not parts.hostname or port == 0:
        raise ValueError(f"has a host {text!r} that is no HOST:PORT")
    return parts.hostname, default if port is None else port
