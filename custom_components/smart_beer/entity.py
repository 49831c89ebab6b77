"""What the entities of nodes and of kettles have in common."""

import time
from abc import abstractmethod
from operator import is_
from typing import TYPE_CHECKING, Any, override

from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.update_coordinator import CoordinatorEntity, DataUpdateCoordinator

from .deadband import Deadband

if TYPE_CHECKING:
    from collections.abc import Hashable


class SmartBeerEntity[C: DataUpdateCoordinator[Any]](CoordinatorEntity[C]):
    """An entity that is written when what it shows has changed enough, not with every sample."""

    _attr_has_entity_name = True
    of_hub = False  # an entity of a node that is shown on a kettle, which is the hub's

    def __init__(
        self, coordinator: C, unique_id: str, device: tuple[str, str], *, step: float = 0.0
    ) -> None:
        """`step` is the deadband, in the entity's native unit."""
        super().__init__(coordinator)
        self._attr_unique_id = unique_id
        self._attr_device_info = DeviceInfo(identifiers={device})
        self._deadband = Deadband(step=step)
        self._seen: tuple[object, ...] | None = None

    @abstractmethod
    def _shown(self) -> tuple[float | None, Hashable]:
        """The number shown, if it is one, and all that is shown beside it."""

    def _sources(self) -> tuple[object, ...] | None:
        """The objects that `_shown` is computed of; while all are the same, it need not be."""
        return None

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        if (sources := self._sources()) is not None:
            if self._seen is not None and all(map(is_, sources, self._seen, strict=True)):
                return
            self._seen = sources
        if self._deadband.passes(*self._shown(), time.monotonic()):
            self.async_write_ha_state()
