import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_node import cli
from edge_node.spool import read_file

LIMIT_S = 90.0


@contextmanager
def brewery(state: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A running simulation and the line it printed."""
    with (state.parent / "log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge_node", "simulate", "--state", state, "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (state.parent / "log").read_text()
        yield process, json.loads(line)
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {LIMIT_S} s"
        time.sleep(0.05)


def get(url: str, token: str) -> Any:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # its own certificate; the address is this machine
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, context=context, timeout=60) as response:
        return json.load(response)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may go while it is looked at
        return False


def running_pid(state: Path, node_id: str) -> int:
    return int((state / "nodes" / node_id / "data" / "run.lock").read_text() or 0)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_people_are_told_the_address_and_a_token_that_works(tmp_path: Path) -> None:
    arguments = ["--kettle", "mash-tun", "--clients", "1", "--state", str(tmp_path / "state")]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge_node", "simulate", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        node, url, _ = process.stdout.readline().split()
        client, where, word, token = process.stdout.readline().split()
        assert (node, client, where, word) == ("mash-tun-1", "client-1", "mash-tun-1", "token")
        assert "heater" in get(f"{url}/v1/state", token)["actuators"]
    finally:
        process.terminate()
        process.wait(LIMIT_S)


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(400)
def test_nodes_answer_come_back_when_killed_pause_and_keep_their_state(tmp_path: Path) -> None:
    state = tmp_path / "state"
    arguments = ["--kettle", "mash-tun", "--nodes", "2", "--clients", "1"]
    with brewery(state, *arguments, "--temperature", "mash-tun=60") as (process, line):
        assert [node["node_id"] for node in line["nodes"]] == ["mash-tun-1", "mash-tun-2"]
        first = line["nodes"][0]
        token = line["clients"][0]["tokens"]["mash-tun-1"]
        assert first["pair"].startswith("SB1-127.0.0.1:")
        assert first["fingerprint"][:32] in first["pair"]
        assert get(f"{first['url']}/v1/identity", token)["pairing"] is True

        page: dict[str, Any] = {}
        read: list[float] = []

        def has_read() -> bool:
            page.update(get(f"{first['url']}/v1/samples", token))
            series = [page["series"][row[2]] for row in page["samples"]]
            read[:] = [
                row[3]
                for row, name in zip(page["samples"], series, strict=True)
                if name == "mash-tun-1/temperature" and row[3] is not None
            ]
            return bool(read) and {"mash-tun-1/heater", "mash-tun-1/pump"} <= set(series)

        wait_until(has_read)
        assert read[0] == pytest.approx(60, abs=2)

        os.kill(first["pid"], signal.SIGKILL)
        wait_until(lambda: running_pid(state, "mash-tun-1") not in {0, first["pid"]})

        def goes_on() -> bool:
            try:
                again = get(f"{first['url']}/v1/samples", token)
            except OSError:
                return False
            assert again["spool_id"] == page["spool_id"]
            assert again["samples"][: len(page["samples"])] == page["samples"]
            return bool(again["last_seq"] > page["last_seq"])

        wait_until(goes_on)

        process.send_signal(signal.SIGUSR1)
        seen: list[int] = []

        def rests() -> bool:
            seen.append(get(f"{first['url']}/v1/samples", token)["last_seq"])
            time.sleep(2)
            return seen[-2:-1] == seen[-1:]

        wait_until(rests)
        before = seen[-1]
        pids = [running_pid(state, node["node_id"]) for node in line["nodes"]]
        process.terminate()
        assert process.wait(LIMIT_S) == 0
        assert not any(alive(pid) for pid in pids)

    spool = state / "nodes" / "mash-tun-1" / "data" / "spool.db"
    kept = [sample.seq for sample in read_file(spool)]
    assert kept == list(range(1, before + 1))
    with brewery(state, *arguments) as (process, again):
        assert again["nodes"][0]["fingerprint"] == first["fingerprint"]
        assert again["clients"] == line["clients"]
        url = again["nodes"][0]["url"]
        assert get(f"{url}/v1/samples", token)["spool_id"] == page["spool_id"]

        # No orphan outlives a parent that dies hard.
        pids = [node["pid"] for node in again["nodes"]]
        process.kill()
        wait_until(lambda: not any(alive(pid) for pid in pids))


@pytest.mark.slow
def test_one_node_may_serve_several_kettles_and_a_state_serves_one_simulation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    arguments = ["--kettle", "hlt", "--kettle", "boil-kettle", "--clients", "1"]
    with brewery(state, *arguments) as (_, line):
        (node,) = line["nodes"]
        assert node["node_id"] == "hlt-1"
        said = get(f"{node['url']}/v1/node", line["clients"][0]["tokens"]["hlt-1"])
        assert [kettle["kettle_id"] for kettle in said["kettles"]] == ["hlt", "boil-kettle"]
        channels = {
            channel["kettle_id"]: channel["id"]
            for channel in said["channels"]
            if channel["kind"] == "temperature"
        }
        assert channels.keys() == {"hlt", "boil-kettle"}
        assert channels["hlt"] == "hlt_temperature"
        assert cli.main(["simulate", "--kettle", "x", "--state", str(state)]) == 2
        assert "Another simulation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "content"),
    [
        (["--kettle", "Mash Tun"], "--kettle"),
        (["--kettle", "k", "--kettle", "k"], "each kettle once"),
        (["--kettle", "k", "--nodes", "0"], "--nodes"),
        (["--kettle", "k", "--clients", "-1"], "--clients"),
        (["--kettle", "k", "--port", "65535", "--nodes", "2"], "--port"),
        (["--kettle", "k", "--replay", "nowhere.csv"], "--replay"),
        (["--kettle", "k", "--temperature", "k=hot"], "--temperature"),
        (["--kettle", "k", "--temperature", "x=20"], "--temperature"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], content: str
) -> None:
    assert cli.main(["simulate", *arguments, "--state", str(tmp_path / "state")]) == 2
    assert content in capsys.readouterr().err
