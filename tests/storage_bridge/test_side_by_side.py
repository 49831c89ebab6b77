"""Several at once that end together."""

import asyncio

import pytest

from storage_bridge.side_by_side import side_by_side


async def test_work_is_shared_and_waited_for() -> None:
    left = iter(range(100))
    done: list[int] = []

    async def work() -> None:
        for item in left:
            await asyncio.sleep(0)
            done.append(item)

    await side_by_side(7, work)
    assert sorted(done) == list(range(100))


async def test_the_first_error_ends_the_others_and_comes_alone() -> None:
    places = iter(range(3))
    ended: list[int] = []

    async def work() -> None:
        place = next(places)
        try:
            if place == 1:
                raise OSError("full")
            await asyncio.sleep(60)
        finally:
            ended.append(place)

    with pytest.raises(OSError, match="full"):
        await side_by_side(3, work)
    assert sorted(ended) == [0, 1, 2]
