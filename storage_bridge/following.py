"""What the bridge keeps besides samples: batches, alarms, and chosen entities."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from .alarm_log import AlarmLog
from .batch_log import BatchLog
from .ha_link import HomeAssistantLink
from .kettles import Kettles
from .mirror import Mirror
from .site_leader import SiteLeader

if TYPE_CHECKING:
    from .config import BridgeConfig
    from .outbox import Outbox
    from .supervise import Supervisor
    from .tiers import Tiers


class Following:
    """Constructs the parts and names their tasks; `batches` is for the feeder of warm.

    `leader` knows whether this bridge is the one of a pair that mirrors and archives.
    """

    def __init__(self, config: BridgeConfig, outbox: Outbox, tiers: Tiers) -> None:
        home, kettles = config.home_assistant, Kettles()
        self.batches = BatchLog(config.batches_path, tiers, kettles)
        self._alarms = AlarmLog(tiers, kettles)
        self._mirror = Mirror(config.mirror, outbox, tiers)
        self.leader = SiteLeader()
        self._links = {
            "alarms": HomeAssistantLink(
                "alarms", self._alarms.follow, url=home.url, token=home.token
            ),
            "leader": HomeAssistantLink(
                "word of who leads", self.leader.follow, url=home.url, token=home.token
            ),
        }
        if config.mirror:
            self._links["mirror"] = HomeAssistantLink(
                "entities", self._mirror.follow, url=home.url, token=home.token
            )

    def start(self, supervisor: Supervisor) -> None:
        """Start the tasks."""
        supervisor.start("batches", self.batches.run)
        for name, link in self._links.items():
            if name == "mirror":
                # Each Home Assistant has times of its own: two mirrors would store all twice.
                supervisor.start(name, partial(self.leader.while_leading, link.run))
            else:
                supervisor.start(name, link.run)

    async def stop(self, supervisor: Supervisor) -> None:
        """Take nothing more in from Home Assistant."""
        await asyncio.gather(*(supervisor.stop(name) for name in self._links))

    def status(self) -> dict[str, Any]:
        """By part: `problem`, and what was done."""
        parts: dict[str, AlarmLog | Mirror] = {"alarms": self._alarms, "mirror": self._mirror}
        links: dict[str, dict[str, Any]] = {}
        for name, link in self._links.items():
            part = parts.get(name)
            links[name] = {
                "problem": link.problem or (part and part.problem),
                "counts": dict(part.counts) if part else {},
            }
        if "mirror" in links and not self.leader.leads:
            links["mirror"]["problem"] = None
        return {"batches": self.batches.status(), **links}
