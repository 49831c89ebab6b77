"""Commands over HTTP: what they need, in which order they are judged, and what they answer."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from edge_node.lease import TTL_MS
from tests.edge_node.api.conftest import CONFIG, Serve, Served, until

pytestmark = pytest.mark.real_time  # of a lease of ten seconds and a reading of five

OUTPUTS = (
    CONFIG.replace("group: [mash-a, mash-b, mash-c]", "safety: {{volume_l: 20}}")
    + """
actuators:
  - {{id: heater, kettle: mash-tun, kind: heater, control: power, driver: simulated, power_w: 3500,
     file: heater, max_on_s: 600, contactor: null}}
  - {{id: pump, kettle: mash-tun, kind: pump, driver: simulated, file: pump}}
controllers: [{{id: mash, kettle: mash-tun, kind: pid, heater: heater, range: [20, 80]}}]
"""
)
WHO = {"server_id": "a", "session": "s"}


class Led:
    """A node whose kettle is led by this test."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.epoch = 1
        self.seq = 0

    def header(self, **more: Any) -> dict[str, Any]:
        self.seq += 1
        node = self.served.node
        return {
            **WHO,
            "epoch": self.epoch,
            "boot_id": node.boot_id,
            "seq": self.seq,
            "not_after_ms": node.mono_ms() + 2000,
            "cmd_id": uuid.uuid4().hex,
            **more,
        }

    async def put(
        self, path: str, body: dict[str, Any], method: str = "PUT", **header: Any
    ) -> tuple[int, Any]:
        status, content, _ = await self.served.call(
            method, path, json={**self.header(**header), **body}
        )
        return status, content

    async def refused(self, path: str, body: dict[str, Any], **header: Any) -> tuple[int, str]:
        status, content = await self.put(path, body, **header)
        return status, content["error"]["code"]


@pytest.fixture
async def led(serve: Serve) -> Led:
    served = await serve(text=OUTPUTS)
    led = Led(served)
    node, actuation = served.node, served.node.actuation
    assert actuation is not None
    # The quarantine is over at once: the node believes to have been up for longer.
    lease = actuation.leases._kettles["mash-tun"].lease
    lease._quarantine_until -= TTL_MS
    served.tick()
    echo = {"boot_id": node.boot_id, "mono_ms": node.mono_ms()}
    body = {"kettle_id": "mash-tun", **WHO, "epoch": 1, "echo": echo}
    status, content, _ = await served.call("POST", "/v1/lease/acquire", json=body)
    assert status == 200, content
    return led


HEAT = {"power": 40, "max_on_s": 60}


async def test_an_output_is_switched_and_shown_everywhere(led: Led) -> None:
    status, content = await led.put("/v1/actuators/heater", HEAT)
    assert status == 200, content
    assert (content["desired"], content["actual"], content["limited_by"]) == (40, 40, None)
    state = await led.served.get("/v1/state")
    assert state["actuators"]["heater"] == {"desired": 40, "actual": 40, "limited_by": None}
    assert state["actuators"]["pump"] == {"desired": False, "actual": False, "limited_by": None}
    assert state["kettles"]["mash-tun"]["lease"]["holder"] == "a"
    await until(lambda: led.served.node.state()["channels"].get("heater", {}).get("value") == 40)
    status, content = await led.put("/v1/actuators/heater", {"state": False})
    assert (status, content["actual"]) == (200, 0)


async def test_the_checks_come_in_the_order_of_the_contract(led: Led) -> None:
    path, wild = "/v1/actuators/heater", {"power": 900, "max_on_s": 60}
    wrong = {"boot_id": "other", "epoch": 9, "not_after_ms": 0, "seq": 0}
    assert await led.refused(path, wild, **wrong) == (412, "wrong_boot")
    del wrong["boot_id"]
    assert await led.refused(path, wild, **wrong) == (403, "not_leader")
    del wrong["epoch"]
    assert await led.refused(path, wild, **wrong) == (410, "expired")
    del wrong["not_after_ms"]
    assert await led.refused(path, wild, **wrong) == (409, "stale_seq")
    status, _, _ = await led.served.call("PUT", "/v1/safe")
    assert status == 200
    assert await led.refused(path, wild) == (423, "safety_latched")
    status, _ = await led.put(
        "/v1/safety/clear", {"kettle_id": "mash-tun", "latch": "safe"}, method="POST"
    )
    assert status == 200
    assert await led.refused(path, wild) == (422, "out_of_range")


async def test_a_refusal_is_stored_as_well(led: Led) -> None:
    same = led.header()
    for _ in range(2):
        status, content, _ = await led.served.call(
            "PUT", "/v1/actuators/heater", json={**same, "power": 40, "max_on_s": 601}
        )
        assert (status, content["error"]["code"]) == (422, "out_of_range")
    assert content["error"]["detail"]["field"] == "max_on_s"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_field"),
        ({"state": True, "power": 3, "max_on_s": 3}, "bad_field"),
        ({"state": True}, "missing_field"),
        ({"power": 3}, "missing_field"),
        ({"state": "on", "max_on_s": 3}, "bad_field"),
        ({"power": True, "max_on_s": 3}, "bad_field"),
        ({"toggle": True}, "unknown_field"),
    ],
)
async def test_half_an_order_is_none(led: Led, body: dict[str, Any], code: str) -> None:
    assert await led.refused("/v1/actuators/heater", body) == (400, code)


async def test_what_is_not_there_is_named(led: Led) -> None:
    for path, body, code in (
        ("/v1/actuators/x", {"state": False}, "unknown_output"),
        ("/v1/controllers/x", {"mode": "off"}, "unknown_controller"),
        ("/v1/batch", {"kettle_id": "x", "batch_id": None}, "unknown_kettle"),
    ):
        assert await led.refused(path, body) == (404, code)


async def test_a_controller_regulates_and_says_so(led: Led) -> None:
    path = "/v1/controllers/mash"
    assert await led.refused(path, {"mode": "auto"}) == (422, "out_of_range")
    assert await led.refused(path, {"mode": "auto", "setpoint": 81}) == (422, "out_of_range")
    status, content = await led.put(path, {"mode": "auto", "setpoint": 66})
    assert status == 200, content
    assert content["output"] == "heater"
    assert content["controller"]["mode"] == "auto"
    state = await led.served.get("/v1/state")
    assert state["controllers"]["mash"]["setpoint"] == 66
    status, content = await led.put(path, {"mode": "off"})
    assert (status, content["actual"]) == (200, 0)


async def test_the_batch_is_stamped_into_what_comes_after(led: Led) -> None:
    served = led.served
    status, content = await led.put("/v1/batch", {"kettle_id": "mash-tun", "batch_id": "B001"})
    assert (status, content["actual"]) == (200, "B001")
    before = served.node.spool.last_seq
    served.tick()
    named: set[tuple[str, str | None]] = set()
    async with asyncio.timeout(30):
        while ("mash-a/mash_temp", "B001") not in named:  # others may come before
            page = await served.get(f"/v1/samples?after={before}&wait=1")
            named = {
                (page["series"][row[2]], None if row[5] is None else page["batches"][row[5]])
                for row in page["samples"]
            }
    assert ("mash-a/room", None) in named
    assert (await served.get("/v1/state"))["kettles"]["mash-tun"]["batch"] == "B001"


async def test_the_program_is_kept_with_its_epoch(led: Led) -> None:
    empty = await led.served.get("/v1/program?kettle_id=mash-tun", token=led.served.read)
    assert (empty["program"], empty["revision"], empty["epoch"]) == (None, None, None)
    body = {"kettle_id": "mash-tun", "program": "x" * 4096, "revision": 4}
    assert (await led.put("/v1/program", body))[0] == 200
    kept = await led.served.get("/v1/program?kettle_id=mash-tun")
    assert (kept["program"], kept["revision"], kept["epoch"]) == ("x" * 4096, 4, 1)
    body["program"] = "x" * 4095 + "\u00e4"
    assert await led.refused("/v1/program", body) == (400, "bad_field")


async def test_safe_is_for_any_scope_with_or_without_a_body_and_ends_heat(led: Led) -> None:
    ways: list[dict[str, Any]] = [{}, {"json": {"kettle_id": "mash-tun"}}, {"json": {}}]
    for arguments in ways:
        await led.put("/v1/safety/clear", {"kettle_id": "mash-tun", "latch": "safe"}, method="POST")
        status, content = await led.put("/v1/actuators/heater", HEAT)
        assert (status, content["actual"]) == (200, 40)
        status, content, _ = await led.served.call(
            "PUT", "/v1/safe", token=led.served.read, **arguments
        )
        assert (status, content["kettles"]) == (200, ["mash-tun"])
        state = await led.served.get("/v1/state")
        assert state["actuators"]["heater"]["actual"] == 0
        assert [latch["latch"] for latch in state["latches"]] == ["safe"]


@pytest.mark.parametrize(
    ("arguments", "path", "expected"),
    [
        ({"data": b"{"}, "", (400, "bad_json")),
        ({"data": b"x" * 9000}, "", (413, "too_large")),
        ({"json": {"kettle": "mash-tun"}}, "", (400, "unknown_field")),
        ({"json": {"kettle_id": 5}}, "", (400, "bad_field")),
        ({}, "?kettle_id=mash-tun", (400, "unknown_parameter")),
    ],
)
async def test_safe_that_is_not_understood_switches_off_before_it_complains(
    led: Led, arguments: dict[str, Any], path: str, expected: tuple[int, str]
) -> None:
    status, content = await led.put("/v1/actuators/heater", HEAT)
    assert (status, content["actual"]) == (200, 40)
    headers = {"Content-Type": "application/json"}
    status, content, _ = await led.served.call(
        "PUT", f"/v1/safe{path}", token=led.served.read, headers=headers, **arguments
    )
    assert (status, content["error"]["code"]) == expected
    state = await led.served.get("/v1/state")
    assert state["actuators"]["heater"]["actual"] == 0
    assert [latch["latch"] for latch in state["latches"]] == ["safe"]


async def test_an_output_that_does_not_obey_is_told_by_the_nodes_health(led: Led) -> None:
    node, actuation = led.served.node, led.served.node.actuation
    assert actuation is not None
    status, _, _ = await led.served.call("GET", "/healthz", token=None)
    assert status == 200
    actuation._outputs.failed["heater"] = "it was set off and is not"
    await until(lambda: node.failing() == "outputs")
    status, content, _ = await led.served.call("GET", "/healthz", token=None)
    assert (status, content["error"]["detail"]) == (503, {"part": "outputs"})
    assert "an output does not obey" in content["error"]["message"]


async def test_an_alarm_is_acknowledged_and_stands(led: Led) -> None:
    await led.served.call("PUT", "/v1/safe")
    await until(lambda: led.served.node.alarm("safe_mash-tun") is not None)
    body = {"kettle_id": "mash-tun", "by": "Ann", "note": "seen"}
    status, content = await led.put("/v1/alarms/safe_mash-tun/ack", body, method="POST")
    assert status == 200, content
    (alarm,) = [
        one for one in (await led.served.get("/v1/state"))["alarms"] if one["id"] == "safe_mash-tun"
    ]
    assert alarm["acknowledged"]["by"] == "Ann"
    status, content = await led.put("/v1/alarms/nothing/ack", body, method="POST")
    assert (status, content["error"]["code"]) == (404, "unknown_alarm")


async def test_commands_need_scope_control(led: Led) -> None:
    status, content, _ = await led.served.call(
        "PUT", "/v1/actuators/pump", token=led.served.read, json={**led.header(), "state": False}
    )
    assert (status, content["error"]["code"]) == (403, "scope")


async def test_the_metrics_tell_of_outputs(led: Led) -> None:
    await led.put("/v1/actuators/heater", HEAT)
    pin = {"Authorization": f"Bearer {led.served.read}"}
    async with led.served.session.get(
        f"{led.served.url}/metrics", headers=pin, ssl=False
    ) as response:
        text = await response.text()
    assert 'smart_beer_output_actual_percent{output="heater"} 40' in text
    assert 'smart_beer_commands_total{outcome="obeyed"} 1' in text
    assert 'smart_beer_lease_held{kettle="mash-tun"} 1' in text


async def test_events_tell_of_an_output_at_once(led: Led) -> None:
    seen: list[Any] = []
    end = led.served.node.subscribe(seen.append)
    await led.put("/v1/actuators/pump", {"state": True, "max_on_s": 5})
    await until(lambda: any("actuators" in change for change in seen))
    end()
