"""Announcements on the network, with real multicast on loopback."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from edge_node import config, discovery, identity
from edge_node.clock import Clock
from edge_node.discovery import SERVICE_TYPE, Announcement, local_addresses, txt_record
from edge_node.hardware import Acquisition
from edge_node.node import Node
from edge_node.spool import Spool

# Others may run the same tests on this machine, and all hear each other.
OWN = uuid.uuid4().hex[:8]
CONFIG = """
node: {{id: {node_id}, name: Mash tun A, data_dir: {data}}}
api: {{bind: {bind}, port: 8443}}
clock: trust
kettles:
{kettles}
channels:
  - {{id: room, driver: simulated}}
"""


def make_node(
    folder: Path,
    *,
    node_id: str = "mash-a",
    bind: str = "127.0.0.1",
    kettles: tuple[str, ...] = ("mash-tun", "boil-kettle"),
) -> Node:
    data = folder / node_id
    own = identity.create(node_id, data)
    path = folder / f"{node_id}.yaml"
    lines = "\n".join(
        f"  - {{id: {kettle}, name: {kettle}, group: [{node_id}]}}" for kettle in kettles
    )
    path.write_text(CONFIG.format(node_id=node_id, data=data, bind=bind, kettles=lines))
    node_config = config.load(path)
    clock = Clock(data / "clock.json", trust=True)
    spool = Spool(data / "spool.db", max_bytes=2**28, kernel_boot=clock.kernel_boot)
    return Node(node_config, own, clock, spool, Acquisition(node_config))


class Listener:
    """What a client on this machine sees of announcements."""

    def __init__(self, zeroconf: AsyncZeroconf) -> None:
        self.zeroconf = zeroconf
        self.names: set[str] = set()

    def note(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is ServiceStateChange.Removed:
            self.names.discard(name)
        else:
            self.names.add(name)

    async def until(self, name: str, *, there: bool) -> None:
        async with asyncio.timeout(30):
            while (f"{name}.{SERVICE_TYPE}" in self.names) != there:
                await asyncio.sleep(0.05)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    zeroconf = AsyncZeroconf(interfaces=["127.0.0.1"])
    found = Listener(zeroconf)
    browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE_TYPE, handlers=[found.note])
    yield found
    await browser.async_cancel()
    await zeroconf.async_close()


async def test_a_node_is_found_with_all_it_says_and_withdrawn_on_stop(
    tmp_path: Path, listener: Listener
) -> None:
    name = f"found-{OWN}"
    node = make_node(tmp_path, node_id=name)
    announcement = Announcement(node, 8443)
    await announcement.start()
    try:
        await listener.until(name, there=True)
        info = AsyncServiceInfo(SERVICE_TYPE, f"{name}.{SERVICE_TYPE}")
        assert await info.async_request(listener.zeroconf.zeroconf, 10_000)
        assert info.port == 8443
        assert info.parsed_addresses() == ["127.0.0.1"]
        assert info.decoded_properties == {
            "node_id": name,
            "kettles": "mash-tun,boil-kettle",
            "version": node.identity.version,
            "fp": node.identity.fingerprint[:32],
            "api": "1",
        }
    finally:
        await announcement.stop()
    await listener.until(name, there=False)
    assert not announcement.announced


async def test_a_network_that_is_not_there_is_tried_again(
    tmp_path: Path,
    listener: Listener,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries = 0

    def addresses(bind: str) -> list[str]:
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise OSError("no network")
        return [bind]

    monkeypatch.setattr(discovery, "local_addresses", addresses)
    monkeypatch.setattr(discovery, "FIRST_RETRY_S", 0.01)
    announcement = Announcement(make_node(tmp_path, node_id=f"late-{OWN}"), 8443)
    with caplog.at_level(logging.WARNING):
        await announcement.start()
        await listener.until(f"late-{OWN}", there=True)
    await announcement.stop()
    assert caplog.text.count("no network; trying again") == 2


async def test_an_announcement_that_died_is_an_alarm_until_it_is_well_again(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = False

    def addresses(bind: str) -> list[str]:
        nonlocal died
        if not died:
            died = True
            raise RuntimeError("a defect")
        return [bind]

    monkeypatch.setattr(discovery, "local_addresses", addresses)
    node = make_node(tmp_path, node_id=f"died-{OWN}")
    announcement = Announcement(node, 8443)
    await announcement.start()
    async with asyncio.timeout(30):
        while (alarm := node.alarm("task_announcement")) is None:
            await asyncio.sleep(0.01)
        assert "RuntimeError: a defect" in alarm["text"]
        await listener.until(f"died-{OWN}", there=True)
        while node.alarm("task_announcement") is not None:
            await asyncio.sleep(0.05)
    await announcement.stop()


async def test_other_addresses_are_announced_once_the_machine_has_them(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = ["127.0.0.1"]
    monkeypatch.setattr(discovery, "local_addresses", lambda _: list(current))
    monkeypatch.setattr(discovery, "CHECK_S", 0.05)
    name = f"moved-{OWN}"
    announcement = Announcement(make_node(tmp_path, node_id=name), 8443)
    await announcement.start()
    try:
        await listener.until(name, there=True)
        current[:] = ["127.0.0.1", "127.0.0.2"]
        async with asyncio.timeout(30):
            while True:
                info = AsyncServiceInfo(SERVICE_TYPE, f"{name}.{SERVICE_TYPE}")
                await info.async_request(listener.zeroconf.zeroconf, 1000)
                if sorted(info.parsed_addresses()) == current:
                    break
                await asyncio.sleep(0.1)
    finally:
        await announcement.stop()


async def test_stopping_before_anything_was_announced_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(bind: str) -> list[str]:
        raise OSError("no network")

    monkeypatch.setattr(discovery, "local_addresses", nothing)
    announcement = Announcement(make_node(tmp_path), 8443)
    await announcement.start()
    await asyncio.sleep(0.05)
    await announcement.stop()


class Adapter:
    """A network interface as ifaddr shows it."""

    def __init__(self, *addresses: str) -> None:
        self.ips: list[Any] = [
            type("IP", (), {"ip": (text, 0, 0) if ":" in text else text}) for text in addresses
        ]


@pytest.mark.parametrize(
    ("bind", "found", "announced"),
    [
        ("192.168.1.5", ["10.0.0.1"], ["192.168.1.5"]),
        ("0.0.0.0", ["127.0.0.1", "10.0.0.1", "fd00::1"], ["10.0.0.1"]),
        ("::", ["127.0.0.1", "::1", "10.0.0.1", "fd00::1", "fe80::1"], ["10.0.0.1", "fd00::1"]),
        ("0.0.0.0", ["127.0.0.1", "::1"], ["127.0.0.1"]),
    ],
)
def test_what_others_can_reach_is_announced(
    bind: str, found: list[str], announced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_node.discovery.ifaddr.get_adapters", lambda: [Adapter(*found)])
    assert local_addresses(bind) == announced


def test_only_whole_kettle_ids_go_into_the_record(tmp_path: Path) -> None:
    kettles = tuple(f"kettle-with-a-rather-long-name-{i}" for i in range(12))
    record = txt_record(make_node(tmp_path, kettles=kettles))
    assert len(f"kettles={record['kettles']}") <= 255
    said = record["kettles"].split(",")
    assert said == list(kettles[: len(said)])
    assert len(said) >= 5
