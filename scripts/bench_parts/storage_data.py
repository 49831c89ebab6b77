"""What goes through the stores while they are measured: readings, as messages and as rows."""

from itertools import batched
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from storage_bridge.model import HOUR_MS, MINUTE_MS, Sample
from storage_bridge.outbox_batch import Batch, parse_message

if TYPE_CHECKING:
    from collections.abc import Iterable

NODES: Final = 10
CHANNELS: Final = 8
MINUTES: Final = 110
PER_MESSAGE: Final = 1000
_VALUES: Final = [round(16 * (60 + n / 200 + n % 8 / 7)) / 16 for n in range(4000)]


class Message(NamedTuple):
    """One event of a node, as received and parsed."""

    batch: Batch
    blob: bytes


def stream(now_ms: int) -> list[Message]:
    """Two hours, nearly, of ten nodes of eight probes at 1 Hz, all well."""
    t0 = (now_ms - 2 * HOUR_MS) // MINUTE_MS * MINUTE_MS
    found = []
    for node in range(NODES):
        rows = [
            [1 + s * CHANNELS + c, t0 + s * 1000, c, _VALUES[(s * CHANNELS + c) % 4000], "ok", None]
            for s in range(MINUTES * 60)
            for c in range(CHANNELS)
        ]
        for some in batched(rows, PER_MESSAGE, strict=False):
            event = {
                "node_id": f"bench-{node}",
                "spool_id": "s",
                "series": [f"bench-{node}/temperature_{c}" for c in range(CHANNELS)],
                "batches": [],
                "samples": some,
                "next": some[-1][0],
                "gap": None,
                "holes": [],
            }
            blob = orjson.dumps({"id": 1, "type": "event", "event": event})
            found.append(Message(parse_message(blob), blob))
    # As they come: a message of each node in turn.
    return sorted(found, key=lambda message: message.batch.next)


def rows_of(messages: Iterable[Message]) -> list[Sample]:
    """Their samples."""
    return [row for message in messages for row in message.batch.samples]
