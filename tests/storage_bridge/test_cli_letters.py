"""`smart-beer-bridge letters` shows what could not be stored, wherever it is."""

import asyncio
import json
import time
from pathlib import Path

import orjson
import pytest

from storage_bridge import outbox_letters
from storage_bridge.app import Bridge
from storage_bridge.cli import main
from storage_bridge.config import load
from storage_bridge.outbox import Outbox
from storage_bridge.outbox_batch import BadRecord
from storage_bridge.records.model import DeadLetter
from storage_bridge.records.sqlite import SqliteRecords
from storage_bridge.stored import open_store
from storage_bridge.tiers.base import TierUnavailableError

from .bridge_files import write_config
from .fake_home_assistant import FakeHomeAssistant, FakeNode
from .waiting import until

DAY_MS = 86_400_000


async def test_letters_in_the_store_and_in_the_outbox_are_shown_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, "ws://127.0.0.1:9/api/websocket")
    config, now = load(path), time.time_ns() // 1_000_000
    (tmp_path / "data").mkdir()

    async def letters(*arguments: str) -> list[str]:
        code = await asyncio.to_thread(main, ["letters", *arguments, "--config", str(path)])
        assert code == 0
        return capsys.readouterr().out.splitlines()

    async with open_store(config, create=True) as tiers:
        assert await letters() == ["Everything could be stored."]
        await tiers.warm.records.open()
        await tiers.warm.records.put(
            [
                DeadLetter("warm", "n1", now - 90 * DAY_MS, "long ago", "[0]"),
                DeadLetter("warm", "n1", now - DAY_MS, "too hot", "[1]"),
                DeadLetter("source", "n2", now - DAY_MS, "no sample", "[2]" * 100),
            ]
        )
        await tiers.warm.records.close()
        outbox = Outbox(config.outbox_path, max_bytes=1 << 20)
        outbox.advance("warm", 0, [("n1", BadRecord("too hot", b"[1]"))])  # written, not yet let go
        outbox.advance("warm", 0, [("n1", BadRecord("too cold", b"[3]"))])
        await outbox.close()
        shown = await letters()
        assert [line.split(" ", 1)[1] for line in shown] == [
            "warm n1: too hot: [1] (waits in the outbox)",
            "warm n1: too cold: [3] (waits in the outbox)",
            f"source n2: no sample: {('[2]' * 100)[:200]}...",
        ]
        assert len(await letters("--node", "n1")) == 2
        assert len(await letters("--node", "n1", "--days", "100")) == 3
        [whole] = await letters("--node", "n2", "--json")
        found = json.loads(whole)
        assert (found["record"], found["waits"]) == ("[2]" * 100, False)


async def test_a_bridge_says_how_many_wait_until_they_are_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(outbox_letters, "AT_ONCE", 0)  # none is taken out of the outbox
    node = FakeNode("n", 100)
    async with FakeHomeAssistant(node, batch=50) as ha:

        def spoil(message: dict[str, dict[str, list[list[object]]]]) -> list[bytes]:
            message["event"]["samples"][7][3] = ["no number"]
            return [orjson.dumps(message)]

        ha.mangle = spoil
        path = write_config(tmp_path, ha.url)
        config = ["--config", str(path)]
        bridge = Bridge(load(path))
        await bridge.start()
        try:
            await until(lambda: bridge.outbox.snapshot.letters == 2, "both are kept")
            assert (await bridge.status())["letters"]["waiting"] == 2
            assert "smart_beer_bridge_outbox_letters 2" in await bridge.metrics()
            assert await asyncio.to_thread(main, ["status", *config]) == 0
            assert "Dead letters: 2, 2 of them wait" in capsys.readouterr().out
            await asyncio.to_thread(main, ["doctor", *config])
            assert "2 dead letters wait for warm" in capsys.readouterr().out
            monkeypatch.undo()
            await until(lambda: bridge.outbox.snapshot.letters == 0, "they are documents")
            assert (await bridge.status())["alarms"] == []
        finally:
            await bridge.stop()
        assert await asyncio.to_thread(main, ["status", *config]) == 1
        assert "Dead letters: 2, 0 of them wait" in capsys.readouterr().out
        assert await asyncio.to_thread(main, ["letters", *config]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2
        assert all("source n: value ['no number'] is not a number: [" in line for line in lines)
        assert await asyncio.to_thread(main, ["verify", "--offline", *config]) == 0
        assert "100 samples taken in, 98 in the tiers, 2 set aside" in capsys.readouterr().out


async def test_a_store_that_is_away_is_said_to_be_and_what_waits_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def away(*_args: object, **_more: object) -> object:
        raise TierUnavailableError("The store is away.")

    monkeypatch.setattr(SqliteRecords, "find", away)
    path = write_config(tmp_path, "ws://127.0.0.1:9/api/websocket")
    config = load(path)
    async with open_store(config, create=True):
        outbox = Outbox(config.outbox_path, max_bytes=1 << 20)
    outbox.advance("warm", 0, [("n1", BadRecord("too cold", b"[3]"))])
    await outbox.close()
    assert await asyncio.to_thread(main, ["letters", "--config", str(path)]) == 1
    out, err = capsys.readouterr()
    assert "warm n1: too cold: [3] (waits in the outbox)" in out
    assert "Partial: the warm tier: The store is away." in err
