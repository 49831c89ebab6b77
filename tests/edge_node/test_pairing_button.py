"""The pairing button: a window without a shell, and a line that is there only while it is open."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edge_node.pairing import PairingWindow
from edge_node.pairing_button import PairingButton
from tests.edge_node.actuation_bench import TEXT, Bench

FINGERPRINT = "0123456789abcdef" * 4
LIMIT_S = 60.0


class Held:
    """A button in service."""

    def __init__(self, folder: Path) -> None:
        self.window = PairingWindow(folder)
        self.path = folder / "run" / "pairing.txt"
        self.path.parent.mkdir()
        self.hosts = 0
        self.button = PairingButton(
            self.window, self.path, host=self.host, port=8443, fingerprint=FINGERPRINT
        )

    def host(self) -> str:
        self.hosts += 1
        return "192.0.2.7"

    @property
    def line(self) -> str:
        return self.path.read_text("utf-8").splitlines()[0]

    @property
    def code(self) -> str:
        return self.line.rpartition("-")[2]


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[Held]:
    held = Held(tmp_path)
    task = asyncio.create_task(held.button.run())
    yield held
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not held.path.exists()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_held_it_opens_the_window_and_shows_its_line_to_its_own_user_only(
    held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    assert not held.window.is_open()
    threading.Thread(target=held.button.press).start()
    await until(held.path.exists)
    await until(lambda: bool(held.path.read_text("utf-8")))
    assert held.window.is_open()
    assert held.line == f"SB1-192.0.2.7:8443-{FINGERPRINT[:32]}-{held.code}"
    assert stat.S_IMODE(held.path.stat().st_mode) == 0o600
    assert "█" in held.path.read_text("utf-8")
    assert held.code not in caplog.text
    held.window.use(held.code, "Home Assistant")
    await until(lambda: not held.path.exists())
    assert "Home Assistant" in caplog.text


async def test_held_again_it_opens_a_new_window_in_place_of_the_old_one(held: Held) -> None:
    held.button.press()
    await until(lambda: held.path.exists() and bool(held.path.read_text("utf-8")))
    first = held.code
    held.button.press()
    await until(lambda: held.hosts == 2)
    await until(lambda: held.path.exists() and bool(held.path.read_text("utf-8")))
    assert held.code != first
    held.window.use(held.code, "x")


async def test_a_window_whose_line_cannot_be_shown_is_closed(held: Held) -> None:
    held.path.mkdir()
    held.button.press()
    await until(lambda: held.hosts == 1)
    await until(lambda: not held.window.is_open())
    held.path.rmdir()
    held.button.press()
    await until(held.window.is_open)


def test_the_button_is_passed_on_once_held_for_three_seconds(tmp_path: Path) -> None:
    pairing = "  pairing: {driver: simulated, file: pins/pairing}\n"
    (tmp_path / "pins").mkdir()
    (tmp_path / "pins" / "pairing").write_text("0")
    bench = Bench(tmp_path, TEXT.replace("inputs:\n", "inputs:\n" + pairing))
    try:
        pressed: list[int] = []
        bench.core.pair = lambda: pressed.append(bench.machine.mono)
        bench.run(1)
        (tmp_path / "pins" / "pairing").write_text("1")
        bench.run(2.5)
        assert pressed == []
        bench.run(1.5)
        assert len(pressed) == 1
        bench.run(5)
        assert len(pressed) == 1
        assert "pairing" not in bench.state["interlocks"]
    finally:
        bench.close()


CONFIG = """\
node: {id: mash-a, data_dir: data}
api: {bind: 127.0.0.1, port: 0, mdns: false}
clock: trust
kettles: [{id: k}]
channels: [{id: t, kettle: k, driver: simulated}]
inputs: {pairing: {driver: simulated, file: button}}
"""


@pytest.mark.timeout(300)
def test_a_client_pairs_with_a_running_node_whose_button_was_held(tmp_path: Path) -> None:
    config, button, shown = (
        tmp_path / name for name in ("edge.yaml", "button", "data/pairing.txt")
    )
    config.write_text(CONFIG)
    button.write_text("0")
    environment = {k: v for k, v in os.environ.items() if k != "RUNTIME_DIRECTORY"}
    node = [sys.executable, "-m", "edge_node"]
    subprocess.run(
        [
            *node,
            "init",
            "--id",
            "mash-a",
            "--config",
            tmp_path / "other.yaml",
            "--data-dir",
            tmp_path / "data",
        ],
        check=True,
        capture_output=True,
        timeout=LIMIT_S,
    )
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*node, "run", "--config", config], stderr=log, stdout=log, env=environment
        )
    try:
        deadline = time.monotonic() + LIMIT_S

        def wait(condition: Callable[[], bool]) -> None:
            while not condition():
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                assert process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)

        wait(lambda: "serves on port" in (tmp_path / "log").read_text())
        button.write_text("1")
        wait(shown.exists)
        wait(lambda: bool(shown.read_text("utf-8")))
        where, _, code = shown.read_text("utf-8").splitlines()[0].rpartition("-")
        host = where.split("-")[1]
        body = {"code": code, "client_name": "HA", "client_id": "c" * 32, "scope": "control"}
        assert post(f"https://{host}/v1/pair", body)["scope"] == "control"
        wait(lambda: not shown.exists())
        assert code not in (tmp_path / "log").read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0


def post(url: str, body: dict[str, Any]) -> Any:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(
        url,
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=LIMIT_S, context=context) as answer:
        return json.load(answer)
