"""Which samples a bridge gets when a spool is another, has holes, or is not where it was."""

import asyncio

from tests.smart_beer.brewery import eventually
from tests.smart_beer.spool import Meet


async def test_another_spool_starts_at_zero_with_its_own_id(meet: Meet) -> None:
    node, bridge = await meet(5)
    await bridge.subscribe({"mash-a": ["s1", 10]})
    node.spool.replace("s2")
    node.live(4)
    event = await bridge.event()
    assert (event["spool_id"], event["samples"]) == ("s2", node.spool.rows)
    await bridge.ack(event)


async def test_a_cursor_of_a_spool_that_is_gone_starts_at_zero_of_the_new_one(meet: Meet) -> None:
    node, bridge = await meet(5)
    await bridge.subscribe({"mash-a": ["s0", 4711]})
    event = await bridge.event()
    assert (event["spool_id"], event["samples"]) == ("s1", node.spool.rows)


async def test_a_cursor_beyond_the_end_of_its_spool_starts_at_zero(meet: Meet) -> None:
    node, bridge = await meet(5)
    await bridge.subscribe({"mash-a": ["s1", 4711]})
    assert (await bridge.event())["samples"] == node.spool.rows


async def test_a_cursor_ahead_of_memory_waits_for_the_node(meet: Meet) -> None:
    node, bridge = await meet(5)
    node.spool.tick(2)  # the other server has seen these, this one not yet
    await bridge.subscribe({"mash-a": ["s1", 14]})
    assert await bridge.all_events() == []
    node.poll()
    assert await bridge.all_events() == []
    node.live()
    assert (await bridge.event())["samples"] == node.spool.rows[-2:]


async def test_a_spool_replaced_before_the_live_loop_sees_it_is_waited_for(meet: Meet) -> None:
    node, bridge = await meet(5)
    node.spool.replace("s2")
    node.spool.tick(3)
    await bridge.subscribe()
    assert await bridge.all_events() == []
    node.poll()
    assert (await bridge.event())["samples"] == node.spool.rows


async def test_a_page_read_before_its_spool_was_replaced_goes_out_as_what_it_is(meet: Meet) -> None:
    node, bridge = await meet(5)
    node.spool.hold = hold = asyncio.Event()
    await bridge.subscribe()
    await eventually(lambda: node.spool.requests, "the spool is read")
    old = node.spool.rows
    node.spool.replace("s2")
    node.live()
    node.spool.hold = None
    hold.set()
    events = [await bridge.event(), await bridge.event()]
    assert [(event["spool_id"], event["samples"]) for event in events] == [
        ("s1", old),
        ("s2", node.spool.rows),
    ]
    assert await bridge.all_events() == []


async def test_gaps_and_holes_are_passed_on(meet: Meet) -> None:
    node, bridge = await meet(10)
    node.spool.skip(100)
    node.spool.drop(15)
    node.live(5)
    await bridge.subscribe({"mash-a": ["s1", 4]})
    event = await bridge.event()
    assert event["gap"] == {"from": 5, "to": 14}
    assert event["holes"] == [[21, 120]]
    assert event["samples"] == node.spool.rows
    await bridge.ack(event)
    node.spool.skip(10)
    node.live()
    event = await bridge.event()
    assert (event["gap"], event["holes"]) == (None, [[131, 140]])
