"""Several at once that end together."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from storage_bridge.side_by_side import one_ahead, side_by_side


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


class Made:
    """Numbers, how many were made, and whether their maker has ended."""

    def __init__(self, *, fails_at: int | None = None, hangs_at: int | None = None) -> None:
        self.count = 0
        self.ended = False
        self._fails_at = fails_at
        self._hangs_at = hangs_at

    async def numbers(self) -> AsyncGenerator[int]:
        try:
            for number in range(5):
                if number == self._hangs_at:
                    await asyncio.sleep(3600)
                if number == self._fails_at:
                    raise OSError("worn out")
                self.count += 1
                yield number
        finally:
            self.ended = True


async def test_the_next_item_and_no_more_is_made_while_one_is_used() -> None:
    made = Made()
    seen: list[tuple[int, int]] = []
    async for number in one_ahead(made.numbers()):
        for _ in range(5):
            await asyncio.sleep(0)
        seen.append((number, made.count))
    assert seen == [(0, 2), (1, 3), (2, 4), (3, 5), (4, 5)]
    assert made.ended


async def test_what_making_raises_comes_after_what_was_made() -> None:
    numbers = one_ahead(Made(fails_at=2).numbers())
    assert [await anext(numbers), await anext(numbers)] == [0, 1]
    with pytest.raises(OSError, match="worn out"):
        await anext(numbers)


@pytest.mark.parametrize("hangs_at", [None, 2])
async def test_who_stops_using_ends_the_making(hangs_at: int | None) -> None:
    made = Made(hangs_at=hangs_at)
    async with aclosing(one_ahead(made.numbers())) as numbers:
        async for number in numbers:
            await asyncio.sleep(0)
            if number == 1:
                break
    assert made.ended
