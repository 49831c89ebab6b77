"""The gains that autotunes found and a person applied, on disk: a restart does not forget them."""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edge_node.control.autotune import AutotuneResult
from edge_node.kept_file import KeptFileError, read_kept, write_kept
from edge_node.secret_file import SecretFileError

if TYPE_CHECKING:
    from edge_node.config import NodeConfig
    from edge_node.config_outputs import ControllerConfig

LOGGER = logging.getLogger(__name__)


class GainStore:
    """Gains by controller. They hold for what they were found for and no longer.

    A controller whose own `pid`, heater or kettle's volume is another one in the configuration now
    goes back to what that says, for good. `problem` says why they could not be written last.
    """

    def __init__(self, config: NodeConfig) -> None:
        self._path = config.data_dir / "gains.json"
        self._disk = threading.Lock()
        self.problem: str | None = None
        self._found_for = {c.id: _found_for(config, c) for c in config.controllers}
        self._written = self._read()
        self._kept = {name: gains for name, gains in self._written.items() if self._holds(name)}
        for name in self._written.keys() - self._kept.keys():
            LOGGER.warning(
                "The gains that an autotune found for controller %s are dropped: the configuration "
                "says something else now",
                name,
            )

    def __getitem__(self, controller_id: str) -> AutotuneResult | None:
        """The gains to use, None for those of the configuration."""
        kept = self._kept.get(controller_id)
        return None if kept is None else AutotuneResult(**kept["gains"])

    def apply(self, controller_id: str, gains: AutotuneResult) -> None:
        """Use these from now on; `keep` is due."""
        self._kept = {
            **self._kept,
            controller_id: {"for": self._found_for[controller_id], "gains": asdict(gains)},
        }

    def keep(self) -> bool:
        """Bring them to the disk, if they are not there; whether they are now. Blocks."""
        with self._disk:
            kept = self._kept
            if kept == self._written:
                self.problem = None
                return True
            try:
                write_kept(self._path, kept)
            except SecretFileError as err:
                if self.problem is None:
                    LOGGER.error("The gains of an autotune cannot be kept: %s", err)  # noqa: TRY400
                self.problem = str(err)
                return False
            self._written, self.problem = kept, None
            return True

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            kept = read_kept(self._path)
            found = {} if kept is None else dict(kept)
            for entry in found.values():
                AutotuneResult(**entry["gains"]).settings()
        except (KeptFileError, KeyError, TypeError, ValueError) as err:
            LOGGER.error(  # noqa: TRY400 - the sentence says it all
                "The gains of autotunes are lost (%s): those of the configuration are in force", err
            )
            return {}
        return found

    def _holds(self, controller_id: str) -> bool:
        entry = self._written[controller_id]
        return entry.get("for") == self._found_for.get(controller_id)


def _found_for(config: NodeConfig, controller: ControllerConfig) -> dict[str, Any]:
    """What gains depend on, as JSON gives it back."""
    kettle = next(k for k in config.kettles if k.kettle_id == controller.kettle_id)
    heater = next((a for a in config.actuators if a.id == controller.heater), None)
    return {
        "kind": controller.kind,
        "pid": None if controller.pid is None else asdict(controller.pid),
        "volume_l": kettle.safety.volume_l,
        "heater": controller.heater,
        "power_w": None if heater is None else heater.power_w,
        "window_ms": None if heater is None else heater.window_ms,
    }
