"""The wall clock jumps, or is not there at all: leases, timers and stamps of a real node."""

import time
from collections.abc import Callable, Iterator

import pytest

from edge_node.model import Sample
from edge_node.spool import read_file
from tests.edge_node.failures.conftest import HEATER, KETTLE, Brewery, simulation, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.real_time, pytest.mark.timeout(400)]

HEAT_ON_S = 10.6
SLACK_S = 10.0  # of a slow machine
HOUR_S = 3600
YEAR_S = 365 * 24 * HOUR_S


@pytest.fixture(scope="module")
def bent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brewery]:
    """A brewery whose clock is bent by `inject`."""
    state = tmp_path_factory.mktemp("clock") / "state"
    with simulation(state, "--temperature", f"{KETTLE}=60") as brewery:
        yield brewery


@pytest.fixture
def wrong(bent: Brewery) -> Iterator[Brewery]:
    """The same; nobody renews when the test has ended, however it ended."""
    yield bent
    bent.calm()


def newest(brewery: Brewery) -> int:
    """The number of the newest sample that is served, 0 if there is none yet."""
    return max((sample.seq for sample in read_file(brewery.data / "spool.db")), default=0)


def since(brewery: Brewery, seq: int) -> list[Sample]:
    """What is served after that number."""
    return [sample for sample in read_file(brewery.data / "spool.db") if sample.seq > seq]


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
def test_a_jump_of_the_clock_changes_no_leader_no_timer_and_no_dead_man(
    wrong: Brewery, jump_s: int, measured: Callable[[str], None]
) -> None:
    client = wrong.client()
    wrong.inject("clock", offset_s=0)
    wrong.heat(client)
    renewer = wrong.keep_renewing(client)
    epoch, boot = client.who["epoch"], client.stamp["boot_id"]
    steps = client.get("/v1/node")["clock"]["steps"]

    # A command that shall last for three seconds lasts for three seconds.
    body = {"state": True, "max_on_s": 3}
    assert client.command("PUT", "/v1/actuators/pump", body)[1]["actual"] is True
    started = time.monotonic()
    wrong.inject("clock", offset_s=jump_s)
    wait_until(lambda: wrong.level("pump") == 0, "the pump's time is over")
    assert 2 < time.monotonic() - started <= 3.5 + SLACK_S
    wait_until(lambda: client.get("/v1/node")["clock"]["steps"] > steps, "the step is seen")

    shown = client.get(f"/v1/lease?kettle_id={KETTLE}")
    assert (shown["holder"], shown["epoch"], shown["boot_id"]) == ("server-a", epoch, boot)
    wait_until(lambda: client.switch(HEATER, True)[1].get("actual") == 100, "it heats still")

    # The clock jumps back in the middle of the dead man's ten seconds.
    renewer.stop()
    time.sleep(max(0.0, client.renewed + 4 - time.monotonic()))
    wrong.inject("clock", offset_s=0)
    # A reading that came too late on a busy machine interrupts the heat; that is not its end.
    wait_until(
        lambda: (
            client.get(f"/v1/lease?kettle_id={KETTLE}")["holder"] is None and wrong.level() == 0
        ),
        "the lease and with it the heat ends",
    )
    on_for = time.monotonic() - client.renewed
    measured(f"heat on after the last renewal, clock {jump_s:+} s: {on_for:.2f} s")
    assert 5 < on_for <= HEAT_ON_S + SLACK_S


def test_without_a_clock_at_boot_a_node_is_led_and_heats_and_its_samples_wait_for_the_time(
    wrong: Brewery, measured: Callable[[str], None]
) -> None:
    """No RTC: the clock is years behind until a time server is heard, and then a node knows.

    The samples of the time before are stamped right, and no reader ever sees a wrong year.
    """
    began = time.time()
    wrong.inject("clock", offset_s=-began + HOUR_S, synchronised=False)
    wrong.reboot(clock="kernel")
    before = newest(wrong)
    client = wrong.client()
    client.acquire()
    assert client.get("/v1/node")["clock"]["known"] is False
    wait_until(lambda: client.switch(HEATER, True)[1].get("actual") == 100, "it may heat")
    wrong.keep_renewing(client)
    epoch = client.who["epoch"]
    time.sleep(2)
    assert wrong.level() == 100
    assert newest(wrong) == before
    assert any("clock" in alarm["id"] for alarm in client.state()["alarms"])

    wrong.inject("clock", offset_s=0, synchronised=True)
    known = time.time()
    wait_until(lambda: client.get("/v1/node")["clock"]["known"], "the time is known")
    wait_until(lambda: any(s.t / 1000 > known + 2 for s in since(wrong, before)), "served")
    shown = client.get(f"/v1/lease?kettle_id={KETTLE}")
    assert (shown["holder"], shown["epoch"]) == ("server-a", epoch)
    assert wrong.level() == 100
    fresh = since(wrong, before)
    waited = [s for s in fresh if s.t / 1000 < known]
    assert waited, "what was read before the time was known is kept"
    now = time.time()
    assert all(began - 2 < sample.t / 1000 < now + 2 for sample in fresh)
    measured(f"{len(waited)} samples waited for the time and were stamped right")


@pytest.mark.parametrize("wrong_s", [YEAR_S, -YEAR_S])
def test_a_clock_wrong_by_a_year_puts_no_wrong_year_into_the_archive(
    wrong: Brewery, wrong_s: int
) -> None:
    wrong.inject("clock", offset_s=wrong_s, synchronised=False)
    began = time.time()
    wrong.reboot(clock="kernel")
    before = newest(wrong)
    client = wrong.client()
    wait_until(lambda: client.state()["channels"]["temperature"]["value"] is not None, "a reading")
    time.sleep(2)
    # Nobody vouches for this clock: its readings are shown without a time, and none is served.
    assert client.state()["channels"]["temperature"]["t"] is None
    assert newest(wrong) == before
    # It boots again before anybody has told it the time: what that boot read can only be guessed.
    again = time.time()
    wrong.reboot()
    booted = time.time()
    client = wrong.client()
    wait_until(lambda: client.state()["channels"]["temperature"]["value"] is not None, "a reading")
    status, _ = client.call("PUT", "/v1/clock", {"utc_ms": round(time.time() * 1000)})
    assert status == 200
    told = time.time()
    wait_until(lambda: any(s.t / 1000 > told + 1 for s in since(wrong, before)), "served")
    fresh = since(wrong, before)
    guessed = [s for s in fresh if s.quality == "suspect:clock"]
    assert guessed, "what was read before the second boot is kept and flagged"
    assert all(s.t / 1000 < booted for s in guessed)
    sure = [s for s in fresh if s.quality == "ok"]
    assert all(s.t / 1000 > again - 5 for s in sure)
    assert all(began - 30 < s.t / 1000 < time.time() + 2 for s in fresh)
    wrong.inject("clock", offset_s=0, synchronised=True)
