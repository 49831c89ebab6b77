"""Hot, warm and cold: where samples are kept."""

from typing import TYPE_CHECKING

from .base import ColdTier, HotTier, TierError, Tiers, WarmTier
from .sqlite_cold import SqliteCold
from .sqlite_hot import SqliteHot
from .sqlite_keys import iter_keys
from .sqlite_store import SqliteStore
from .sqlite_warm import SqliteWarm

if TYPE_CHECKING:
    from pathlib import Path

    from storage_bridge.config_tiers import TiersConfig

    from .cassandra_settings import CassandraSettings
    from .mongo_settings import MongoSettings
    from .redis_settings import RedisSettings

__all__ = ["DriverMissingError", "Tiers", "embedded", "iter_keys", "tiers_of"]


class DriverMissingError(TierError):
    """The package that speaks to a configured store is not installed."""

    def __init__(self, store: str, extra: str, err: ImportError) -> None:
        super().__init__(
            f"{store} is configured, but its driver cannot be imported ({err}); "
            f"install it: pip install 'smart-beer[{extra}]'"
        )


def embedded(path: Path) -> Tiers:
    """The three tiers in one SQLite file at `path` (created when opened); no server needed."""
    store = SqliteStore(path)
    return Tiers(
        hot=SqliteHot(store, shares_rows=True), warm=SqliteWarm(store), cold=SqliteCold(store)
    )


def tiers_of(config: TiersConfig, path: Path) -> Tiers:
    """The configured tiers, not yet open; those without a server are in the file at `path`.

    Imports the drivers of what is configured and no others, which may take seconds: call it in a
    thread. Raises DriverMissingError.
    """
    store = SqliteStore(path)
    # An embedded hot tier shows the rows of an embedded warm one; beside a server it has its own.
    rows = store if config.warm is None else SqliteStore(path.with_name(f"hot-{path.name}"))
    return Tiers(
        hot=SqliteHot(rows, shares_rows=config.warm is None)
        if config.hot is None
        else _redis(config.hot),
        warm=SqliteWarm(store) if config.warm is None else _mongo(config.warm),
        cold=SqliteCold(store) if config.cold is None else _cassandra(config.cold),
    )


def _redis(settings: RedisSettings) -> HotTier:
    try:
        from .redis_hot import RedisHot  # noqa: PLC0415 - only where it is configured
    except ImportError as err:
        raise DriverMissingError("Redis", "redis", err) from err
    return RedisHot(settings)


def _mongo(settings: MongoSettings) -> WarmTier:
    try:
        from .mongo_client import Mongo  # noqa: PLC0415 - only where it is configured
        from .mongo_warm import MongoWarm  # noqa: PLC0415 - only where it is configured
    except ImportError as err:
        raise DriverMissingError("MongoDB", "mongo", err) from err
    return MongoWarm(Mongo(settings))


def _cassandra(settings: CassandraSettings) -> ColdTier:
    try:
        from .cassandra_cold import CassandraCold  # noqa: PLC0415 - only where it is configured
    except ImportError as err:
        raise DriverMissingError("Cassandra", "cassandra", err) from err
    return CassandraCold(settings)
