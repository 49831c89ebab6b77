"""One thread for one device."""

import asyncio
import threading

import pytest

from edge_node.hardware.worker import Worker

LIMIT_S = 30.0  # for a thread that has nothing more to do, on any machine


async def test_jobs_run_one_after_the_other_in_one_thread() -> None:
    worker = Worker("w")
    names = {await worker.submit(lambda: threading.current_thread().name) for _ in range(5)}
    assert names == {"w"}
    assert worker.close(LIMIT_S)


async def test_an_exception_is_the_callers() -> None:
    worker = Worker("w")
    with pytest.raises(ZeroDivisionError):
        await worker.submit(lambda: 1 / 0)
    assert await worker.submit(lambda: 2) == 2
    worker.close()


async def test_a_worker_is_busy_until_its_device_answers_even_if_nobody_waits() -> None:
    worker = Worker("w")
    release = threading.Event()
    job = worker.submit(release.wait)
    job.cancel()
    await asyncio.sleep(0)
    assert worker.busy
    with pytest.raises(AssertionError, match="busy"):
        worker.submit(release.wait)
    assert not worker.close(timeout=0.01)
    release.set()
    assert worker.close(LIMIT_S)
    assert not worker.busy


def test_an_answer_after_the_loop_has_gone_hurts_nobody() -> None:
    worker = Worker("w")
    release = threading.Event()

    async def start() -> None:
        worker.submit(release.wait).cancel()

    asyncio.run(start())
    release.set()
    assert worker.close(LIMIT_S)


def test_a_worker_that_was_never_used_has_no_thread() -> None:
    before = set(threading.enumerate())
    assert Worker("w").close()
    assert set(threading.enumerate()) <= before
