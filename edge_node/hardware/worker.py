"""One thread for one device: a device that hangs holds its own thread and nothing else."""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """Runs one job at a time in a thread of its own; while it is busy, it takes no other.

    The thread is a daemon: one that a device holds for ever does not hold the process.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._busy = threading.Event()
        self._name = name
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a job is still running."""
        return self._busy.is_set()

    def submit(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """The job's result, or its exception, in the running loop; only while not busy."""
        assert not self.busy, "a busy worker takes no job"
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._busy.set()

        def work() -> None:
            result: T | None = None
            error: BaseException | None = None
            try:
                result = job()
            except BaseException as err:  # noqa: BLE001  # handed to whoever waits
                error = err
            self._busy.clear()
            if not loop.is_closed():  # a device that answers after the node has gone
                loop.call_soon_threadsafe(_settle, future, result, error)

        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._jobs.put(work)
        return future

    def close(self, timeout: float = 1.0) -> bool:
        """End the thread after its job; False if the job still runs after `timeout` seconds."""
        if self._thread is None:
            return True
        self._jobs.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _settle(future: asyncio.Future[T], result: T | None, error: BaseException | None) -> None:
    if future.done():  # nobody waits any more
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type]  # T may itself allow None
