"""A node that dies while it writes down an epoch never obeys a lower one afterwards."""

import contextlib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.edge_node.failures.conftest import HEATER, KETTLE, simulation, wait_until
from tests.edge_node.plain_client import PlainClient

pytestmark = [pytest.mark.slow, pytest.mark.real_time, pytest.mark.timeout(400)]

POINTS = (("file", "before"), ("file", "after"), ("folder", "before"), ("folder", "after"))


def code(answer: tuple[int, dict[str, Any]]) -> tuple[int, str | None]:
    status, content = answer
    return status, content.get("error", {}).get("code")


def test_a_crash_before_or_after_the_epochs_fsync_never_lets_a_lower_epoch_be_obeyed(
    tmp_path: Path, measured: Callable[[str], None]
) -> None:
    obeyed: list[int] = []
    told = []
    with simulation(tmp_path / "state", "--temperature", f"{KETTLE}=60") as brewery:

        def obeys(client: PlainClient) -> None:
            answer = wait_until(
                lambda: (found := client.switch(HEATER, True))[1].get("actual") == 100 and found,
                "it obeys",
            )
            assert answer[0] == 200
            obeyed.append(client.who["epoch"])

        old = brewery.client()
        old.acquire()
        obeys(old)
        for at, when in POINTS:
            granted, pid = old.who["epoch"], brewery.pid
            assert old.lease("release")[0] == 200
            # The same server after a restart: it need not wait for the quarantine.
            new = brewery.client()
            new.get(f"/v1/lease?kettle_id={KETTLE}")
            new.who["epoch"] = granted + 1
            brewery.inject("crash", folder="leases", at=at, when=when)
            with contextlib.suppress(OSError):
                answer = new.lease("acquire")
                pytest.fail(f"granted although it died {when} the fsync of the {at}: {answer}")
            brewery.comes_back(pid)
            assert brewery.level() == 0

            promised = old.get(f"/v1/lease?kettle_id={KETTLE}")["promised_epoch"]
            told.append(f"{when} the {at}'s fsync: promised {granted} -> {promised}")
            assert promised == granted + ((at, when) == ("folder", "after"))
            lower = {**old.who, "epoch": granted - 1, "session": uuid.uuid4().hex}
            if granted > 1:
                body = {"kettle_id": KETTLE, **lower, "echo": old.stamp}
                answer = old.call("POST", "/v1/lease/acquire", body)
                assert code(answer) == (409, "stale_epoch")
            assert code(old.switch(HEATER, True)) == (403, "not_leader")
            if promised > granted:
                assert code(old.lease("acquire")) == (409, "stale_epoch")
            else:  # nobody was granted the higher one: the old one may go on
                old.seq = 0
                assert old.lease("acquire")[0] == 200
                obeys(old)
                assert old.lease("release")[0] == 200
            new.get(f"/v1/lease?kettle_id={KETTLE}")
            assert new.lease("acquire")[0] == 200
            obeys(new)
            assert code(old.switch(HEATER, True)) == (403, "not_leader")
            assert code(old.lease("acquire")) == (409, "stale_epoch")
            old = new
    measured(f"killed {'; '.join(told)}; epochs obeyed {obeyed}")
    assert obeyed == sorted(obeyed)
    assert len(set(obeyed)) == len(POINTS) + 1
