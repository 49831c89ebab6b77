"""The `tiers` of the configuration: which store is behind each, and how it is reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from .config_check import Check
from .tiers import mongo_settings
from .tiers.cassandra_schema import MAX_COPIES
from .tiers.cassandra_settings import CassandraSettings
from .tiers.mongo_settings import MongoSettings
from .tiers.redis_settings import DAY_MS, RedisSettings, parse_url

HOT_DAYS: Final = 3
WARM_DAYS: Final = 30
DAYS: Final = 36_500
MAX_TTL_DAYS: Final = 7300  # Cassandra's own limit, 20 years
# An hour costs some 25 ms of a core, so this is a tenth of one; it keeps up with 9,000 series, as
# each hour is looked at twice.
HOURS_PER_MINUTE: Final = 300

# By driver, what it is told besides `driver` and, but for cold, `keep_days`.
HOT: Final[dict[str, frozenset[str]]] = {
    "sqlite": frozenset(),
    "redis": frozenset(
        {
            "url", "username", "password_file", "ca_file", "prefix",
            "sentinel_username", "sentinel_password_file",
        }
    ),
}  # fmt: skip
_MONGO: Final = frozenset({"url", "database", "username", "password_file", "ca_file", "flush_s"})
WARM: Final[dict[str, frozenset[str]]] = {
    "sqlite": frozenset(), "motor": _MONGO, "pymongo": _MONGO,
}  # fmt: skip
COLD: Final[dict[str, frozenset[str]]] = {
    "sqlite": frozenset(),
    "cassandra": frozenset(
        {
            "hosts", "port", "keyspace", "data_center", "replication", "consistency",
            "username", "password_file", "ca_file", "compaction", "ttl_days",
        }
    ),
}  # fmt: skip
CONSISTENCIES: Final = ("LOCAL_QUORUM", "QUORUM", "EACH_QUORUM", "ALL", "LOCAL_ONE", "ONE", "TWO")
type Compaction = Literal["ucs", "stcs", "twcs"]
COMPACTIONS: Final[tuple[Compaction, ...]] = ("ucs", "stcs", "twcs")


@dataclass(frozen=True, slots=True)
class TiersConfig:
    """How long (days) hot and warm keep samples, and the store of each; None is the embedded.

    No more than `hours_per_minute` hours of a series are looked at to be archived.
    """

    hot_days: int
    warm_days: int
    hot: RedisSettings | None = None
    warm: MongoSettings | None = None
    cold: CassandraSettings | None = None
    hours_per_minute: int = HOURS_PER_MINUTE

    @property
    def embedded(self) -> bool:
        """Whether any tier is in the bridge's own file."""
        return self.hot is None or self.warm is None or self.cold is None


def tiers(check: Check, data: object) -> TiersConfig:
    """Check the part `tiers`."""
    parts = check.section(data, "tiers", {"hot", "warm", "cold"})
    hot, hot_driver = _tier(check, parts, "hot", HOT)
    warm, warm_driver = _tier(check, parts, "warm", WARM)
    cold, cold_driver = _tier(check, parts, "cold", COLD)
    hot_days = _days(check, hot, "tiers.hot", HOT_DAYS)
    warm_days = _days(check, warm, "tiers.warm", WARM_DAYS)
    if hot_days > warm_days:
        check.wrong("tiers.hot.keep_days", "must not be longer than tiers.warm.keep_days")
    return TiersConfig(
        hot_days,
        warm_days,
        _redis(check, hot, hot_days) if hot_driver == "redis" else None,
        _mongo(check, warm, warm_driver) if warm_driver in {"motor", "pymongo"} else None,
        _cassandra(check, cold) if cold_driver == "cassandra" else None,
        check.number(
            cold,
            "tiers.cold",
            "hours_per_minute",
            low=1,
            high=1_000_000,
            default=HOURS_PER_MINUTE,
        ),
    )


def _tier(
    check: Check, parts: Mapping[str, Any], role: str, drivers: Mapping[str, frozenset[str]]
) -> tuple[Mapping[str, Any], str]:
    key = f"tiers.{role}"
    data = parts.get(role, {})
    driver = data.get("driver", "sqlite") if isinstance(data, dict) else "sqlite"
    # A driver that is not known makes no key beside it wrong.
    told = drivers.get(driver) if isinstance(driver, str) else None
    known = frozenset[str]().union(*drivers.values()) if told is None else told
    always = {"driver", "hours_per_minute" if role == "cold" else "keep_days"}
    section = check.section(data, key, known | always)
    return section, check.choice(section, key, "driver", tuple(drivers), "sqlite")


def _days(check: Check, section: Mapping[str, Any], key: str, default: int) -> int:
    return check.number(section, key, "keep_days", low=1, high=DAYS, default=default)


def _redis(check: Check, section: Mapping[str, Any], days: int) -> RedisSettings | None:
    key = "tiers.hot"
    settings = RedisSettings(
        url=check.text(section, key, "url", ""),
        username=check.optional_text(section, key, "username"),
        password_file=check.optional_file(section, key, "password_file"),
        ca_file=check.optional_file(section, key, "ca_file"),
        sentinel_username=check.optional_text(section, key, "sentinel_username"),
        sentinel_password_file=check.optional_file(section, key, "sentinel_password_file"),
        keep_ms=days * DAY_MS,
        prefix=check.text(section, key, "prefix", "smart_beer"),
    )
    if not settings.url:
        return None
    try:
        address = parse_url(settings.url)
    except ValueError as err:
        check.wrong(f"{key}.url", str(err))
        return None
    if settings.ca_file is not None and not address.tls:
        check.wrong(f"{key}.ca_file", "is of no use without TLS: the url must start with rediss")
    return settings


def _mongo(check: Check, section: Mapping[str, Any], driver: str) -> MongoSettings | None:
    key = "tiers.warm"
    url = check.text(section, key, "url", "")
    database = check.text(section, key, "database", "smart_beer")
    username = check.optional_text(section, key, "username")
    password_file = check.optional_file(section, key, "password_file")
    ca_file = check.optional_file(section, key, "ca_file")
    flush_s = check.number(
        section,
        key,
        "flush_s",
        low=mongo_settings.MIN_FLUSH_S,
        high=mongo_settings.MAX_FLUSH_S,
        default=mongo_settings.FLUSH_S,
    )
    for name, text, examine in (
        ("url", url, mongo_settings.parse_url),
        ("database", database, mongo_settings.check_database),
    ):
        try:
            if text:
                examine(text)
        except ValueError as err:
            check.wrong(f"{key}.{name}", str(err))
    if check.problems:
        return None
    return MongoSettings(
        url=url,
        driver="pymongo" if driver == "pymongo" else "motor",
        database=database,
        username=username,
        password_file=password_file,
        ca_file=ca_file,
        flush_s=flush_s,
    )


def _cassandra(check: Check, section: Mapping[str, Any]) -> CassandraSettings:
    key = "tiers.cold"
    hosts = section.get("hosts")
    if not isinstance(hosts, list) or not hosts or not all(_is_host(host) for host in hosts):
        check.wrong(f"{key}.hosts", "must be a list of host names or addresses, without ports")
        hosts = []
    copies = section.get("replication")
    if copies is not None and not (
        isinstance(copies, dict)
        and copies
        and all(isinstance(name, str) for name in copies)
        and all(type(n) is int and 1 <= n <= 100 for n in copies.values())
    ):
        check.wrong(f"{key}.replication", "must say how many copies each data centre keeps")
        copies = None
    ttl = section.get("ttl_days")
    if ttl is not None:
        ttl = check.number(section, key, "ttl_days", low=1, high=MAX_TTL_DAYS, default=1)
    compaction = check.choice(section, key, "compaction", COMPACTIONS, "ucs")
    if compaction == "twcs" and ttl is None:
        check.wrong(f"{key}.compaction", "can be twcs only with ttl_days")
    consistency = check.choice(section, key, "consistency", CONSISTENCIES, "LOCAL_QUORUM")
    kept = copies or {"": min(MAX_COPIES, len(hosts))}
    if not _is_quorum(consistency, tuple(kept.values())):
        check.wrong(
            f"{key}.consistency",
            "must be a quorum of the copies that are kept, as LOCAL_QUORUM is: with "
            f"{consistency} the bridge would let go of samples that a single server may have",
        )
    return CassandraSettings(
        hosts=tuple(hosts),
        port=check.number(section, key, "port", low=1, high=65535, default=9042),
        keyspace=check.text(section, key, "keyspace", "smart_beer"),
        data_center=check.optional_text(section, key, "data_center"),
        replication=copies,
        consistency=consistency,
        username=check.optional_text(section, key, "username"),
        password_file=check.optional_file(section, key, "password_file"),
        ca_file=check.optional_file(section, key, "ca_file"),
        compaction=compaction,
        ttl_days=ttl,
    )


def _is_quorum(consistency: str, copies: Sequence[int]) -> bool:
    """Whether what it waits for is more than half; `copies` has those of each data centre."""
    match consistency:
        case "LOCAL_ONE":
            return max(copies) <= 1
        case "ONE":
            return sum(copies) <= 1
        case "TWO":
            return sum(copies) <= 3
        case _:
            return True


def _is_host(value: object) -> bool:
    return isinstance(value, str) and value != "" and not any(c in value for c in "/@ ,\0")
