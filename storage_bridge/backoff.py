"""How long to wait before trying again."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential waits with jitter: attempt 0 waits about `base` seconds, never above `cap`.

    The jitter (half to all of the wait) keeps many clients from returning at the same moment.
    """

    base: float
    cap: float

    def wait(self, attempt: int) -> float:
        """Seconds to wait after failure number `attempt`, counted from 0."""
        longest = min(self.cap, self.base * 2.0 ** min(attempt, 32))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
