"""The commands about clients, beside a running node or without one."""

from __future__ import annotations

import argparse
import json
import socket
import threading
import time
from pathlib import Path

import pytest

from edge_node import cli_clients, identity
from edge_node.pairing import PairingWindow, WrongCodeError
from edge_node.tokens import Scope, TokenStore

CONFIG = """
node: {{id: mash-a, name: Mash tun A, data_dir: {data}}}
api: {{bind: 127.0.0.1, port: {port}}}
channels:
  - {{id: room, driver: simulated}}
"""


class Installed:
    """A node's folder and configuration, and the command line to work on them."""

    def __init__(self, folder: Path, port: int = 8443) -> None:
        self.data = folder / "data"
        self.identity = identity.create("mash-a", self.data)
        self.config = folder / "node.yaml"
        self.config.write_text(CONFIG.format(data=self.data, port=port))

    def run(self, *words: str) -> int:
        parser = argparse.ArgumentParser()
        cli_clients.register(parser.add_subparsers())
        arguments = parser.parse_args([*words, "--config", str(self.config)])
        status: int = arguments.func(arguments)
        return status


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


def test_pair_prints_a_line_whose_code_the_node_takes(
    installed: Installed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installed.run("pair", "--no-wait", "--host", "brew-pi.local") == 0
    output = capsys.readouterr().out
    line = next(line for line in output.splitlines() if line.startswith("SB1-"))
    where, prefix, code = line.removeprefix("SB1-").rsplit("-", 2)
    assert where == "brew-pi.local:8443"
    assert prefix == installed.identity.fingerprint[:32]
    assert any(block in output for block in "▀▄█")  # the QR code
    node = PairingWindow(installed.data)
    assert node.is_open()
    node.use(code, "x")


def test_pair_waits_for_the_client_and_names_it(
    installed: Installed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_clients, "POLL_S", 0.01)
    status: list[int] = []
    command = threading.Thread(target=lambda: status.append(installed.run("pair", "--no-qr")))
    command.start()
    node = PairingWindow(installed.data)
    output = ""
    deadline = time.monotonic() + 30
    while "SB1-" not in output:
        assert time.monotonic() < deadline
        output += capsys.readouterr().out
        time.sleep(0.01)
    node.use(output.split()[-1].rsplit("-", 1)[1], "Kitchen HA")
    command.join(30)
    assert status == [0]
    assert "Paired with Kitchen HA." in capsys.readouterr().out


def test_pair_tells_of_five_wrong_codes(
    installed: Installed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def guess(seconds: float) -> None:
        with pytest.raises(WrongCodeError):
            PairingWindow(installed.data).use("WRONG", "x")

    monkeypatch.setattr("edge_node.cli_clients.time.sleep", guess)
    assert installed.run("pair", "--no-qr") == 1
    assert "Five wrong codes" in capsys.readouterr().err


def test_interrupting_pair_closes_the_window(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(seconds: float) -> None:
        assert PairingWindow(installed.data).is_open()
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_node.cli_clients.time.sleep", interrupt)
    assert installed.run("pair", "--no-qr") == 130
    assert not PairingWindow(installed.data).is_open()


def test_pair_needs_a_port_people_can_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed = Installed(tmp_path, port=0)
    assert installed.run("pair", "--no-wait") == 1
    assert "--port" in capsys.readouterr().err
    assert installed.run("pair", "--no-wait", "--port", "9000") == 0
    assert "SB1-127.0.0.1:9000-" in capsys.readouterr().out


def test_clients_lists_without_secrets(
    installed: Installed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installed.run("clients") == 0
    assert "No client is paired" in capsys.readouterr().out
    store = TokenStore(installed.data)
    token = store.pair("ha", "Kitchen HA", Scope.CONTROL)
    store.authenticate(token, "10.0.0.7")
    store.flush()
    assert installed.run("clients") == 0
    output = capsys.readouterr().out
    assert "ha  Kitchen HA" in output
    assert "10.0.0.7" in output
    assert token not in output
    assert installed.run("clients", "--json") == 0
    (client,) = json.loads(capsys.readouterr().out)["clients"]
    assert (client["client_id"], client["scope"]) == ("ha", "control")


def test_revoke_ends_a_clients_tokens(
    installed: Installed, capsys: pytest.CaptureFixture[str]
) -> None:
    node = TokenStore(installed.data)
    token = node.pair("ha", "Kitchen HA", Scope.CONTROL)
    assert installed.run("clients", "revoke", "ha") == 0
    assert node.authenticate(token, "10.0.0.7") is None
    capsys.readouterr()
    assert installed.run("clients", "revoke", "ha") == 1
    assert "No client ha is paired" in capsys.readouterr().err
    assert installed.run("clients", "revoke") == 1
    assert installed.run("clients", "list", "ha") == 1


def test_the_line_names_an_address_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli_clients.own_host("192.168.1.5") == "192.168.1.5"
    assert cli_clients.own_host("0.0.0.0")

    class NoNetwork:
        def __init__(self, *arguments: object) -> None:
            raise OSError("no route")

    monkeypatch.setattr("edge_node.cli_clients.socket.socket", NoNetwork)
    assert cli_clients.own_host("::") == socket.gethostname()
