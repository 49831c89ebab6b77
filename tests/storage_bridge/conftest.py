"""Fixtures of the bridge's tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from storage_bridge.outbox import Outbox

type OpenOutbox = Callable[..., Outbox]


@pytest.fixture
async def open_outbox(tmp_path: Path) -> AsyncIterator[OpenOutbox]:
    """Opens outboxes, by default all on one file, and closes what was not."""
    async with AsyncExitStack() as stack:

        def make(name: str = "outbox.db", **options: Any) -> Outbox:
            outbox = Outbox(tmp_path / name, **{"max_bytes": 1 << 30, **options})
            stack.push_async_callback(outbox.close)
            return outbox

        yield make
