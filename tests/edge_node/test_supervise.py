import asyncio
import os
import socket
from pathlib import Path

import pytest

from edge_node.service_manager import notify, watchdog_s
from edge_node.supervise import supervise


async def test_what_dies_is_reported_and_started_again_and_well_again_in_the_end() -> None:
    starts = 0
    reports: list[tuple[str, str | None]] = []
    well = asyncio.Event()

    async def job() -> None:
        nonlocal starts
        starts += 1
        if starts == 1:
            raise OSError("the port is taken")
        if starts == 2:
            return
        await asyncio.get_running_loop().create_future()

    def report(name: str, failure: str | None) -> None:
        reports.append((name, failure))
        if starts == 3 and failure is None:
            well.set()

    task = asyncio.create_task(supervise("api", job, report, first_wait_s=0.01))
    async with asyncio.timeout(30):
        await well.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    failures = [report for report in reports if report[1] is not None]
    assert failures == [("api", "OSError: the port is taken"), ("api", "it ended")]
    assert reports[-1] == ("api", None)


def test_the_service_manager_hears_over_a_path_or_an_abstract_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "notify")
    abstract = f"smart-beer-test-{os.getpid()}"
    for address, variable in ((path, path), ("\0" + abstract, "@" + abstract)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            manager.settimeout(30)
            monkeypatch.setenv("NOTIFY_SOCKET", variable)
            notify("READY=1")
            assert manager.recv(100) == b"READY=1"
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [("30000000", "", 30.0), ("", "", None), ("0", "", None), ("x", "", None), ("5", "1", None)],
)
def test_the_watchdog_is_kept_only_where_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, seconds: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", pid)
    assert watchdog_s() == seconds
