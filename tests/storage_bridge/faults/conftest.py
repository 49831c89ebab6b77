"""One set of stores for all of these tests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from .brewery import Brewery
from .nodes import Node
from .stores import Stores

type MakeBrewery = Callable[..., Awaitable[Brewery]]


@pytest.fixture(scope="session")
def stores_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    stores = Stores(tmp_path_factory.mktemp("faults"))
    try:
        stores.start()
        yield stores
    finally:
        stores.kill()


@pytest.fixture
def stores(stores_of_session: Stores) -> Stores:
    """The three, running whatever the test before did to them."""
    stores_of_session.heal()
    return stores_of_session


@pytest.fixture
async def brewery(stores: Stores, tmp_path: Path) -> AsyncIterator[MakeBrewery]:
    """Makes breweries on the three stores."""
    async with AsyncExitStack() as stack:

        async def make(*nodes: Node, **options: Any) -> Brewery:
            return await stack.enter_async_context(Brewery(stores, tmp_path, *nodes, **options))

        yield make
        await asyncio.to_thread(stores.heal)
