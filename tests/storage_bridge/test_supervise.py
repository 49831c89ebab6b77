"""Tasks that die."""

import asyncio
import logging

import pytest

from storage_bridge.backoff import Backoff
from storage_bridge.supervise import Supervisor

from .waiting import until


async def test_a_task_that_dies_or_returns_is_started_again_and_it_shows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    runs: list[str] = []

    async def work() -> None:
        runs.append("x")
        if len(runs) == 1:
            raise ValueError("the first time")
        if len(runs) == 2:
            return
        await asyncio.Event().wait()

    supervisor = Supervisor(Backoff(base=0.01, cap=0.01))
    supervisor.start("worker", work)
    await until(lambda: len(runs) == 3, "started again, twice")
    status = supervisor.status()["worker"]
    shown = {"running": True, "restarts": 2, "died_of": "it returned", "unsteady": True}
    assert status == shown
    assert "the first time" in caplog.text
    await supervisor.close()
    assert not supervisor.status()["worker"]["running"]


async def test_a_task_that_died_once_or_long_ago_is_not_unsteady(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[str] = []

    async def work() -> None:
        runs.append("x")
        if len(runs) < 3:
            await asyncio.sleep(0.05)
            return
        await asyncio.Event().wait()

    supervisor = Supervisor(Backoff(base=0.2, cap=0.2))
    supervisor.start("worker", work)
    await until(lambda: supervisor.status()["worker"]["restarts"] == 1, "it died")
    assert not supervisor.status()["worker"]["unsteady"]
    await until(lambda: len(runs) == 3, "it died again")
    assert supervisor.status()["worker"]["unsteady"]
    monkeypatch.setattr("storage_bridge.supervise.STEADY_S", 0.0)
    assert not supervisor.status()["worker"]["unsteady"], "long ago by now"
    await supervisor.close()


def test_a_backoff_grows_to_its_cap_with_jitter() -> None:
    backoff = Backoff(base=1, cap=60)
    waits = [backoff.wait(attempt) for attempt in range(200)]
    assert 0.5 <= waits[0] <= 1
    assert all(30 <= wait <= 60 for wait in waits[6:])
    assert len(set(waits)) > 150
