"""All heat off, on many nodes at once."""

import asyncio
from typing import TYPE_CHECKING

from homeassistant.exceptions import HomeAssistantError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .coordinator import NodeCoordinator


async def async_safe(
    nodes: Iterable[NodeCoordinator], kettle_id: str | None = None
) -> dict[str, HomeAssistantError | None]:
    """Tell every node at once, each whatever becomes of the others; node id -> what failed there.

    `kettle_id` None: all kettles of these nodes.
    """
    told = tuple(nodes)

    async def tell(node: NodeCoordinator) -> HomeAssistantError | None:
        try:
            await node.commands.safe(kettle_id)
        except HomeAssistantError as err:
            return err
        return None

    failures = await asyncio.gather(*(tell(node) for node in told))
    return {node.node_id: failed for node, failed in zip(told, failures, strict=True)}
