"""Rounds of kill -9 while commands flow: the node, its guard, or the client that has the lease."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edge_node.spool import read_file
from tests.edge_node.failures import busy_history
from tests.edge_node.failures.conftest import HEATER, KETTLE, Brewery, simulation, wait_until
from tests.edge_node.plain_client import PlainClient

VICTIMS: Final = ("node", "guard", "client")
NODE_OFF_S: Final = 1.0
HEAT_ON_S: Final = 10.6
PULSES_END_S: Final = 0.3  # three of the guard's steps
SLACK_S: Final = 10.0  # of a slow machine
FLOW_S: Final = (0.5, 2.5)  # commands flow for so long before something is killed
_OUTPUTS: Final = (HEATER, "pump")


@dataclass(slots=True)
class Outcome:
    """One round: who was killed, how long until safe (s), and what went wrong, a sentence each.

    `safe_s` is, for the node, from the kill until both pins were off; for its guard, until the last
    pulse; for the client, from its last renewal until the heater's pin was last seen on.
    """

    victim: str
    safe_s: float
    latched: bool = False
    problems: list[str] = field(default_factory=list)


class Rounds:
    """One brewery with a busy client in it, for any number of rounds."""

    def __init__(self, brewery: Brewery, seed: int) -> None:
        self._brewery = brewery
        self._random = random.Random(seed)  # no secret
        self._log = brewery.state / "busy.jsonl"
        self._log.touch(mode=0o600)
        self._lines: list[dict[str, Any]] = []
        self._read = 0
        self._number = 0
        self._promised = 0
        self._client: subprocess.Popen[str] | None = None
        node = brewery.line["nodes"][0]
        token = brewery.line["clients"][1]["tokens"][node["node_id"]]
        self._eye = PlainClient(node["url"], token, node["fingerprint"], server="rival")
        self._start_client()

    @property
    def commands(self) -> int:
        """How many commands were answered."""
        return sum(line["kind"] == "told" for line in self._news())

    def round(self, victim: str) -> Outcome:
        """Let commands flow, kill `victim`, look at everything; AssertionError if it is stuck."""
        self._flows(time.monotonic())
        time.sleep(self._random.uniform(*FLOW_S))
        match victim:
            case "node":
                return self._kill_node()
            case "guard":
                return self._kill_guard()
            case _:
                return self._kill_client()

    def judge(self) -> list[str]:
        """What the whole history says against the node; the client has ended then."""
        self._end_client()
        wall_s = time.time() - time.monotonic()
        rows = list(read_file(self._brewery.data / "spool.db"))
        return busy_history.problems(self._news(), rows, wall_s)

    def close(self) -> None:
        """End the client."""
        self._end_client()

    def _kill_node(self) -> Outcome:
        brewery, boot, pid = self._brewery, self._boot(), self._brewery.pid
        called: list[int] = []
        caller = threading.Thread(target=self._call_safe, args=(called,), daemon=True)
        if with_safe := self._random.random() < 0.4:
            caller.start()
            time.sleep(self._random.uniform(0, 0.08))
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        outcome = Outcome("node", 0.0)
        seen, led = self._pins_until_led(boot, killed)
        if with_safe:
            caller.join(30)
        off = [at for at, on in seen if not on]
        outcome.safe_s = (off[0] if off else seen[-1][0]) - killed
        if outcome.safe_s > NODE_OFF_S + SLACK_S:
            outcome.problems.append(f"pins were on {outcome.safe_s:.2f} s after the node's end")
        if off and any(on and off[0] < at < led for at, on in seen):
            outcome.problems.append("a pin was on before anybody had the lease")
        self._look_at_promise(outcome)
        self._look_at_latches(outcome, must=called == [200])
        assert brewery.pid != pid
        return outcome

    def _pins_until_led(self, boot: str, killed: float) -> tuple[list[tuple[float, bool]], float]:
        """When one looked, and whether a pin was on; and when the next boot was asked to grant."""
        seen: list[tuple[float, bool]] = []
        while True:
            on = any(self._brewery.level(output) > 0 for output in _OUTPUTS)
            at = time.monotonic()  # after the look: what is on follows no later grant
            seen.append((at, on))
            for line in reversed(self._news()):
                if line.get("sent", killed) < killed:
                    break
                if line["kind"] == "leads" and line["boot"] != boot:
                    return seen, line["sent"]
            assert at - killed < 90, "the node does not come back, or grants nothing"
            self._client_lives()
            time.sleep(0.01)

    def _call_safe(self, called: list[int]) -> None:
        with contextlib.suppress(OSError):
            called.append(self._eye.call("PUT", "/v1/safe")[0])

    def _look_at_promise(self, outcome: Outcome) -> None:
        eye = self._eye
        # What is granted from now on may be above what is promised now.
        granted = max(line["epoch"] for line in self._news() if line["kind"] == "leads")
        promised = eye.get(f"/v1/lease?kettle_id={KETTLE}")["promised_epoch"] or 0
        if promised < max(self._promised, granted):
            outcome.problems.append(f"the promise fell to {promised} from {granted}")
        self._promised = promised
        eye.who["epoch"] = max(1, promised - 1)
        status, content = eye.lease("acquire")
        if (status, content["error"]["code"]) != (409, "stale_epoch"):
            outcome.problems.append(f"a lower epoch was answered {status}: {content}")

    def _look_at_latches(self, outcome: Outcome, *, must: bool) -> None:
        latches = self._eye.state()["latches"]
        outcome.latched = bool(latches)
        names = {latch["latch"] for latch in latches}
        if must and "safe" not in names:
            outcome.problems.append("a call for safe that was answered is forgotten")
        if names - {"safe"} or any("could not be read" in latch["text"] for latch in latches):
            outcome.problems.append(f"latched without a cause: {latches}")
        if not latches:
            return
        if any(self._brewery.level(output) > 0 for output in (HEATER, "contactor")):
            outcome.problems.append("heat is possible although latched")
        (self._brewery.state / "clear").touch()
        wait_until(
            lambda: self._client_lives() and not self._eye.state()["latches"],
            "the latch is cleared",
        )

    def _kill_guard(self) -> Outcome:
        enable = self._brewery.state / "enable" / self._brewery.node_id
        boot, pid = self._boot(), self._guard_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        killed = last = time.monotonic()
        shown = enable.read_text()
        while self._guard_pid() in {None, pid}:
            assert time.monotonic() - killed < 60, "the guard does not come back"
            if (now := enable.read_text()) != shown and self._guard_pid() in {None, pid}:
                shown, last = now, time.monotonic()
            time.sleep(0.02)
        outcome = Outcome("guard", last - killed)
        if outcome.safe_s > PULSES_END_S:
            outcome.problems.append(f"pulses {outcome.safe_s:.2f} s after the guard's end")
        for _ in range(2):
            shown = enable.read_text()
            wait_until(lambda: enable.read_text() != shown, "the pulses go on")  # noqa: B023
        self._flows(time.monotonic())
        if self._boot() != boot:
            outcome.problems.append("the node did not outlive its guard")
        return outcome

    def _kill_client(self) -> Outcome:
        self._end_client()
        renewed = max(line["sent"] for line in self._news() if line["kind"] in {"leads", "renews"})
        last_on = renewed
        while True:
            now = time.monotonic()
            if self._brewery.level() > 0:
                last_on = now
            # What a lapse has cleared is off with the next tick.
            if now - renewed > HEAT_ON_S - 1 and self._holder() is None and self._at_rest():
                break
            assert now - renewed < HEAT_ON_S + 30, "a dead client's lease does not end"
            time.sleep(0.02)
        outcome = Outcome("client", last_on - renewed)
        for _ in range(10):
            time.sleep(0.1)
            if not self._at_rest():
                outcome.problems.append("on again without a lease")
                break
        if outcome.safe_s > HEAT_ON_S + SLACK_S:
            outcome.problems.append(f"heat {outcome.safe_s:.2f} s after the last renewal")
        self._look_at_promise(outcome)
        self._start_client()
        return outcome

    def _at_rest(self) -> bool:
        """Whether no pin is on, and nobody wants one to be."""
        shown = self._eye.state()["actuators"]
        return not any(
            shown[output]["desired"] or self._brewery.level(output) > 0 for output in _OUTPUTS
        )

    def _holder(self) -> str | None:
        holder: str | None = self._eye.get(f"/v1/lease?kettle_id={KETTLE}")["holder"]
        return holder

    def _guard_pid(self) -> int | None:
        parent = self._brewery.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for child in children:
            with contextlib.suppress(OSError):
                if b"simulate_guard" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        return None

    def _boot(self) -> str:
        return str([line["boot"] for line in self._news() if line["kind"] == "leads"][-1])

    def _flows(self, since: float) -> None:
        """Wait until the node obeys what is said from `since` on."""
        wait_until(
            lambda: (
                self._client_lives()
                and any(
                    line["kind"] == "told" and line["status"] == 200 and line["came"] > since
                    for line in self._news()[-20:]
                )
            ),
            "commands flow",
        )

    def _client_lives(self) -> bool:
        """True, or AssertionError: what it was to do would be waited for in vain."""
        assert self._client is not None
        assert self._client.poll() is None, f"the client ended with {self._client.returncode}"
        return True

    def _news(self) -> list[dict[str, Any]]:
        """All that the client has written down, whole lines."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            whole = log.read().rpartition(b"\n")[0]
        if whole:
            self._read += len(whole) + 1
            self._lines += [json.loads(line) for line in whole.split(b"\n")]
        return self._lines

    def _start_client(self) -> None:
        node = self._brewery.line["nodes"][0]
        settings = {
            "url": node["url"],
            "fingerprint": node["fingerprint"],
            "token": self._brewery.line["clients"][0]["tokens"][node["node_id"]],
            "kettle": KETTLE,
            "log": str(self._log),
            "number": self._number,
        }
        self._client = subprocess.Popen(
            [sys.executable, "-m", "tests.edge_node.failures.busy_client"],
            stdin=subprocess.PIPE,
            text=True,
        )
        assert self._client.stdin is not None
        self._client.stdin.write(json.dumps(settings) + "\n")
        self._client.stdin.flush()

    def _end_client(self) -> None:
        """Kill it; what it was about to write is not whole."""
        if self._client is None:
            return
        self._client.kill()
        self._client.wait(30)
        assert self._client.stdin is not None
        self._client.stdin.close()
        self._client = None
        numbers = [line["number"] for line in self._news() if "number" in line]
        self._number = max(numbers, default=-1) + 1


@contextlib.contextmanager
def rounds(state: Path, seed: int) -> Iterator[Rounds]:
    """A brewery at 50 °C for rounds of killing."""
    with simulation(state, "--clients", "2", "--temperature", f"{KETTLE}=50") as brewery:
        running = Rounds(brewery, seed)
        try:
            yield running
        finally:
            running.close()


def victims(number: int, seed: int) -> Sequence[str]:
    """Whom to kill in each of so many rounds: by turns, beginning anywhere."""
    return [VICTIMS[(seed + turn) % len(VICTIMS)] for turn in range(number)]
