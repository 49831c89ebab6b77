"""Hot, warm and cold: where samples are kept."""

from typing import TYPE_CHECKING

from .base import Tiers
from .sqlite_cold import SqliteCold
from .sqlite_hot import SqliteHot
from .sqlite_keys import iter_keys
from .sqlite_store import SqliteStore
from .sqlite_warm import SqliteWarm

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Tiers", "embedded", "iter_keys"]


def embedded(path: Path) -> Tiers:
    """The three tiers in one SQLite file at `path` (created when opened); no server needed."""
    store = SqliteStore(path)
    return Tiers(
        hot=SqliteHot(store, shares_rows=True), warm=SqliteWarm(store), cold=SqliteCold(store)
    )
