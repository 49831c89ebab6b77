"""A mirror goes on where the archive says it stopped, when warm came back empty."""

import time
from pathlib import Path
from typing import Any

import pytest

from storage_bridge.app import Bridge
from storage_bridge.codec import encode
from storage_bridge.config import load
from storage_bridge.mirror_marks import ARCHIVE_MS, Marks, stored_marks
from storage_bridge.model import Sample, hour_of
from storage_bridge.records.model import Event
from storage_bridge.stored import open_store
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.sqlite_cold_records import SqliteColdRecords

from .bridge_files import write_config
from .conftest import OpenOutbox
from .fake_home_assistant import FakeHomeAssistant
from .test_alarm_log import page
from .test_mirror import GRAVITY, PUMP, at, mirroring, ms, numbers, seen, words
from .waiting import until

LAMP = "light.cellar"
EVERYWHERE = pytest.mark.parametrize(
    "stores", [(), ("mongo", "cassandra")], indirect=True, ids=["embedded", "mongo+cassandra"]
)


async def away(*_args: Any, **_more: Any) -> Any:
    raise TierUnavailableError("The archive has gone.")


async def archive(folder: Path, stores: dict[str, Any], *events: Event) -> None:
    """An archive with these events, beside a warm tier without any."""
    config = load(write_config(folder, "ws://127.0.0.1:9/api/websocket", tiers=stores))
    async with open_store(config, create=True) as tiers:
        await tiers.cold.records.put(events)


@EVERYWHERE
async def test_the_gap_behind_the_archives_newest_event_is_filled(
    stores: dict[str, Any], tmp_path: Path
) -> None:
    await archive(tmp_path, stores, Event(PUMP, ms(0), "off"), Event(PUMP, ms(1), "on"))
    async with FakeHomeAssistant() as ha:
        for second, state in enumerate(("off", "on", "off", "on", "off")):
            ha.states.set(PUMP, state, at(second))
        ha.states.set(GRAVITY, "1.04", at(3))  # never seen before: its past is nobody's
        ha.states.set(GRAVITY, "1.05", at(4))
        ha.states.record()
        async with mirroring(tmp_path, ha, tiers=stores) as bridge:
            await seen(bridge, 1, 3)
            assert await words(bridge) == [(ms(2), "off"), (ms(3), "on"), (ms(4), "off")]
            await until(lambda: bridge.feeders["warm"].written == 1, "the number is stored")
            assert await numbers(bridge) == [(ms(4), 1.05)]


async def test_what_only_a_silent_archive_may_know_waits_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive(tmp_path, {}, Event(LAMP, ms(0), "off"))
    entities = (GRAVITY, PUMP, LAMP)

    async with FakeHomeAssistant() as ha:
        ha.states.set(PUMP, "off", at(0))
        async with mirroring(tmp_path, ha, (PUMP,)) as bridge:
            await seen(bridge, 0, 1)
        for entity_id, states in ((PUMP, ("off", "on")), (LAMP, ("off", "on", "off"))):
            for second, state in enumerate(states):
                ha.states.set(entity_id, state, at(second))
        ha.states.record()
        with monkeypatch.context() as patch:
            patch.setattr(SqliteColdRecords, "find", away)
            async with mirroring(tmp_path, ha, entities) as bridge:
                mirror = bridge.mirror  # type: ignore[attr-defined]
                await seen(bridge, 0, 1)
                ha.states.set(LAMP, "on", at(3))
                ha.states.set(PUMP, "off", at(4))
                ha.states.record()
                await seen(bridge, 0, 2)
                assert await words(bridge, LAMP) == [], "it is not known which came last"
                assert mirror.problem.startswith(f"{LAMP}, {GRAVITY}: not mirrored until")
                assert mirror.problem.endswith("The archive has gone.")
                patch.undo()
                await seen(bridge, 0, 5)
                assert mirror.problem is None
                assert await words(bridge) == [(ms(0), "off"), (ms(1), "on"), (ms(4), "off")]
                lamp = await words(bridge, LAMP)
                assert lamp == [(ms(1), "on"), (ms(2), "off"), (ms(3), "on")]


async def test_what_a_new_entity_shows_while_the_archive_is_away_is_stored_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing of it was stored before: the recorder has what came meanwhile."""

    monkeypatch.setattr(SqliteColdRecords, "find", away)
    async with FakeHomeAssistant() as ha:
        ha.states.set(GRAVITY, "1.00", at(0))
        ha.states.record()
        async with mirroring(tmp_path, ha, (GRAVITY,)) as bridge:
            mirror = bridge.mirror  # type: ignore[attr-defined]
            await until(lambda: mirror.problem is not None, "it waits for the archive")
            for second in range(1, 6):
                ha.states.set(GRAVITY, f"1.0{second}", at(second))
            ha.states.record()
            monkeypatch.undo()
            await until(lambda: bridge.feeders["warm"].written == 6, "all are stored")
            assert mirror.problem is None
            assert await numbers(bridge) == [(ms(n), 1 + n / 100) for n in range(6)]


async def test_the_bridge_shows_what_waits_for_its_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteColdRecords, "find", away)
    async with FakeHomeAssistant() as ha:
        ha.states.set(LAMP, "off", at(0))
        ha.alarm_pages = [page(50)]
        bridge = Bridge(load(write_config(tmp_path, ha.url, mirror=[LAMP])))
        await bridge.start()
        try:

            def problem(name: str) -> str:
                return bridge.following.status()[name]["problem"] or ""

            await until(lambda: problem("mirror").startswith(f"{LAMP}: not mirrored"), "mirror")
            await until(lambda: problem("alarms").startswith("Alarms that went"), "alarms")
            assert problem("mirror").endswith("The archive has gone.")
            assert problem("alarms").endswith("The archive has gone.")
        finally:
            await bridge.stop()


async def test_marks_come_from_where_anything_is_stored(
    tmp_path: Path, open_outbox: OpenOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns() // 1_000_000
    day = 24 * 3_600_000
    config = load(write_config(tmp_path, "ws://127.0.0.1:9/api/websocket"))
    entities = ["warm", "both", "days", "sample", "ancient", "never"]
    archived = [
        Event("warm", now - 5, "x"),
        Event("both", now - 3, "x"), Event("both", now - 9, "x"),
        Event("days", now - 9 * day, "x"), Event("days", now - 10 * day, "y"),
        Event("sample", now - 2, "x"),
        Event("ancient", now - ARCHIVE_MS - day, "x"),
        *(Event("switch.busy", now - n * day // 500, "on") for n in range(3000)),
    ]  # fmt: skip
    sample = Sample("ha/sample", hour_of(now - 40 * day) + 7, 1.0, "ok", None)
    async with open_store(config, create=True) as tiers:
        await tiers.cold.records.put(archived)
        await tiers.cold.write_chunk(encode([sample]))
        await tiers.warm.records.put([Event("warm", now - 50, "x")])
        known = {"warm": now - 50, "both": now - 3, "days": now - 9 * day, "sample": sample.t}
        outbox = open_outbox()
        assert await stored_marks(entities, outbox, tiers) == Marks(known)

        async def away(*_args: Any, **_more: Any) -> Any:
            raise TierUnavailableError("Away.")

        monkeypatch.setattr(SqliteColdRecords, "find", away)
        marks = await stored_marks(entities, outbox, tiers)
        assert marks == ({"warm": now - 50}, frozenset(entities[1:]), "Away.")
        monkeypatch.setattr(type(tiers.warm), "span", away)
        with pytest.raises(TierUnavailableError):
            await stored_marks(entities, outbox, tiers)
        await tiers.warm.records.close()
