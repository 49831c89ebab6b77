"""The commands, as a person runs them."""

import asyncio
import csv
import io
import json
import stat
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from storage_bridge.app import Bridge
from storage_bridge.cli import main
from storage_bridge.cli_data import parse_time
from storage_bridge.config import load
from storage_bridge.outbox import Outbox
from storage_bridge.stored import open_store

from .bridge_files import write_config
from .events import batch
from .fake_home_assistant import TOKEN, FakeHomeAssistant, FakeNode
from .waiting import until

type Cli = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command beside this loop: its exit code, stdout and stderr."""

    async def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = await asyncio.to_thread(main, arguments)
        return code, *capsys.readouterr()

    return run


def _init(folder: Path, url: str, *more: str) -> list[str]:
    return [
        "init", "--home-assistant", url, "--token-file", "-", "--data-dir", str(folder / "data"),
        "--config", str(folder / "bridge.yaml"), *more,
    ]  # fmt: skip


async def test_init_tests_the_token_and_writes_private_files(tmp_path: Path, cli: Cli) -> None:
    async with FakeHomeAssistant() as ha:
        code, out, err = await cli(*_init(tmp_path, ha.url), stdin=TOKEN + "\n")
        assert code == 0, err
        assert ha.logins == 1
    assert TOKEN not in out + err
    config = load(tmp_path / "bridge.yaml")
    assert config.home_assistant.token() == TOKEN
    assert stat.S_IMODE(config.home_assistant.token_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.data_dir.stat().st_mode) == 0o700
    assert TOKEN not in (tmp_path / "bridge.yaml").read_text()
    code, _, err = await cli(*_init(tmp_path, ha.url, "--no-check"), stdin="other")
    assert code == 2
    assert "not overwritten" in err
    assert config.home_assistant.token() == TOKEN


async def test_init_says_how_home_assistant_on_another_machine_reaches_the_bridge(
    tmp_path: Path, cli: Cli
) -> None:
    command = _init(tmp_path, "ws://ha:8123/api/websocket", "--no-check", "--bind", "0.0.0.0")
    code, _, err = await cli(*command, "--advertise", "bridge.local", stdin=TOKEN)
    assert (code, "api.advertise must be an address" in err) == (2, True)
    code, _, err = await cli(*command, "--port", "70000", stdin=TOKEN)
    assert (code, "api.port must be a port" in err) == (2, True)
    assert list(tmp_path.iterdir()) == []
    address = ["--port", "8555", "--advertise", "http://bridge.local:8555"]
    code, _, err = await cli(*command, *address, stdin=TOKEN)
    assert code == 0, err
    api = load(tmp_path / "bridge.yaml").api
    assert (api.bind, api.port, api.advertise) == ("0.0.0.0", 8555, "http://bridge.local:8555")


async def test_on_a_terminal_init_asks_for_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", _Terminal())
    monkeypatch.setattr("storage_bridge.cli_init.getpass", lambda _prompt: TOKEN)
    command = _init(tmp_path, "ws://ha:8123/api/websocket", "--no-check")
    assert await asyncio.to_thread(main, command) == 0, capsys.readouterr().err
    assert load(tmp_path / "bridge.yaml").home_assistant.token() == TOKEN


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def test_init_writes_nothing_when_it_cannot_work(tmp_path: Path, cli: Cli) -> None:
    async with FakeHomeAssistant() as ha:
        code, _, err = await cli(*_init(tmp_path, ha.url), stdin="wrong")
        assert (code, "refuses the bridge's token" in err) == (2, True)
    code, _, err = await cli(*_init(tmp_path, ha.url), stdin=TOKEN)
    assert (code, "No connection to ws://" in err) == (2, True)
    code, _, err = await cli(*_init(tmp_path, "http://x"), stdin=TOKEN)
    assert (code, "must look like ws://" in err) == (2, True)
    code, _, err = await cli(*_init(tmp_path, ha.url, "--no-check"), stdin=" \n")
    assert (code, "token is empty" in err) == (2, True)
    assert list(tmp_path.iterdir()) == []
    code, out, _ = await cli(*_init(tmp_path, ha.url, "--no-check"), stdin=TOKEN)
    assert (code, "Wrote" in out) == (0, True)


async def test_a_bridge_is_asked_and_its_files_are_read_when_it_has_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = FakeNode("n", 3000, channels=3)
    async with FakeHomeAssistant(node) as ha:
        path = write_config(tmp_path, ha.url)
        config = ["--config", str(path)]
        bridge = Bridge(load(path))
        await bridge.start()
        try:
            await until(ha.acked_all, "taken in")
            await until(lambda: all(f.idle for f in bridge.feeders.values()), "stored")
            assert await asyncio.to_thread(main, ["status", "--json", *config]) == 0
            status = json.loads(capsys.readouterr().out)
            assert status["running"] is True
            assert status["coverage"]["n"][0]["coverage"] == [[1, 3000]]
            assert await asyncio.to_thread(main, ["status", *config]) == 0
            assert "Home Assistant: connected" in capsys.readouterr().out
            assert await asyncio.to_thread(main, ["verify", *config]) == 0
            assert "Everything is here" in capsys.readouterr().out
        finally:
            await bridge.stop()

        assert await asyncio.to_thread(main, ["status", *config]) == 1
        shown = capsys.readouterr().out
        assert "not running" in shown
        assert "Node n, spool s1: seq 1-3000" in shown
        await asyncio.to_thread(_query_and_export, path, capsys, node)

        node.last += 10
        code = await asyncio.to_thread(main, ["verify", "--wait", "0", *config])
        assert code == 1
        assert "10 samples of its spool s1 were never taken in: seq 3001-3010" in (
            capsys.readouterr().out
        )
    assert await asyncio.to_thread(main, ["verify", "--offline", "--json", *config]) == 0
    assert json.loads(capsys.readouterr().out)["missing"] == []


def _query_and_export(path: Path, capsys: pytest.CaptureFixture[str], node: FakeNode) -> None:
    config = ["--config", str(path), "--start", "1790000000000", "--end", "1790000010000"]
    assert main(["query", "--series", "n/t1", *config]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("2026-09-21T14:13:20.000+00:00 20.0625 ok b1")
    assert main(["query", "--series", "n/t1", "--points", "5", *config]) == 0
    assert 0 < len(capsys.readouterr().out.splitlines()) <= 5

    for command in (["query"], ["query", "--points", "5"], ["export", "--output", "never.csv"]):
        assert main([*command, "--series", "n/t7", *config]) == 1
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "No tier has a series 'n/t7'; there is n/t" in shown.err
    assert not Path("never.csv").exists()
    elsewhen = ["--start", "1", "--end", "2"]
    assert main(["query", "--series", "n/t1", "--config", str(path), *elsewhen]) == 0

    output = path.parent / "all.csv"
    whole = ["--config", str(path), "--start", "0", "--end", "2026-12-31T00:00"]
    with pytest.raises(SystemExit):
        main(["export", "--start", "x", "--config", str(path)])
    assert main(["export", "--output", str(output), *whole]) == 0
    assert "3000 samples exported" in capsys.readouterr().err
    rows = list(csv.DictReader(io.StringIO(output.read_text())))
    assert {(row["series"], int(row["t"])) for row in rows} == node.keys()
    assert list(path.parent.glob("*.part")) == []
    assert main(["export", *whole]) == 0
    assert capsys.readouterr().out.replace("\r\n", "\n") == output.read_text()


async def test_what_waits_for_the_stores_is_told_beside_what_they_hold(
    tmp_path: Path, cli: Cli
) -> None:
    path = write_config(tmp_path, "ws://127.0.0.1:1/api/websocket")
    config = load(path)
    parsed, blob = batch(1, 20)
    async with open_store(config, create=True) as tiers:
        await tiers.warm.write(parsed.samples[:10])
    whole = ["--config", str(path), "--start", "0", "--end", "2030-01-01T00:00"]
    commands = (["query", "--series", "mash-a/t0", *whole], ["export", *whole])
    for command in commands:
        code, _, err = await cli(*command)
        assert code == 0, err
        assert "wait for the stores" not in err
    told = "20 samples that were taken in still wait for the stores"
    for waiting, is_told in (
        (batch(101, 120, t0=time.time_ns() // 1_000_000 - 100_000), False),  # it is on its way
        ((parsed, blob), True),
    ):
        outbox = Outbox(config.outbox_path, max_bytes=1 << 30)
        try:
            outbox.advance("warm", outbox.status()["last_row"])
            await outbox.append(*waiting, live=False)
        finally:
            await outbox.close()
        for command in commands:
            code, _, err = await cli(*command)
            assert code == 0, err
            assert (told in err) == is_told


async def test_verify_finds_a_sample_that_a_tier_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = FakeNode("n", 1000)
    async with FakeHomeAssistant(node) as ha:
        path = write_config(tmp_path, ha.url)
        bridge = Bridge(load(path))
        await bridge.start()
        await until(ha.acked_all, "taken in")
        await until(lambda: all(f.idle for f in bridge.feeders.values()), "stored")
        victims = await bridge.tiers.warm.read("n/t1", 0, 1 << 47, 3)
        assert await bridge.tiers.warm.delete_exact(victims) == 3
        await bridge.stop()
        assert await asyncio.to_thread(main, ["verify", "--config", str(path)]) == 1
    shown = capsys.readouterr().out
    assert "MISSING: Node n: 1000 samples taken in, 997 in the tiers: 3 are missing" in shown
    assert "(3 of n/t1 from 2026-" in shown


def test_errors_are_sentences_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = ["--config", str(tmp_path / "none.yaml")]
    for command in (["run"], ["status"], ["verify"], ["export"], ["query", "--series", "a/b"]):
        assert main([*command, *missing]) == 2
        assert "none.yaml cannot be read" in capsys.readouterr().err
    path = write_config(tmp_path, "ws://127.0.0.1:9/api/websocket")
    for command in (["export"], ["query", "--series", "a/b"], ["verify", "--offline"]):
        assert main([*command, "--config", str(path)]) == 2
        assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1790000000000", 1_790_000_000_000),
        ("2026-09-21T14:13:20", 1_790_000_000_000),
        ("2026-09-21T16:13:20+02:00", 1_790_000_000_000),
        ("2026-09-21", 1_789_948_800_000),
        ("0", 0),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, expected: int) -> None:
    assert parse_time(text) == expected
