"""Channels that are read one by one: each in a thread of its own, at the end of the second."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from edge_node.hardware.probe_error import ProbeError
from edge_node.hardware.worker import Worker
from edge_node.plausibility import Raw

_LOGGER = logging.getLogger(__name__)

_TIMEOUT_S: Final = 0.25
_LATE_TIMEOUT_S: Final = 0.03  # for a channel that was too late the last time


class SimpleReader:
    """Channels by id; each function blocks for its reading and raises ProbeError."""

    def __init__(self, channels: Mapping[str, Callable[[], float]]) -> None:
        self._channels = {c: (read, Worker(f"channel {c}")) for c, read in channels.items()}
        self._late: set[str] = set()

    async def close(self) -> None:
        """End the threads; one that a device still holds is left to end with the process."""
        workers = [worker for _, worker in self._channels.values()]
        await asyncio.gather(*(asyncio.to_thread(worker.close) for worker in workers))

    async def read(self, when: float) -> dict[str, Raw]:
        """Read every channel once at `when` (monotonic seconds); late ones are `timeout`."""
        if self._channels:
            await asyncio.sleep(when - time.monotonic())
        now = time.monotonic()
        found = {channel_id: Raw(None, now, "timeout") for channel_id in self._channels}
        jobs = {
            channel_id: worker.submit(lambda read=read: _raw(read))  # type: ignore[misc]
            for channel_id, (read, worker) in self._channels.items()
            if not worker.busy
        }
        for late, timeout in ((False, _TIMEOUT_S), (True, _LATE_TIMEOUT_S)):
            waiting = [
                job for channel_id, job in jobs.items() if (channel_id in self._late) is late
            ]
            if waiting:
                await asyncio.wait(waiting, timeout=timeout)
        for channel_id, job in jobs.items():
            if not job.done():
                self._late.add(channel_id)
                job.cancel()  # what it says later belongs to no second
                continue
            self._late.discard(channel_id)
            if error := job.exception():
                _LOGGER.error("Reading %s failed", channel_id, exc_info=error)
                found[channel_id] = Raw(None, time.monotonic(), "io")
            else:
                found[channel_id] = job.result()
        return found


def _raw(read: Callable[[], float]) -> Raw:
    try:
        return Raw(read(), time.monotonic())
    except ProbeError as err:
        return Raw(None, time.monotonic(), err.cause)
