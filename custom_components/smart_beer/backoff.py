"""How long to wait before trying again. PURE: no clock of its own."""

import random
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Backoff:
    """Waits in seconds that double from `first` up to `cap`, each shortened at random by a half.

    The jitter keeps a hundred nodes that went away together from coming back together.
    """

    first: float = 1.0
    cap: float = 60.0
    _tries: int = field(default=0, init=False)

    def next(self, *, at_least: float = 0.0) -> float:
        """The next wait, in [at_least, max(cap, 2 * at_least)]."""
        full = min(self.cap, self.first * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return max(full, at_least * 2) * random.uniform(0.5, 1.0)  # noqa: S311  no secret

    def reset(self) -> None:
        """Start again from `first`; only after something really worked."""
        self._tries = 0
