"""What became of the last commands to a node, for a person who looks for a fault. PURE."""

from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT: Final = 20


class CommandLog:
    """The newest KEPT commands; nothing in it says who sent them or with which right."""

    def __init__(self) -> None:
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def obeyed(self, utc_ms: int, call: str, answer: Mapping[str, Any]) -> None:
        """Note a command that the node accepted, and what it is limited by."""
        self._note(utc_ms, call, None, answer.get("limited_by"))

    def failed(self, utc_ms: int, call: str, error: str | None) -> None:
        """Note a command that failed: the key of what the user was told."""
        self._note(utc_ms, call, error or "unexpected", None)

    def told(self) -> list[dict[str, Any]]:
        """All of them, oldest first: `t` (UTC ms), `call`, `error`, `limited_by`."""
        return list(self._kept)

    def _note(self, utc_ms: int, call: str, error: str | None, limited_by: object) -> None:
        self._kept.append({"t": utc_ms, "call": call, "error": error, "limited_by": limited_by})
