"""Duplicates, replays, a full disk, a lost probe: on a real node that is heating."""

import resource
import time
import uuid
from typing import Any

import pytest

from tests.edge_node.failures.conftest import HEATER, Brewery, wait_until
from tests.edge_node.plain_client import PlainClient
from tests.standstills import STANDSTILL_S

pytestmark = [pytest.mark.slow, pytest.mark.real_time, pytest.mark.timeout(400)]

FILE_BYTES = 100  # a pin's level and the heartbeat are shorter, all that is kept is longer


def put(client: PlainClient, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return client.call("PUT", f"/v1/actuators/{HEATER}", body)


def health(client: PlainClient) -> tuple[int, dict[str, Any] | None]:
    """Status, and what the node says is wrong with it."""
    status, content = client.call("GET", "/healthz")
    return status, content.get("error", {}).get("detail")


def test_a_duplicate_is_answered_the_same_and_obeyed_once(calm: Brewery) -> None:
    client = calm.client()
    calm.heat(client)
    on = {**client.header(), "state": True, "max_on_s": 600}
    status, first = put(client, on)
    assert (status, first["actual"]) == (200, 100)
    assert client.switch(HEATER, False)[1]["actual"] == 0
    status, again = put(client, on)
    same = ("desired", "actual", "limited_by", "seq")
    assert status == 200
    assert [again[key] for key in same] == [first[key] for key in same]
    assert calm.level() == 0
    # Another command with a number that was used up.
    status, content = put(client, {**on, "cmd_id": uuid.uuid4().hex})
    assert (status, content["error"]["code"]) == (409, "stale_seq")
    assert calm.level() == 0


def test_replays_of_another_epoch_and_of_another_time_do_nothing(calm: Brewery) -> None:
    client = calm.client()
    calm.heat(client)
    assert client.switch(HEATER, False)[1]["actual"] == 0
    late = {**client.header(), "state": True, "max_on_s": 600}
    late["not_after_ms"] = client.stamp["mono_ms"] - 1
    status, content = put(client, late)
    assert (status, content["error"]["code"]) == (410, "expired")

    fresh = {**client.header(), "state": True, "max_on_s": 600}
    fresh["not_after_ms"] += 60_000
    client.lease("release")
    status, content = put(client, fresh)
    assert (status, content["error"]["code"]) == (403, "not_leader")
    client.acquire()
    status, content = put(client, fresh)
    assert (status, content["error"]["code"]) == (403, "not_leader")
    assert calm.level() == 0


def test_release_switches_off_at_once(calm: Brewery) -> None:
    client = calm.client()
    calm.heat(client)
    released = time.time()
    assert client.lease("release")[0] == 200
    assert calm.off_after(released) <= 0.5 + STANDSTILL_S


def test_a_full_disk_grants_nothing_new_and_renews_what_is_held(calm: Brewery) -> None:
    client = calm.client()
    calm.heat(client)
    leases = calm.data / "leases"
    aside = leases.with_name("aside")
    leases.rename(aside)
    leases.write_text("no folder: nothing can be written here")
    try:
        for _ in range(3):
            assert client.renew()[0] == 200
        assert calm.level() == 100
        higher = {**client.who, "epoch": client.who["epoch"] + 1}
        status, content = client.call(
            "POST",
            "/v1/lease/acquire",
            {"kettle_id": client.kettle, **higher, "echo": client.stamp},
        )
        assert (status, content["error"]["code"]) == (503, "cannot_store")
        assert client.renew()[0] == 200
    finally:
        leases.unlink()
        aside.rename(leases)


def test_a_node_whose_writes_fail_stays_safe_says_so_and_keeps_all_once_they_work(
    calm: Brewery,
) -> None:
    client = calm.client()
    calm.heat(client)
    pid, usual = calm.pid, resource.prlimit(calm.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (FILE_BYTES, usual[1]))
    try:
        higher = {**client.who, "epoch": client.who["epoch"] + 1}
        body = {"kettle_id": client.kettle, **higher, "echo": client.stamp}
        status, content = client.call("POST", "/v1/lease/acquire", body)
        assert (status, content["error"]["code"]) == (503, "cannot_store")
        assert client.renew()[0] == 200
        assert calm.level() == 100
        status, content = client.call("PUT", "/v1/safe")
        assert calm.level() == 0
        assert (status, content["error"]["code"]) == (503, "not_stored")
        wait_until(
            lambda: any(one["id"] == "latches_not_kept" for one in client.state()["alarms"]),
            "it says that latches cannot be kept",
        )
        wait_until(
            lambda: health(client) == (503, {"part": "spool"}),
            "it says that samples cannot be kept",
        )
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, usual)
    assert calm.pid == pid
    wait_until(lambda: health(client) == (200, None), "samples are kept again")
    wait_until(
        lambda: all(one["id"] != "latches_not_kept" for one in client.state()["alarms"]),
        "and latches",
    )
    calm.restart()
    assert [one["latch"] for one in client.state()["latches"]] == ["safe"]
    client.acquire()
    clear = {"kettle_id": client.kettle, "latch": "safe"}
    assert client.command("POST", "/v1/safety/clear", clear)[0] == 200


def test_without_its_probe_a_kettle_heats_by_its_reference_or_not_at_all(calm: Brewery) -> None:
    client = calm.client()
    calm.heat(client)
    reference = {"value": 60.0, "t": 0, "probes": ["mash-tun-2/temperature", "x/temperature"]}
    told = {"reference": reference}
    calm.keep_renewing(client, lambda: told)
    time.sleep(3)
    calm.faults(temperature="missing")
    wait_until(
        lambda: client.state()["channels"]["temperature"]["value"] is None, "the probe is missing"
    )
    time.sleep(7)  # longer than any value counts
    assert calm.level() == 100
    shown = client.state()["actuators"][HEATER]
    assert (shown["actual"], shown["limited_by"]) == (100, None)

    told.clear()
    ended = time.time()
    # The reference counts for 5 s from the node's own stamp, which the renewal may have had.
    assert calm.off_after(ended) <= 7.5 + STANDSTILL_S
    assert client.state()["actuators"][HEATER]["limited_by"] == "process_value"


def test_a_power_on_value_is_believed_only_while_the_reference_bears_it_out(calm: Brewery) -> None:
    client = calm.client()
    client.acquire()

    def quality() -> str:
        return str(client.state()["channels"]["temperature"]["quality"])

    told: dict[str, Any] = {}
    calm.keep_renewing(client, lambda: told)
    calm.faults(temperature="power_on")
    wait_until(lambda: quality() == "bad:power_on", "85.00 in a kettle at 60 °C is none")
    probes = ["mash-tun-2/temperature", "mash-tun-3/temperature"]
    told["reference"] = {"value": 84.2, "t": 0, "probes": probes}
    wait_until(lambda: quality() == "ok", "others say 84.2: it is one")
    told.clear()
    assert calm.level() == 0, "nothing heats meanwhile"


def test_what_the_leader_says_of_probes_that_contradict_each_other_ends_the_heat(
    calm: Brewery,
) -> None:
    client = calm.client()
    calm.heat(client)
    probes = [f"mash-tun-{number}/temperature" for number in (1, 2, 3)]
    told = {"reference": {"value": None, "t": 0, "probes": probes}}
    calm.keep_renewing(client, lambda: told)
    # On a machine that stands still a node makes all safe for a moment by itself.
    wait_until(
        lambda: (
            calm.level() == 0
            and client.state()["actuators"][HEATER]["limited_by"] == "disagreement"
        ),
        "off, and why",
    )


def test_safe_needs_no_lease_latches_and_is_cleared_by_the_leader(calm: Brewery) -> None:
    client = calm.client()
    calm.heat(client)
    assert client.call("PUT", "/v1/safe")[0] == 200
    assert calm.level() == 0
    (latch,) = client.state()["latches"]
    assert (latch["kettle_id"], latch["latch"]) == ("mash-tun", "safe")
    status, content = client.switch(HEATER, True)
    assert (status, content["error"]["code"]) == (423, "safety_latched")
    assert client.switch(HEATER, False)[0] == 200
    assert client.switch("pump", True)[1]["actual"] is True
    status, content = client.command(
        "POST", "/v1/safety/clear", {"kettle_id": "mash-tun", "latch": "safe"}
    )
    assert status == 200, content
    assert client.state()["latches"] == []
    time.sleep(1)
    assert calm.level() == 0
    assert client.switch(HEATER, True)[1]["actual"] == 100
