"""Probes for someone without hardware: the simulated bus, in this process."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from edge_node.simulation.kettle import KettleParameters
from edge_node.simulation.plan import device_id
from edge_node.simulation.sysfs import W1Tree
from edge_node.simulation.vessels import HeatedKettle, Thermometer

_MASHED_IN_C = 65.0  # a kettle that cools from here shows more than one that is cold
_ROOM_C = 20.0


class ToyBus:
    """A tree at `root` with a probe for each channel; `channels` says in which kettle each is.

    All probes of a kettle are in the same water, cooling from 65 °C; a probe without kettle is in
    a room.
    """

    def __init__(self, root: Path, node_id: str, channels: Mapping[str, str | None]) -> None:
        self.devices = {channel_id: device_id(node_id, channel_id) for channel_id in channels}
        self.root = root
        now = time.monotonic()
        kettles = {
            kettle_id: HeatedKettle(
                KettleParameters(), _ROOM_C if kettle_id is None else _MASHED_IN_C, node_id, now
            )
            for kettle_id in set(channels.values())
        }
        self._tree = W1Tree(
            self.root,
            {
                self.devices[channel_id]: _clocked(kettles[kettle_id].thermometer(channel_id))
                for channel_id, kettle_id in channels.items()
            },
        )

    def start(self) -> None:
        """Write the tree and serve it."""
        self._tree.start()

    def close(self) -> None:
        """Stop and remove the tree."""
        self._tree.stop()
        shutil.rmtree(self.root, ignore_errors=True)


def _clocked(convert: Thermometer) -> Callable[[int], int]:
    return lambda bits: convert(bits, time.monotonic())
