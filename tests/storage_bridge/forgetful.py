"""A hot tier that loses what a test says."""

from collections.abc import Callable
from typing import TYPE_CHECKING, override

from storage_bridge.tiers.base import Standing
from storage_bridge.tiers.sqlite_hot import SqliteHot
from storage_bridge.tiers.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path


class Forgetful(SqliteHot):
    """A hot tier whose holder, and what that one remembers, the test chooses."""

    def __init__(self, path: Path) -> None:
        super().__init__(SqliteStore(path), shares_rows=False)
        self.path = path
        self.holder = "a"
        self.filled: str | None = None
        self.tokens: set[str] = set()
        self.settle = 60.0
        self.before_end: Callable[[], object] = dict

    @property
    @override
    def settle_s(self) -> float:
        return self.settle

    @override
    async def standing(self) -> Standing:
        if self.filled is None:
            return Standing(self.holder, "empty")
        return Standing(self.holder, "whole" if self.filled == self.holder else "tail")

    @override
    async def begin_fill(self) -> str:
        self.tokens.add(self.holder)
        return self.holder

    @override
    async def end_fill(self, token: str) -> bool:
        self.before_end()
        if token not in self.tokens or token != self.holder:
            return False
        self.filled = token
        return True

    async def lose(self, since: int = 0) -> None:
        """All samples from `since` (ms) on are gone, and the marker with the oldest."""
        rows = [
            row for name in await self.series() for row in await self.read(name, 0, max(since, 1))
        ]
        await self.close()
        self.path.unlink()
        await self.open()
        await SqliteHot.write(self, rows)  # not what a test put in its place
        if not since:
            self.filled = None
            self.tokens = set()
