"""All leases of a node: rules, disk and clock joined."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_node.lease import OVERRIDE_MS, TTL_MS, Promise, Refused, Replay
from edge_node.lease_store import LeaseStore
from edge_node.leases import Leases, members_hash
from edge_node.secret_file import SecretFileError
from tests.edge_node.fake_time import FakeTime

GROUPS = {"boil": ("n1",), "mash-tun": ("n1", "n2", "n3")}
A = {"server_id": "a", "session": "a1"}
B = {"server_id": "b", "session": "b1"}


class Disk(LeaseStore):
    """A disk that can be full, or hang until it is let go."""

    full = False

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.free = threading.Event()
        self.free.set()

    def save(self, kettle_id: str, promise: Promise) -> None:
        assert self.free.wait(30)
        if self.full:
            raise SecretFileError("No space left on device")
        super().save(kettle_id, promise)


class Bench:
    """Leases with a clock that a test turns; what was told to the outputs in `ended`."""

    def __init__(self, folder: Path) -> None:
        self.time = FakeTime()
        self.disk = Disk(folder)
        self.ended: list[str] = []
        self.referred: list[Any] = []
        self.boots = 0
        self.start()

    def start(self, *, write_timeout_s: float = 30) -> None:
        self.boots += 1
        self.boot_id = f"boot-{self.boots}"
        self.leases = Leases(
            node_id="n1",
            boot_id=self.boot_id,
            mono_ms=self.time.mono_ms,
            groups=GROUPS,
            store=self.disk,
            ended=self.ended.append,
            referred=lambda *what: self.referred.append(what),
            write_timeout_s=write_timeout_s,
        )

    async def acquire(
        self, who: dict[str, str], epoch: int, kettle: str = "mash-tun"
    ) -> Refused | None:
        return await self.leases.acquire(
            kettle, **who, epoch=epoch, echo_boot=self.boot_id, echo_ms=self.time.mono
        )

    def renew(self, who: dict[str, str], epoch: int) -> Refused | None:
        return self.leases.renew(
            "mash-tun", **who, epoch=epoch, echo_boot=self.boot_id, echo_ms=self.time.mono
        )

    def command(self, who: dict[str, str], epoch: int, seq: int) -> Refused | Replay | None:
        return self.leases.admit(
            "mash-tun",
            **who,
            epoch=epoch,
            boot_id=self.boot_id,
            seq=seq,
            not_after=self.time.mono,
            cmd_id=f"{who['session']}-{seq}",
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.time.run(TTL_MS)
    yield bench
    bench.disk.free.set()
    bench.leases.close()


async def test_each_kettle_has_a_lease_of_its_own(bench: Bench) -> None:
    assert await bench.acquire(A, 1) is None
    assert await bench.acquire(B, 1, "boil") is None
    assert bench.leases.holder("mash-tun") == Promise(1, "a", "a1")
    assert bench.leases.holder("boil") == Promise(1, "b", "b1")
    assert list(bench.leases) == ["boil", "mash-tun"]
    with pytest.raises(KeyError):
        bench.leases.status("fermenter")
    status = bench.leases.status("mash-tun")
    assert status["node"] == "n1"
    assert status["group"] == ["n1", "n2", "n3"]
    assert status["members_hash"] == members_hash(["n3", "n1", "n2"]) == "8014492f3850f222"


async def test_the_promise_is_on_disk_before_the_grant_is_answered(bench: Bench) -> None:
    bench.disk.free.clear()
    asked = asyncio.create_task(bench.acquire(A, 7))
    await asyncio.sleep(0.05)
    assert not asked.done()
    assert bench.leases.holder("mash-tun") is None
    bench.disk.free.set()
    assert await asked is None
    assert bench.disk.load("mash-tun") == Promise(7, "a", "a1")


async def test_a_restarted_node_keeps_its_promise(bench: Bench) -> None:
    assert await bench.acquire(A, 7) is None
    bench.start()
    bench.time.run(1)
    refused = await bench.acquire(B, 9)
    assert refused is not None
    assert refused.code == "quarantine"
    assert await bench.acquire(A, 7) is None
    bench.time.run(TTL_MS)
    refused = await bench.acquire(B, 7)
    assert refused is not None
    assert refused.code == "stale_epoch"


async def test_a_full_disk_grants_nothing_new_and_keeps_renewing_the_holder(bench: Bench) -> None:
    assert await bench.acquire(A, 1) is None
    bench.disk.full = True
    for _ in range(5):
        bench.time.run(TTL_MS - 1)
        assert bench.renew(A, 1) is None
    bench.time.run(TTL_MS)
    refused = await bench.acquire(B, 2)
    assert refused == Refused(503, "cannot_store", {"reason": "the disk takes no writes"})
    assert bench.leases.holder("mash-tun") is None
    assert await bench.acquire(A, 1) is None  # what is promised already needs no disk
    bench.time.run(TTL_MS)
    bench.disk.full = False
    assert await bench.acquire(B, 2) is None


async def test_a_disk_that_hangs_grants_nothing_and_holds_nobody_up(bench: Bench) -> None:
    bench.start(write_timeout_s=0.05)
    bench.time.run(TTL_MS)
    bench.disk.free.clear()
    for reason in ("the disk does not answer", "an earlier write still hangs"):
        assert await bench.acquire(A, 1) == Refused(503, "cannot_store", {"reason": reason})
    assert bench.leases.status("mash-tun")["holder"] is None
    bench.disk.free.set()


async def test_what_a_lease_switched_on_is_cleared_before_anything_else(bench: Bench) -> None:
    assert await bench.acquire(A, 1) is None
    assert bench.ended == ["mash-tun"]
    assert bench.command(A, 1, 1) is None
    bench.time.run(TTL_MS)
    bench.ended.clear()
    assert await bench.acquire(A, 2) is None
    assert bench.ended == ["mash-tun", "mash-tun"]  # the lapse, and the new grant
    assert bench.leases.release("mash-tun", **A, epoch=2) is None
    assert bench.ended == ["mash-tun"] * 3


async def test_a_tick_notices_the_lapse(bench: Bench) -> None:
    assert await bench.acquire(A, 1) is None
    bench.ended.clear()
    bench.time.run(TTL_MS - 1)
    bench.leases.tick()
    assert bench.ended == []
    bench.time.run(1)
    bench.leases.tick()
    bench.leases.tick()
    assert bench.ended == ["mash-tun"]


async def test_a_command_is_answered_again_from_memory(bench: Bench) -> None:
    assert await bench.acquire(A, 1) is None
    assert bench.command(A, 1, 1) is None
    bench.leases.remember("mash-tun", "a1-1", {"actual": 1})
    assert bench.command(A, 1, 1) == Replay({"actual": 1})


async def test_the_override_takes_every_kettle_of_the_node(bench: Bench) -> None:
    assert await bench.acquire(A, 1) is None
    bench.ended.clear()
    bench.leases.override()
    assert bench.ended == ["boil", "mash-tun"]
    assert bench.leases.holder("mash-tun") is None
    assert bench.leases.override_ms("boil") == OVERRIDE_MS
    bench.time.run(OVERRIDE_MS)
    assert bench.leases.override_ms("boil") == 0
    assert await bench.acquire(B, 2) is None


async def test_two_servers_that_ask_at_once_do_not_both_get_it(bench: Bench) -> None:
    bench.disk.free.clear()
    both = asyncio.gather(bench.acquire(A, 4), bench.acquire(B, 5))
    await asyncio.sleep(0.05)
    bench.disk.free.set()
    first, second = await both
    assert first is None
    assert second is not None
    assert second.code == "held"
