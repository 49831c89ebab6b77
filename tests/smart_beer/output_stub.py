"""A node with outputs, as far as commands meet one: it grants its lease and does as it is told."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from custom_components.smart_beer.lease_messages import members_hash
from tests.smart_beer.edge_stub import EdgeStub, serving

NOBODY = {"holder": None, "epoch": None, "expires_in_ms": 0}

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager


def output(output_id: str, kind: str | None = None, **changes: Any) -> dict[str, Any]:
    """An output as `/v1/node` lists it."""
    return {
        "id": output_id,
        "name": output_id.replace("_", " ").title(),
        "kettle_id": "mash-tun",
        "kind": kind or output_id,
        "control": "switch",
        "power_w": None,
        "min_on_s": 0,
        "min_off_s": 0,
        "max_on_s": 3600,
        "max_on_per_hour_s": 3600,
        "requires": [],
        "interlocks": [],
        "mutex": None,
        "breaker": None,
        "contactor": None,
        "safe": False,
        "hold_s": None,
        **changes,
    }


def controller(controller_id: str = "mash", **changes: Any) -> dict[str, Any]:
    """A controller as `/v1/node` lists it: a PID on `heater`."""
    return {
        "id": controller_id,
        "name": controller_id.replace("_", " ").title(),
        "kettle_id": "mash-tun",
        "kind": "pid",
        "heater": "heater",
        "cooler": None,
        "range": [0, 100],
        "max_rate": None,
        "tunable": True,
        **changes,
    }


def latch(name: str, kettle_id: str = "mash-tun") -> dict[str, Any]:
    """A latch as `/v1/state` lists it."""
    return {"kettle_id": kettle_id, "latch": name, "since": 1, "text": f"Latched: {name}."}


def latch_alarm(name: str, kettle_id: str = "mash-tun") -> dict[str, Any]:
    """The alarm by which a node tells of a latch."""
    return alarm(f"{name}_{kettle_id}", f"Latched: {name}.")


def alarm(alarm_id: str, text: str = "Look at it.", **changes: Any) -> dict[str, Any]:
    """An alarm as `/v1/state` lists it."""
    return {"id": alarm_id, "since": 1, "text": text, "acknowledged": None, **changes}


@dataclass
class OutputStub(EdgeStub):
    """A node with outputs; `limits` (output id to permit) keeps some of them off."""

    limits: dict[str, str] = field(default_factory=dict)
    lasting: set[str] = field(default_factory=set)  # latches whose cause lasts
    commands: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # path, body
    lease: dict[str, Any] = field(default_factory=lambda: dict(NOBODY))
    foreign: str | None = None  # another server that holds the lease

    def __post_init__(self) -> None:
        self.describes(output("heater"), output("pump"))

    def describes(
        self,
        *outputs: Mapping[str, Any],
        controllers: tuple[Mapping[str, Any], ...] = (),
        interlocks: tuple[Mapping[str, Any], ...] = (),
    ) -> None:
        """Have these parts, all of them off."""
        self.described = {
            "actuators": list(outputs),
            "controllers": list(controllers),
            "interlocks": list(interlocks),
        }
        self.parts = {
            "actuators": {
                one["id"]: {
                    "desired": False if one["control"] == "switch" else 0,
                    "actual": False if one["control"] == "switch" else 0,
                    "limited_by": None,
                }
                for one in outputs
            },
            "controllers": {
                one["id"]: {
                    "mode": "off",
                    "setpoint": None,
                    "process": None,
                    "power": 0.0,
                    "state": {},
                }
                for one in controllers
            },
            "interlocks": {one["id"]: True for one in interlocks},
            "latches": [],
            "stop": None,
        }

    def told(self, path: str) -> list[dict[str, Any]]:
        """What commands to this path said, without their header."""
        header = {"server_id", "session", "epoch", "boot_id", "seq", "not_after_ms", "cmd_id"}
        return [
            {key: value for key, value in body.items() if key not in header}
            for where, body in self.commands
            if where == path
        ]

    def app(self) -> web.Application:
        """The node as an aiohttp application."""
        app = super().app()
        app.router.add_get("/v1/lease", self._lease)
        app.router.add_post("/v1/lease/{ask}", self._lease)
        app.router.add_put("/v1/actuators/{id}", self._actuator)
        app.router.add_put("/v1/controllers/{id}", self._controller)
        app.router.add_put("/v1/safe", self._safe)
        app.router.add_post("/v1/safety/clear", self._clear)
        app.router.add_post("/v1/alarms/{id}/ack", self._acknowledge)
        return app

    async def _lease(self, request: web.Request) -> web.Response:
        ask = request.match_info.get("ask", "status")
        if ask == "release":
            self.lease = dict(NOBODY)
        elif ask != "status":
            body = await request.json()
            self.mono_ms += 1
            self.lease = {
                "holder": body["server_id"],
                "epoch": body["epoch"],
                "expires_in_ms": 10_000,
            }
        if self.foreign is not None:
            self.lease = {"holder": self.foreign, "epoch": 2**30, "expires_in_ms": 10_000}
            if ask != "status":
                return self.refuse(409, "held", **self._shown_lease())
        return self._reply({"granted": True, **self._shown_lease()})

    def _shown_lease(self) -> dict[str, Any]:
        group = self.kettles[0]["group"]
        return {
            **self.lease,
            "kettle_id": "mash-tun",
            "node": self.node_id,
            "group": group,
            "promised_epoch": self.lease["epoch"],
            "quarantine_ms": 0,
            "override_ms": 0,
            "members_hash": members_hash(group),
        }

    async def _command(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.commands.append((request.path, body))
        return body

    async def _actuator(self, request: web.Request) -> web.Response:
        body = await self._command(request)
        output_id = request.match_info["id"]
        return self._reply({**self._give(output_id, body), "seq": body["seq"]})

    def _give(self, output_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Give an output what a body asks for, unless something limits it."""
        (described,) = (one for one in self.described["actuators"] if one["id"] == output_id)
        wanted = body["power"] if "power" in body else 100 if body["state"] else 0
        limit = self.limits.get(output_id) if wanted else None
        actual = 0 if limit else wanted
        if described["control"] == "switch":
            wanted, actual = wanted > 0, actual > 0
        shown = {"desired": wanted, "actual": actual, "limited_by": limit}
        self.parts["actuators"][output_id] = shown
        return shown

    async def _controller(self, request: web.Request) -> web.Response:
        body = await self._command(request)
        controller_id = request.match_info["id"]
        (described,) = (one for one in self.described["controllers"] if one["id"] == controller_id)
        now = self.parts["controllers"][controller_id]
        mode = body.get("mode") or {"start": "autotune", "stop": "off"}.get(body["autotune"], "")
        now = {
            **now,
            "mode": mode or now["mode"],
            "setpoint": body.get("setpoint", now["setpoint"]),
            "power": {"manual": body.get("power"), "off": 0.0, "": now["power"]}.get(mode, 40.0),
        }
        self.parts["controllers"][controller_id] = now
        output_id = described["heater"] or described["cooler"]
        shown = self._give(output_id, {"power": now["power"]})
        return self._reply({**shown, "output": output_id, "controller": now, "seq": body["seq"]})

    async def _safe(self, request: web.Request) -> web.Response:
        body = await self._command(request) if request.can_read_body else {}
        self.parts["latches"] = [latch("safe")]
        return self._reply({"kettles": [body.get("kettle_id", "mash-tun")]})

    async def _clear(self, request: web.Request) -> web.Response:
        body = await self._command(request)
        if body["latch"] in self.lasting:
            cause = f"{body['latch']} lasts."
            return self.refuse(423, "safety_latched", reason=body["latch"], cause=cause)
        standing = self.parts["latches"]
        self.parts["latches"] = [one for one in standing if one["latch"] != body["latch"]]
        return self._done(body)

    async def _acknowledge(self, request: web.Request) -> web.Response:
        body = await self._command(request)
        seen = {"by": body["by"], "note": body["note"], "t": 2}
        self.alarms = [
            {**one, "acknowledged": seen} if one["id"] == request.match_info["id"] else one
            for one in self.alarms
        ]
        return self._done(body)

    def _done(self, body: Mapping[str, Any]) -> web.Response:
        answer = {"desired": False, "actual": False, "limited_by": None, "seq": body["seq"]}
        return self._reply(answer)


def running_outputs(**changes: Any) -> AbstractAsyncContextManager[OutputStub]:
    """A node with outputs on a free port of this machine, until the block ends."""
    return serving(lambda fingerprint: OutputStub(fingerprint=fingerprint, **changes))
