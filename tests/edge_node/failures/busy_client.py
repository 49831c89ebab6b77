"""A server that commands a node many times a second, and writes down all it says and is told.

It is a process of its own, so that it can be killed at any moment: what it is about to say is in
its log before it says it. `python -m tests.edge_node.failures.busy_client`, its settings as JSON
on stdin. It ends when its standard input does.
"""

import contextlib
import json
import os
import random
import select
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Final

from tests.edge_node.plain_client import SteadyClient

PAUSE_S: Final = (0.04, 0.09)
RENEW_S: Final = 2.0
STEPS: Final = 5000  # powers from 50.00 to 99.99
STRIDE: Final = 1787  # from one power to the next it is far, and none comes twice


def power_of(number: int) -> float:
    """The power of the heater's order `number`, unlike every other's within STEPS."""
    return (number * STRIDE % STEPS + 5000) / 100


class BusyClient:
    """Switches pump and heater by turns, repeats itself, and says things that are out of date."""

    def __init__(self, client: SteadyClient, log: Path, number: int) -> None:
        self._client = client
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._clear = log.with_name("clear")
        self._number = number
        self._sent: list[dict[str, Any]] = []
        self._random = random.Random()  # no secret
        self._renewed = 0.0
        self._on = {"pump": False, "heater": False}

    def step(self) -> None:
        """One thing to say; OSError where nobody answers."""
        if time.monotonic() - self._renewed >= RENEW_S:
            self._renew()
        if self._clear.exists():
            self._clear_latches()
        kind = self._random.random()
        if kind < 0.75 or len(self._sent) < 3:
            self._order()
        elif kind < 0.85:
            self._say("again", self._random.choice(self._sent[-5:]))
        elif kind < 0.95:
            before = self._random.choice(self._sent[:-1])
            fresh = {"cmd_id": uuid.uuid4().hex, "not_after_ms": self._not_after()}
            self._say("stale", {**before, **fresh})
        else:
            self._say("lower", self._command("pump", epoch=self._client.who["epoch"] - 1))

    def lead(self) -> None:
        """Take the lease; OSError, or LookupError where it is refused."""
        client = self._client
        self._note({"kind": "seeks", "sent": time.monotonic()})
        shown = client.get(f"/v1/lease?kettle_id={client.kettle}")
        client.who["epoch"] = (shown["promised_epoch"] or 0) + 1
        sent = time.monotonic()
        status, content = client.lease("acquire")
        if status != 200:
            raise LookupError(content)
        client.seq, self._renewed = 0, sent
        self._sent.clear()
        self._on = dict.fromkeys(self._on, False)
        self._note({"kind": "leads", "sent": sent, "boot": client.stamp["boot_id"], **client.who})

    def _renew(self) -> None:
        self._renewed = time.monotonic()
        self._note({"kind": "renews", "sent": self._renewed})
        status, content = self._client.renew()
        if status != 200:
            raise LookupError(content)

    def _order(self) -> None:
        output = self._random.choice(("pump", "heater", "heater"))
        # Another power each other time, so that there is heat more often than not.
        again = output == "heater" and self._random.random() < 0.5
        self._on[output] = again or not self._on[output]
        body = self._command(output)
        self._number += "number" in body
        self._sent = [*self._sent[-20:], body]
        self._say("order", body)

    def _command(self, output: str, **header: Any) -> dict[str, Any]:
        """A command for an output, as the URL's last part goes with it."""
        client = self._client
        more = {"not_after_ms": self._not_after(), **header}
        if header:  # one that must not be obeyed uses no number up
            more["seq"] = client.seq + 1
        seq = client.seq
        body = {**client.header(**more), "output": output, "state": self._on[output]}
        if header:
            client.seq = seq
        if self._on[output]:
            body["max_on_s"] = 600
            if output == "heater":
                del body["state"]
                body |= {"power": power_of(self._number), "number": self._number}
        return body

    def _not_after(self) -> int:
        return int(self._client.stamp["mono_ms"]) + 2000

    def _say(self, kind: str, body: dict[str, Any]) -> None:
        said = {key: value for key, value in body.items() if key not in {"output", "number"}}
        self._note({"kind": kind, "sent": time.monotonic(), **body})
        status, content = self._client.call("PUT", f"/v1/actuators/{body['output']}", said)
        self._note(
            {
                "kind": "told",
                "of": kind,
                "cmd_id": body["cmd_id"],
                "came": time.monotonic(),
                "status": status,
                "content": content,
            }
        )
        if status == 403 and kind == "order":
            raise LookupError(content)

    def _clear_latches(self) -> None:
        client = self._client
        for latch in client.state()["latches"]:
            client.get(f"/v1/lease?kettle_id={client.kettle}")
            body = {"kettle_id": latch["kettle_id"], "latch": latch["latch"]}
            status, content = client.call("POST", "/v1/safety/clear", {**client.header(), **body})
            self._note({"kind": "cleared", "status": status, "content": content, **body})
            if status != 200:  # too late, or the lease is lost: it is asked again
                raise LookupError(content)
        self._clear.unlink(missing_ok=True)
        self._on = dict.fromkeys(self._on, False)

    def _note(self, line: dict[str, Any]) -> None:
        os.write(self._log, json.dumps(line).encode() + b"\n")


def main() -> None:
    """Until the end of standard input."""
    settings = json.loads(sys.stdin.readline())
    client = SteadyClient(
        settings["url"], settings["token"], settings["fingerprint"], kettle=settings["kettle"]
    )
    busy = BusyClient(client, Path(settings["log"]), settings["number"])
    leads = False
    while not select.select([sys.stdin], [], [], random.uniform(*PAUSE_S))[0]:
        try:
            if not leads:
                busy.lead()
                leads = True
            busy.step()
        except (OSError, LookupError):
            leads = False
            with contextlib.suppress(OSError):
                client.close()
            time.sleep(0.1)


if __name__ == "__main__":
    main()
