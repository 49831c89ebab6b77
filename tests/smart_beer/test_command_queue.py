"""The order of commands to one node."""

import asyncio

import pytest

from custom_components.smart_beer.command_queue import CommandQueue, SupersededError
from tests.smart_beer.brewery import eventually


class Line:
    """A queue whose commands end when a test says so."""

    def __init__(self) -> None:
        self.queue = CommandQueue()
        self.sent: list[str] = []
        self.gates: dict[str, asyncio.Future[str]] = {}

    def put(self, name: str, *marks: str, patience: float = 30) -> asyncio.Task[str]:
        async def send() -> str:
            self.sent.append(name)
            self.gates[name] = asyncio.get_running_loop().create_future()
            return await self.gates[name]

        return asyncio.create_task(
            self.queue.in_turn(frozenset(marks), send, patience=patience), name=name
        )

    async def until_sent(self, *names: str) -> None:
        await eventually(lambda: self.sent == list(names), f"{names} sent")


async def test_one_is_sent_after_the_other_in_the_order_they_came() -> None:
    line = Line()
    first, second, third = line.put("1"), line.put("2"), line.put("3")
    await line.until_sent("1")
    await asyncio.sleep(0)
    assert line.sent == ["1"]
    line.gates["1"].set_result("one")
    await line.until_sent("1", "2")
    line.gates["2"].set_exception(OSError("broken"))
    await line.until_sent("1", "2", "3")
    line.gates["3"].set_result("three")
    assert (await first, await third) == ("one", "three")
    with pytest.raises(OSError, match="broken"):
        await second
    late = line.put("4")
    await line.until_sent("1", "2", "3", "4")
    line.gates["4"].set_result("four")
    assert await late == "four"


async def test_what_waits_can_be_dropped_by_its_marks_and_what_is_sent_cannot() -> None:
    line = Line()
    sent, other, dropped = line.put("1", "a"), line.put("2", "b"), line.put("3", "a", "c")
    await line.until_sent("1")
    line.queue.drop(frozenset({"a"}))
    with pytest.raises(SupersededError):
        await dropped
    line.gates["1"].set_result("one")
    assert await sent == "one"
    await line.until_sent("1", "2")
    line.gates["2"].set_result("two")
    assert await other == "two"


async def test_patience_ends_and_the_turn_goes_to_the_next() -> None:
    line = Line()
    first, hasty, third = line.put("1"), line.put("2", patience=0.01), line.put("3")
    with pytest.raises(TimeoutError):
        await hasty
    line.gates["1"].set_result("one")
    await line.until_sent("1", "3")
    line.gates["3"].set_result("three")
    assert (await first, await third) == ("one", "three")


@pytest.mark.parametrize("turn_came", [False, True])
async def test_a_caller_that_gives_up_blocks_nobody(turn_came: bool) -> None:
    line = Line()
    first, given_up, third = line.put("1"), line.put("2"), line.put("3")
    await line.until_sent("1")
    await asyncio.sleep(0)
    if turn_came:
        line.gates["1"].set_result("one")
        # When the first has ended and handed its turn on, and the second has not taken it yet.
        asyncio.get_running_loop().call_soon(given_up.cancel)
    else:
        given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    if not turn_came:
        line.gates["1"].set_result("one")
    await line.until_sent("1", "3")
    line.gates["3"].set_result("three")
    assert (await first, await third) == ("one", "three")
