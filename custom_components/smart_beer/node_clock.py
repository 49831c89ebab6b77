"""A node's clock as Home Assistant sees it: told when unknown, and watched for steps."""

import time
from typing import TYPE_CHECKING, Final

from .const import LOGGER
from .exceptions import NodeResponseError

if TYPE_CHECKING:
    from .client import SmartBeerClient
    from .models import NodeInfo, SamplesPage

# Home Assistant's own clock is not passed on when it is plainly wrong (2026-01-01).
PLAUSIBLE_UTC_S: Final = 1_767_225_600


class ClockSteps:
    """How far a node's wall clock moves against its monotonic one."""

    def __init__(self) -> None:
        # The wall clock less the monotonic one (ms): now, and when last compared.
        self._ahead_ms: int | None = None
        self._compared: tuple[str, int] | None = None

    def hear(self, page: SamplesPage) -> None:
        """Take the newest page of samples."""
        if page.samples and page.next == page.last_seq:
            self._ahead_ms = page.samples[-1][1] - page.mono_ms

    def stepped_ms(self, info: NodeInfo) -> int | None:
        """By how much the node's clock has moved since the last look; None across a restart."""
        before, self._compared = self._compared, None
        if self._ahead_ms is None:
            return None
        self._compared = (info.boot_id, self._ahead_ms)
        if before is None or before[0] != info.boot_id:
            return None
        return self._ahead_ms - before[1]


async def async_tell_time(client: SmartBeerClient, node_id: str) -> None:
    """Tell the node the time, when Home Assistant plausibly knows it."""
    now = time.time()
    if now < PLAUSIBLE_UTC_S:
        LOGGER.warning("Node %s does not know the time, and neither does Home Assistant", node_id)
        return
    try:
        await client.set_clock(int(now * 1000))
    except NodeResponseError as err:
        # It learnt the time meanwhile, or this token may only read: both are the node's right.
        LOGGER.debug("Node %s did not take the time: %s", node_id, err)
