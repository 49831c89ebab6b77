import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_node import cli, config
from edge_node.simulation.sysfs import W1Tree
from edge_node.spool import read_file

LIMIT_S = 60.0

CONFIG = """\
node: {id: n, data_dir: data}
api: {bind: 127.0.0.1, port: 0, mdns: false}
clock: trust
channels: [{id: toy, driver: simulated}]
"""


@pytest.fixture
def edge(tmp_path: Path) -> Path:
    path = tmp_path / "edge.yaml"
    path.write_text(CONFIG)
    return path


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert process.poll() is None, "the node ended"
        assert time.monotonic() < deadline, f"it did not happen within {LIMIT_S} s"
        time.sleep(0.05)


def rests(spool: Path) -> bool:
    """Whether no sample comes for two seconds."""
    before = len(list(read_file(spool)))
    time.sleep(2)
    return len(list(read_file(spool))) == before


def started(*arguments: object, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "edge_node", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "w1"
    tree = W1Tree(root, {"28-0000000000a1": lambda bits: 320})
    tree.start()
    yield root
    tree.stop()


def test_check_config_lists_every_problem_and_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "edge.yaml"
    path.write_text("node: {id: A}\nextra: 1\n")
    assert cli.main(["check-config", str(path)]) == 2
    problems = capsys.readouterr().err.splitlines()
    assert len(problems) == 2
    assert all(problem.startswith(f"{path}, line ") for problem in problems)


def test_check_config_approves_a_good_file(edge: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check-config", str(edge)]) == 0
    assert "Node n" in capsys.readouterr().out


def test_init_writes_a_config_with_the_probes_it_found_and_never_overwrites(
    tmp_path: Path, bus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "etc" / "edge.yaml"
    arguments = [
        *("init", "--id", "mash-a", "--name", 'Mash "A"', "--kettle", "mash-tun:Mash tun"),
        *("--config", str(path), "--data-dir", str(tmp_path / "data")),
        *("--w1-root", str(bus), "--iio-root", str(tmp_path / "none")),
    ]
    assert cli.main(arguments) == 0
    made = config.load(path)
    assert (made.node_id, made.name, made.data_dir) == ("mash-a", 'Mash "A"', tmp_path / "data")
    assert [(k.kettle_id, k.name) for k in made.kettles] == [("mash-tun", "Mash tun")]
    (channel,) = made.channels
    assert (channel.options["device"], channel.kettle_id) == ("28-0000000000a1", "mash-tun")
    certificate = (tmp_path / "data" / "identity" / "cert.pem").read_bytes()

    text = path.read_text() + "# mine\n"
    path.write_text(text)
    assert cli.main(arguments) == 0
    assert path.read_text() == text
    assert (tmp_path / "data" / "identity" / "cert.pem").read_bytes() == certificate

    capsys.readouterr()
    assert cli.main([*arguments[:2], "other", *arguments[3:]]) == 2
    assert "is the configuration of node mash-a" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "content"),
    [
        (["--id", "Mash A"], "--id must be an id"),
        (["--id", "a", "--kettle", "K:x"], "--kettle must be an id"),
        (["--id", "a", "--kettle", "k", "--kettle", "k:x"], "given twice"),
        (["--id", "a", "--name", "\n"], "--name must be text"),
    ],
)
def test_init_refuses_nonsense(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], content: str
) -> None:
    places = ["--config", str(tmp_path / "e.yaml"), "--data-dir", str(tmp_path / "data")]
    assert cli.main(["init", *arguments, *places]) == 2
    assert content in capsys.readouterr().err
    assert not (tmp_path / "e.yaml").exists()


def test_probes_shows_what_hangs_on_the_bus(
    tmp_path: Path, bus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "edge.yaml"
    path.write_text(f"node: {{id: n}}\nw1: {{root: {bus}}}\niio: {{root: {tmp_path / 'no'}}}\n")
    assert cli.main(["probes", "--config", str(path)]) == 0
    assert "28-0000000000a1" in capsys.readouterr().out
    assert cli.main(["probes", "--config", str(path), "--json"]) == 0
    (probe,) = json.loads(capsys.readouterr().out)["probes"]
    assert (probe["device"], probe["value"], probe["quality"]) == ("28-0000000000a1", 20.0, "ok")


def test_run_without_an_identity_says_what_to_do(
    edge: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "--config", str(edge)]) == 2
    assert "smart-beer-edge init" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_node_runs_reports_to_systemd_refuses_a_second_one_and_ends_cleanly(
    edge: Path, tmp_path: Path
) -> None:
    assert cli.main(["init", "--id", "n", "--config", str(edge)]) == 0
    spool = tmp_path / "data" / "spool.db"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(LIMIT_S)
        node = started(
            "run",
            *("--config", edge, "--pausable"),
            env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"},
        )
        try:
            heard = {manager.recv(100) for _ in range(4)}
            assert heard == {b"READY=1", b"WATCHDOG=1"}
            wait_until(lambda: spool.exists() and len(list(read_file(spool))) >= 2, node)

            second = started("run", "--config", edge)
            _, errors = second.communicate(timeout=LIMIT_S)
            assert second.returncode == 2
            assert f"runs already, as process {node.pid}" in errors

            node.send_signal(signal.SIGUSR1)
            wait_until(lambda: rests(spool), node)

            node.terminate()
            _, errors = node.communicate(timeout=LIMIT_S)
            assert node.returncode == 0, errors
            assert "has stopped" in errors
        finally:
            node.kill()
            node.wait()
    # A clean end leaves one file, and a spool that goes on without a hole.
    assert not spool.with_name("spool.db-wal").exists()
    samples = list(read_file(spool))
    assert [sample.seq for sample in samples] == list(range(1, len(samples) + 1))
    assert {sample.t % 1000 for sample in samples} == {0}


def test_a_node_whose_port_is_taken_keeps_sampling_and_says_so(edge: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        edge.write_text(CONFIG.replace("port: 0", f"port: {taken.getsockname()[1]}"))
        assert cli.main(["init", "--id", "n", "--config", str(edge)]) == 0
        node = started("run", "--config", edge)
        try:
            spool = tmp_path / "data" / "spool.db"
            wait_until(lambda: spool.exists() and len(list(read_file(spool))) >= 2, node)
        finally:
            node.terminate()
            _, errors = node.communicate(timeout=LIMIT_S)
    assert "The api died" in errors
