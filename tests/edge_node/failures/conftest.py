"""A simulated brewery of real processes, with a stranger's client that has its tokens."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_node.hardware.outputs.simulated import read_level
from tests.edge_node.failures.together import Together
from tests.edge_node.plain_client import PlainClient

LIMIT_S = 90.0
KETTLE = "mash-tun"
HEATER = "heater"
INJECT = Path(__file__).parent / "inject"


def wait_until(condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    deadline = time.monotonic() + limit_s
    while True:
        with contextlib.suppress(OSError):
            if found := condition():
                return found
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
        time.sleep(0.05)


class Renewer(threading.Thread):
    """Renews every two seconds, as a server does, until told not to."""

    def __init__(self, client: PlainClient, more: Callable[[], dict[str, Any]]) -> None:
        super().__init__(daemon=True)
        self._client, self._more = client, more
        self._end = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._end.is_set():
            with contextlib.suppress(OSError):
                self._client.renew(**self._more())
            self._end.wait(2)

    def stop(self) -> None:
        self._end.set()
        self.join(LIMIT_S)


@dataclass
class Brewery:
    """One simulation, its first node and what a test may do to it."""

    state: Path
    process: subprocess.Popen[str]
    line: dict[str, Any]
    renewers: list[Renewer] = field(default_factory=list)

    @property
    def node_id(self) -> str:
        return str(self.line["nodes"][0]["node_id"])

    @property
    def data(self) -> Path:
        return self.state / "nodes" / self.node_id / "data"

    @property
    def pid(self) -> int:
        """Of the first node as it runs now."""
        return int((self.data / "run.lock").read_text() or 0)

    def client(self, number: int = 0, server: str = "server-a") -> PlainClient:
        node = self.line["nodes"][number]
        token = self.line["clients"][0]["tokens"][node["node_id"]]
        return PlainClient(node["url"], token, node["fingerprint"], server=server)

    def level(self, output: str = HEATER) -> float:
        """What the pin of an output is now: 0 or 100."""
        level = read_level(self.state / "outputs" / self.node_id / output)
        assert level is not None
        return level

    def off_after(self, at: float, output: str = HEATER) -> float:
        """Seconds from `at` (Unix) until the pin of an output went off, by its file's own time."""
        wait_until(lambda: self.level(output) == 0, f"{output} goes off")
        return (self.state / "outputs" / self.node_id / output).stat().st_mtime - at

    def faults(self, **kinds: str) -> None:
        """Exactly these faults, by channel or output of the first node."""
        content = {f"{self.node_id}/{name}": kind for name, kind in kinds.items()}
        path = self.state / "faults.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(content))
        fresh.replace(path)

    def inject(self, name: str, **said: Any) -> None:
        """What goes wrong with the computer from now on, in the words of `inject`."""
        folder = self.state.parent / "inject"
        folder.mkdir(exist_ok=True)
        fresh = folder / f".{name}"
        fresh.write_text(json.dumps(said))
        fresh.replace(folder / f"{name}.json")

    def restart(self, **configuration: Any) -> None:
        """Kill the first node; it comes back with these parts of its configuration changed."""
        path = self.data.parent / "config.yaml"
        path.write_text(json.dumps({**json.loads(path.read_text()), **configuration}))
        pid: int = wait_until(lambda: self.pid, "the node runs")
        os.kill(pid, signal.SIGKILL)
        self.comes_back(pid)

    def reboot(self, **configuration: Any) -> None:
        """As `restart`, and the first node takes it for a boot of its computer."""
        self.inject("boot", id=uuid.uuid4().hex, at_s=time.clock_gettime(time.CLOCK_BOOTTIME))
        self.restart(**configuration)

    def comes_back(self, pid: int) -> None:
        """Wait until the first node, which was process `pid`, answers again."""
        wait_until(lambda: self.pid not in {0, pid}, "the node is back")
        wait_until(self.client().state, "it answers")

    def keep_renewing(
        self, client: PlainClient, more: Callable[[], dict[str, Any]] = dict
    ) -> Renewer:
        client.get(f"/v1/lease?kettle_id={client.kettle}")
        renewer = Renewer(client, more)
        self.renewers.append(renewer)
        return renewer

    def heat(self, client: PlainClient) -> None:
        """Take the lease and have the element on, seen at its pin."""
        client.acquire()
        wait_until(lambda: client.switch(HEATER, True)[1].get("actual") == 100, "it may heat")
        wait_until(lambda: self.level() == 100, "the pin is on")

    def temperature(self, client: PlainClient) -> float:
        """The next good reading: a slow machine misses one now and then."""
        found = wait_until(
            lambda: [
                value
                for value in [client.state()["channels"]["temperature"]["value"]]
                if value is not None
            ],
            "a reading",
        )
        return float(found[0])

    def calm(self) -> None:
        """As at first: nobody renews, nothing is wrong, no latch, no lease."""
        for renewer in self.renewers:
            renewer.stop()
        self.renewers.clear()
        self.faults()


def simulation(state: Path, *arguments: str) -> contextlib.AbstractContextManager[Brewery]:
    """A mash tun with one node."""
    return open_simulation(state, "--kettle", KETTLE, *arguments)


@contextlib.contextmanager
def open_simulation(state: Path, *arguments: str) -> Iterator[Brewery]:
    """Any simulation, its nodes answering and its probes read."""
    with (state.parent / "log").open("a") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "edge_node", "simulate"),
                *("--clients", "1", "--state", str(state), "--json", *arguments),
            ],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join((str(INJECT), os.environ.get("PYTHONPATH", ""))),
                "SMART_BEER_INJECT": str(state.parent / "inject"),
            },
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    brewery = None
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (state.parent / "log").read_text()
        brewery = Brewery(state, process, json.loads(line))
        client = brewery.client()
        wait_until(
            lambda: all(
                channel["value"] is not None
                for name, channel in client.state()["channels"].items()
                if "temperature" in name
            ),
            "a reading",
        )
        yield brewery
    finally:
        if brewery is not None:
            for renewer in brewery.renewers:
                renewer.stop()
            with contextlib.suppress(OSError, ValueError):
                os.kill(brewery.pid, signal.SIGCONT)
        process.terminate()
        process.wait(LIMIT_S)


@pytest.fixture
def brewery(tmp_path: Path) -> Iterator[Brewery]:
    """A mash tun at 60 °C with one node."""
    with simulation(tmp_path / "state", "--temperature", f"{KETTLE}=60") as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brewery]:
    """The same for all tests of a module: each takes the lease anew."""
    state = tmp_path_factory.mktemp("brewery") / "state"
    with simulation(state, "--temperature", f"{KETTLE}=60") as running:
        yield running


@pytest.fixture
def calm(shared: Brewery) -> Iterator[Brewery]:
    """The shared brewery with nothing wrong."""
    yield shared
    shared.calm()
    wait_until(lambda: shared.level() == 0, "off when nobody renews")


@pytest.fixture(scope="session", autouse=True)
def together(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Together]:
    """What takes minutes, begun before anything else so that the rest runs meanwhile."""
    base = tmp_path_factory.getbasetemp()
    # With several processes each has a folder of its own in one of the whole run.
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    wanted = [
        str(item.callspec.params["name"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_in_a_kettle"
    ]
    running = Together(common / "together")
    if not wanted:
        yield running
        return
    from tests.edge_node.failures import breweries, scenarios  # noqa: PLC0415  # they need this one

    opened = partial(breweries.open_brewery, common / "together")
    with running.running(wanted, scenarios.SCENARIOS, opened):
        yield running


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Takes a sentence with what was measured; all of them are printed when the run ends."""
    return lambda sentence: record_property("measured", sentence)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured, also in other processes."""
    sentences = [
        str(sentence)
        for report in terminalreporter.getreports("passed")
        for name, sentence in report.user_properties
        if name == "measured" and report.when == "call"
    ]
    if sentences:
        terminalreporter.section("measured")
        for sentence in sentences:
            terminalreporter.write_line(sentence)
