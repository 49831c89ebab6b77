"""The state of a node, kept up to date by what it tells. PURE.

A change that the node announces is newer than a reply to what was asked before it came: whoever
asks takes a `mark` first, and of the reply only those parts count that no change has touched since.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from .actuator_models import ActuatorState, ControllerState
from .state_models import state_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .state_models import NodeState

# These change every half second while a node regulates; whoever shows them looks every second.
_RESTLESS: Final = frozenset({"channels", "controllers", "health"})


class LiveState:
    """The newest that is known of a node's state; `state` is None before the first."""

    def __init__(self) -> None:
        self.state: NodeState | None = None
        self._count = 0
        self._changed: dict[str, int] = {}

    def mark(self) -> int:
        """What to hand back with the reply to a request that is sent now."""
        return self._count

    def take(self, state: NodeState, mark: int) -> None:
        """Take a whole state that was asked for at `mark`."""
        newer = {
            part: getattr(self.state, part)
            for part, count in self._changed.items()
            if count > mark and self.state is not None
        }
        self.state = replace(state, **newer)

    def change(self, data: Mapping[str, Any]) -> bool:
        """Take announced parts of `/v1/state`; whether one is worth showing at once. ValueError."""
        if self.state is None:
            return False
        parts = state_parts(data)
        self._count += 1
        self._changed.update(dict.fromkeys(parts, self._count))
        if "channels" in parts:
            parts["channels"] = {**self.state.channels, **parts["channels"]}
        self.state = replace(self.state, **parts)
        return not parts.keys() <= _RESTLESS

    def answered(
        self,
        mark: int,
        *,
        actuators: Mapping[str, ActuatorState],
        controllers: Mapping[str, ControllerState],
    ) -> None:
        """Take what an answer to a command sent at `mark` says of these outputs and controllers."""
        if self.state is None:
            return
        if self._changed.get("actuators", 0) <= mark:
            self.state = replace(self.state, actuators={**self.state.actuators, **actuators})
        if self._changed.get("controllers", 0) <= mark:
            self.state = replace(self.state, controllers={**self.state.controllers, **controllers})
