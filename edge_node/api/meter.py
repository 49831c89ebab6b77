"""What the API server counts about itself, for `/metrics`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Meter:
    """Counters since the start of the process, and the connections open now."""

    replies: Counter[int] = field(default_factory=Counter)  # by HTTP status
    cut: Counter[str] = field(default_factory=Counter)  # connections, by reason
    connections: int = 0
