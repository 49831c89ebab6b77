"""How a MongoDB is reached; reads addresses only, imports no driver."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl

type Driver = Literal["motor", "pymongo"]

FLUSH_S: Final = 30
MIN_FLUSH_S: Final = 1
MAX_FLUSH_S: Final = 300
# Not what `urllib` takes apart: several hosts are no host for it.
_URL: Final = re.compile(
    r"mongodb(\+srv)?://(?P<hosts>[^/?#]*)(/(?P<path>[^?#]*))?(\?(?P<query>[^#]*))?"
)
# What is ours to say: durability, secrets, and how long a call may take.
_OURS: Final = frozenset(
    {
        "w",
        "j",
        "journal",
        "wtimeoutms",
        "fsync",
        "timeoutms",
        "tlscafile",
        "authmechanismproperties",
    }
)
_NAME_CHARACTERS: Final = frozenset('/\\. "$*<>:|?\0')


@dataclass(frozen=True, slots=True, kw_only=True)
class MongoSettings:
    """One MongoDB database; raises ValueError, its text the rest of a sentence about the setting.

    `url` as `parse_url` takes it; the password file holds the user's password and nothing else,
    the CA file (PEM) what the servers' certificates are checked against. Samples are gathered for
    `flush_s` (1-300) before they are written: a minute of a series is one document, and changes
    less often. A call that takes longer than `timeout_s` has failed.
    """

    url: str
    driver: Driver = "motor"
    database: str = "smart_beer"
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    flush_s: int = FLUSH_S
    timeout_s: float = 20.0

    def __post_init__(self) -> None:
        parse_url(self.url)
        check_database(self.database)
        if not MIN_FLUSH_S <= self.flush_s <= MAX_FLUSH_S:
            raise ValueError(f"must be {MIN_FLUSH_S} to {MAX_FLUSH_S} seconds")

    @property
    def place(self) -> str:
        """The store as error texts name it; no secret is in it."""
        return f"MongoDB at {parse_url(self.url)} (database {self.database})"

    def password(self) -> str | None:
        """What the password file holds now; raises OSError, also when it is empty."""
        if self.password_file is None:
            return None
        password = self.password_file.read_text(encoding="utf-8").strip("\r\n")
        if not password:
            raise OSError(f"The password file {self.password_file} is empty")
        return password


def parse_url(text: str) -> str:
    """The hosts of an address; raises ValueError with the rest of a sentence about it.

    `mongodb://HOST[:PORT][,HOST[:PORT]...]/[?replicaSet=NAME&...]` or `mongodb+srv://NAME/`.
    """
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("must start with mongodb:// or mongodb+srv://")
    hosts, path, query = found["hosts"], found["path"], found["query"] or ""
    if "@" in hosts:
        raise ValueError("must not carry a user or a password: use username and password_file")
    if "" in hosts.split(","):
        raise ValueError("names no host")
    if path:
        raise ValueError("must not name a database: use database")
    taken = sorted({key for key, _ in parse_qsl(query) if key.lower() in _OURS})
    if taken:
        raise ValueError(f"must not set {', '.join(taken)}: the bridge does")
    return hosts


def check_database(name: str) -> None:
    """Raise ValueError, with the rest of a sentence, for what MongoDB takes for no database."""
    if not 0 < len(name.encode()) < 64 or _NAME_CHARACTERS & set(name):
        raise ValueError('must be 1 to 63 bytes without blanks and without any of /\\.$*<>:|?"')
