"""How the Cassandra of the cold tier is reached; imports no driver."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class CassandraSettings:
    """A cluster; the file holds the user's password and nothing else.

    `data_center` is the nearest one (None: that of the first host that answers). `replication`
    maps data centres (or `SimpleStrategy`) to copies and is used only where the keyspace is made;
    None: a copy for each of `hosts` in the nearest data centre, three at most. `ca_file` makes it
    TLS, whose certificates must name the addresses of the nodes. `ttl_days` counts from the day
    of archiving; None: kept for ever. `twcs` needs a `ttl_days`. At most `in_flight` requests are
    under way at once, each for at most `timeout_s` seconds.
    """

    hosts: tuple[str, ...]
    port: int = 9042
    keyspace: str = "smart_beer"
    data_center: str | None = None
    replication: Mapping[str, int] | None = None
    consistency: str = "LOCAL_QUORUM"
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    compaction: Literal["ucs", "stcs", "twcs"] = "ucs"
    ttl_days: int | None = None
    timeout_s: float = 10.0
    in_flight: int = 32
