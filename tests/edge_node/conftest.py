"""Benches of outputs and spools, closed when the test ends."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_node.spool import Spool
from tests.edge_node.actuation_bench import Bench
from tests.edge_node.spools import Opened


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes benches, all on the same files."""
    made: list[Bench] = []

    def build(*arguments: Any, **more: Any) -> Bench:
        made.append(Bench(tmp_path, *arguments, **more))
        return made[-1]

    yield build
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make: Callable[..., Bench]) -> Bench:
    """One whose client leads."""
    bench = make()
    bench.lead()
    return bench


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    """Opens spools, all on the same file."""
    spools: list[Spool] = []

    async def open_spool(*, boot: str = "boot-1", max_bytes: int = 2**26) -> Spool:
        spool = Spool(tmp_path / "spool.db", max_bytes=max_bytes, kernel_boot=boot)
        await spool.open()
        spools.append(spool)
        return spool

    yield open_spool
    for spool in spools:
        await spool.close()
