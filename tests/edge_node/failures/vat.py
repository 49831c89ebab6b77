"""One kettle of a simulated brewery, with the client that leads it: for many kettles at once."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from edge_node.model import Sample
from edge_node.spool import read_file
from tests.edge_node.failures.conftest import LIMIT_S, Brewery, wait_until
from tests.edge_node.plain_client import SteadyClient

AGREE_K: Final = 2.0
LOOK_S: Final = 0.2  # a node answers twenty questions a second, not more
_FAULTS = threading.Lock()


@dataclass
class Vat:
    """A kettle; channels and outputs go by their bare names. Call `close` at the end."""

    brewery: Brewery
    kettle: str
    number: int  # of the client whose tokens it uses
    refers: bool = False  # tells the first node what all nodes measure
    alone: bool = False  # in its brewery: nothing then carries the kettle's name
    client: SteadyClient = field(init=False)
    _lock: threading.RLock = field(init=False, default_factory=threading.RLock)
    _others: list[SteadyClient] = field(init=False)
    _state: dict[str, Any] = field(init=False, default_factory=dict)
    _looked: float = field(init=False, default=0.0)
    _end: threading.Event = field(init=False, default_factory=threading.Event)

    def __post_init__(self) -> None:
        nodes = self.brewery.line["nodes"]
        self._others = [self._client(node) for node in nodes]
        self.client = self._others[0]

    def _client(self, node: dict[str, Any]) -> SteadyClient:
        token = self.brewery.line["clients"][self.number]["tokens"][node["node_id"]]
        return SteadyClient(node["url"], token, node["fingerprint"], kettle=self.kettle)

    def close(self) -> None:
        """Renew no more."""
        self._end.set()

    def name(self, bare: str) -> str:
        """The id of a channel or output of this kettle."""
        return bare if self.alone else f"{self.kettle.replace('-', '_')}_{bare}"

    def lead(self) -> None:
        """Take the lease and keep it, telling the reference with every renewal."""
        with self._lock:
            self.client.acquire()
        threading.Thread(target=self._renew, daemon=True).start()

    def _renew(self) -> None:
        while not self._end.is_set():
            with contextlib.suppress(OSError), self._lock:
                more = {}
                if self.refers:
                    more["reference"] = self.reference()
                self.client.get(f"/v1/lease?kettle_id={self.kettle}")
                if self.client.renew(**more)[0] == 409:  # the machine stood still for too long
                    self.client.acquire()
            self._end.wait(1.5)

    def reference(self) -> dict[str, Any]:
        """As a server fuses it: the median of the good ones that agree, if they are a majority."""
        with self._lock:
            shown = [
                client.state()["channels"][self.name("temperature")] for client in self._others
            ]
        said = {
            f"{node['node_id']}/{self.name('temperature')}": one["value"]
            for node, one in zip(self.brewery.line["nodes"], shown, strict=True)
            if one["quality"] == "ok"
        }
        middle = median(said.values()) if said else 0.0
        near = {name: value for name, value in said.items() if abs(value - middle) <= AGREE_K}
        apart = 2 * len(near) <= len(said)
        return {
            "value": None if apart or not near else median(near.values()),
            "t": round(time.time() * 1000),
            "probes": sorted(said if apart else near),
        }

    def state(self) -> dict[str, Any]:
        """Of the first node."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_S:
                self._state = self.client.state()
                self._looked = time.monotonic()
            return self._state

    def heater(self) -> dict[str, Any]:
        """Desired, actual and limit of the heater."""
        shown: dict[str, Any] = self.state()["actuators"][self.name("heater")]
        return shown

    def level(self, output: str = "heater") -> float:
        """What the pin is."""
        return self.brewery.level(self.name(output))

    def channel(self, bare: str = "temperature") -> dict[str, Any]:
        """Value and quality of a channel of the first node."""
        shown: dict[str, Any] = self.state()["channels"][self.name(bare)]
        return shown

    def value(self, bare: str = "temperature") -> float:
        """The next good reading of a channel of the first node: a slow machine misses some."""
        found = wait_until(
            lambda: [v for v in [self.channel(bare)["value"]] if v is not None], "a reading"
        )
        return float(found[0])

    def fused(self) -> float:
        """The next reference with a value."""
        found = wait_until(
            lambda: [v for v in [self.reference()["value"]] if v is not None], "a fused value"
        )
        return float(found[0])

    def latches(self) -> set[str]:
        """What is latched here."""
        return {one["latch"] for one in self.state()["latches"] if one["kettle_id"] == self.kettle}

    def told_of(self, bare: str, error: str) -> bool:
        """Whether an alarm of the first node names this error of this channel."""
        # In brackets, as the id of one channel may begin that of another.
        name = f"({self.name(bare)})"
        return any(
            name in alarm["text"] and error in alarm["text"] for alarm in self.state()["alarms"]
        )

    def switch(self, output: str, on: bool) -> dict[str, Any]:
        """The answer."""
        with self._lock:
            return self.client.switch(self.name(output), on)[1]

    def off_by(self, *reasons: str) -> bool:
        """Whether the pin is off because of one of these permits or latches.

        On a machine that stands still for seconds a node makes all safe for a moment by itself.
        """
        limit = self.heater()["limited_by"]
        return self.level() == 0 and (limit in reasons or not self.latches().isdisjoint(reasons))

    def may_heat(self) -> bool:
        """Whether it is told to heat and no permit is in the way."""
        shown = self.heater()
        return shown["desired"] == 100 and shown["limited_by"] in {
            None,
            "output_failed",
            "requires",
        }

    def heat(self) -> None:
        """Have the element on, seen at its pin."""
        deadline = time.monotonic() + LIMIT_S
        while self.switch("heater", True).get("actual") != 100:
            assert time.monotonic() < deadline, f"{self.kettle} does not heat: {self.trouble()}"
            time.sleep(0.5)
        wait_until(lambda: self.level() == 100, "the pin is on")

    def heat_until(self, condition: Callable[[], Any], what: str, limit_s: float) -> None:
        """Wait for it; should its lease be lost meanwhile, it is told to heat again."""
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, f"not in {limit_s} s: {what}: {self.trouble()}"
            if not self.latches() and self.heater()["desired"] == 0:
                self.switch("heater", True)
            time.sleep(0.2)

    def fault(self, bare: str, kind: str | None, node: int = 0) -> float:
        """Let something of this kettle go wrong (None: right again); when, monotonic seconds.

        `bare` empty: the kettle itself.
        """
        node_id = self.brewery.line["nodes"][node]["node_id"]
        key = f"{node_id}/{self.name(bare)}" if bare else self.kettle
        path = self.brewery.state / "faults.json"
        with _FAULTS:
            faults = json.loads(path.read_text()) if path.exists() else {}
            faults.pop(key, None)
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps(faults | ({key: kind} if kind else {})))
            fresh.replace(path)
        return time.monotonic()

    def clear(self, latch: str) -> tuple[int, dict[str, Any]]:
        """Have the latch cleared."""
        with self._lock:
            body = {"kettle_id": self.kettle, "latch": latch}
            return self.client.command("POST", "/v1/safety/clear", body)

    def stays(self, seconds: float, condition: Callable[[], bool], what: str) -> None:
        """Look for so long whether it holds all the time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert condition(), f"{self.kettle}: not all the time: {what}: {self.trouble()}"
            time.sleep(0.2)

    def trouble(self) -> str:
        """What its node says of it now, for who did not expect that."""
        state = self.state()
        latches = [one for one in state["latches"] if one["kettle_id"] == self.kettle]
        lease = state["kettles"][self.kettle]["lease"]
        return f"{self.heater()}, {latches}, {lease}, {self.channel()}"

    def off_after(self, at: float, output: str = "heater") -> float:
        """Seconds from `at` (monotonic) until the first node recorded this output off for good.

        A machine that stands still has interrupted the heat before.
        """
        return max(0.0, self.off_ms(output) - _unix_ms(at)) / 1000

    def unread_after(self, at: float) -> float:
        """Seconds from `at` (monotonic) until the first second for which its probe was not read."""
        began_ms = _unix_ms(at)
        found = wait_until(
            lambda: [r.t for r in self.samples() if r.t > began_ms and r.value is None],
            "a reading that failed is recorded",
        )
        return float(found[0] - began_ms) / 1000

    def off_ms(self, output: str = "heater") -> int:
        """When the first node recorded this output off for good, Unix ms."""
        return self._runs(output)[-1][1]

    def longest_on_s(self) -> float:
        """The longest that the heater was on without a break, as its node recorded it."""
        return max(off - on for on, off in self._runs("heater")) / 1000

    def on_share(self, since: float, until: float, output: str = "heater") -> float:
        """Of the time between the two, Unix seconds, in which the first node recorded it on.

        On a machine that stands still for seconds a node makes all safe for a moment by itself.
        """
        on_s, last, was_on = 0.0, since, False
        for row in self.samples(bare=output):
            at = min(max(row.t / 1000, since), until)
            on_s += at - last if was_on else 0.0
            last, was_on = at, bool(row.value)
        return (on_s + (until - last if was_on else 0.0)) / (until - since)

    def _runs(self, output: str) -> list[tuple[int, int]]:
        """When an output that is off now was on, Unix ms."""
        now_ms = _unix_ms(time.monotonic())

        def recorded() -> bool:
            # Once a reading of a later second is there, so is that it was ever on.
            later = any(row.t > now_ms for row in self.samples())
            return later and self.samples(bare=output)[-1].value == 0

        wait_until(recorded, f"{output} is recorded off")
        runs: list[tuple[int, int]] = []
        since: int | None = None
        for row in self.samples(bare=output):
            if row.value != 0:
                since = row.t if since is None else since
            elif since is not None:
                runs.append((since, row.t))
                since = None
        return runs

    def samples(self, node: int = 0, bare: str = "temperature") -> list[Sample]:
        """Of a channel, as they are in a node's spool."""
        node_id = self.brewery.line["nodes"][node]["node_id"]
        spool: Path = self.brewery.state / "nodes" / node_id / "data" / "spool.db"
        series = f"{node_id}/{self.name(bare)}"
        return [sample for sample in read_file(spool) if sample.series == series]


def _unix_ms(at: float) -> float:
    """A moment of the monotonic clock, seconds, as Unix ms."""
    return (at + time.time() - time.monotonic()) * 1000
