"""The doctor connects to what is configured and says what is wrong, part by part."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from storage_bridge import cli, doctor
from storage_bridge.app import Bridge
from storage_bridge.config import load
from storage_bridge.data_dir import write_runtime
from storage_bridge.preflight import Level

from .bridge_files import write_config
from .fake_home_assistant import FakeHomeAssistant, FakeNode
from .servers import free_port
from .waiting import until

GONE = "ws://127.0.0.1:9/api/websocket"


async def _said(path: Path) -> dict[str, tuple[Level, str]]:
    return {one.part: (one.level, one.text) async for one in doctor.examine(load(path))}


async def test_a_bridge_that_works_is_well_in_every_part(tmp_path: Path) -> None:
    async with FakeHomeAssistant(FakeNode("n1", 50)) as home:
        path = write_config(tmp_path, home.url)
        bridge = Bridge(load(path))
        await bridge.start()
        try:
            await until(
                lambda: bridge.feeders["warm"].status()["written"] >= 50,
                "all is stored",
            )
            said = await _said(path)
        finally:
            await bridge.stop()
    assert set(said) == {
        "clock", "data", "home assistant", "hot", "warm", "cold", "outbox", "bridge",
    }  # fmt: skip
    assert said["home assistant"][0] is Level.OK
    assert "1 nodes, all connected" in said["home assistant"][1]
    for part in ("data", "hot", "warm", "cold", "outbox", "bridge"):
        assert said[part][0] is Level.OK, said[part]
    assert "2 series" in said["warm"][1]


async def test_a_bridge_that_runs_and_lacks_something_is_warned_of_in_its_own_words(
    tmp_path: Path,
) -> None:
    """Its health is that it takes samples in: a store that is away does not end that."""
    async with FakeHomeAssistant(FakeNode("n1", 50)) as home:
        hot = {"driver": "redis", "url": f"redis://127.0.0.1:{free_port()}/0"}
        path = write_config(tmp_path, home.url, tiers={"hot": hot})
        bridge = Bridge(load(path))
        await bridge.start()
        try:
            await until(lambda: bridge.feeders["hot"].problem is not None, "it has tried")
            alarms = (await bridge.status())["alarms"]
            said = [one async for one in doctor.examine(load(path)) if one.part == "bridge"]
        finally:
            await bridge.stop()
    assert said[0].level is Level.OK
    assert any("hot tier takes no samples" in alarm for alarm in alarms)
    assert [(one.level, one.text) for one in said[1:]] == [
        (Level.WARN, f"{alarm.rstrip('. ')}.") for alarm in alarms
    ]


async def test_another_program_on_the_port_of_a_bridge_that_was_killed_is_not_it(
    tmp_path: Path,
) -> None:
    async def well(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    other = web.Application()
    other.add_routes([web.get("/healthz", well)])
    runner = web.AppRunner(other)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        (tmp_path / "data").mkdir()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        write_runtime(tmp_path / "data", url, "secret")
        level, text = (await _said(write_config(tmp_path, GONE)))["bridge"]
    finally:
        await runner.cleanup()
    assert level is Level.STOP
    assert text == f"{url}/v1/status answers 404, as this bridge would not: start the bridge again."


async def test_what_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    said = await _said(write_config(tmp_path, GONE))
    assert said["data"][0] is Level.STOP
    assert "init" in said["data"][1]
    assert said["home assistant"][0] is Level.STOP
    assert said["outbox"] == (
        Level.WARN, "There is no outbox yet: the bridge has never run.",
    )  # fmt: skip
    assert "smart-beer-bridge run" in said["bridge"][1]


@pytest.mark.real_time
async def test_a_store_that_does_not_answer_does_not_keep_the_others_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port that takes connections and says nothing, as a server that hangs does."""
    monkeypatch.setattr(doctor, "PATIENCE_S", 1.0)
    (tmp_path / "data").mkdir()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        tiers: dict[str, Any] = {
            "hot": {"driver": "redis", "url": f"redis://127.0.0.1:{port}/0"},
            "warm": {"driver": "sqlite"},
        }
        said = await _said(write_config(tmp_path, GONE, tiers=tiers))
    assert said["hot"][0] is Level.STOP
    assert f"127.0.0.1:{port}" in said["hot"][1], "which one is it"
    assert said["warm"][0] is Level.OK


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_a_store_that_refuses_is_named_with_the_reason_in_a_sentence(
    tmp_path: Path, driver: str
) -> None:
    (tmp_path / "data").mkdir()
    port = free_port()
    warm = {"driver": driver, "url": f"mongodb://127.0.0.1:{port}/"}
    said = await _said(write_config(tmp_path, GONE, tiers={"warm": warm}))
    level, text = said["warm"]
    assert level is Level.STOP
    assert f"MongoDB at 127.0.0.1:{port}" in text
    assert "refused" in text or "Connect call failed" in text
    for part, (_, sentence) in said.items():
        assert sentence.endswith((".", "?")), part
        assert not sentence.endswith(".."), part


async def test_a_folder_that_this_user_cannot_write_is_not_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked of the system, which for root, as which tests may run, knows no such folder."""
    (tmp_path / "data").mkdir()
    asked: list[tuple[object, int]] = []

    def refuse(path: object, mode: int) -> bool:
        asked.append((path, mode))
        return False

    monkeypatch.setattr(os, "access", refuse)
    level, text = (await _said(write_config(tmp_path, GONE)))["data"]
    assert level is Level.STOP
    assert "not for this user" in text
    assert (tmp_path / "data", os.R_OK | os.W_OK | os.X_OK) in asked


async def test_the_command_ends_with_1_when_something_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, GONE)
    assert await asyncio.to_thread(cli.main, ["doctor", "--config", str(path)]) == 1
    out = capsys.readouterr().out
    assert "STOP  home assistant" in out
