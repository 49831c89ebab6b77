"""Events as Home Assistant sends them, made up."""

from typing import Any

import orjson

from storage_bridge.outbox_batch import Batch, parse_message

EPOCH = 1_790_000_000_000


def event(
    first: int,
    last: int,
    *,
    node: str = "mash-a",
    spool: str = "s1",
    channels: int = 2,
    gap: dict[str, int] | None = None,
    holes: list[list[int]] | None = None,
    t0: int = EPOCH,
) -> dict[str, Any]:
    """The samples `first` to `last` of a node that reads its channels once a second."""
    return {
        "node_id": node,
        "spool_id": spool,
        "series": [f"{node}/t{channel}" for channel in range(channels)],
        "batches": ["b1"],
        "samples": [
            [
                seq,
                t0 + seq // channels * 1000,
                seq % channels,
                20 + seq % 97 / 16 if seq % 50 else None,
                "ok" if seq % 50 else "bad:crc",
                0 if seq % 2 else None,
            ]
            for seq in range(first, last + 1)
            if not any(low <= seq <= high for low, high in holes or [])
        ],
        "next": last,
        "gap": gap,
        "holes": holes or [],
    }


def message(payload: dict[str, Any], subscription: int = 2) -> bytes:
    """The whole websocket message of an event."""
    return orjson.dumps({"id": subscription, "type": "event", "event": payload})


def batch(first: int, last: int, **fields: Any) -> tuple[Batch, bytes]:
    """A batch as the outbox takes it: parsed, and as received."""
    blob = message(event(first, last, **fields))
    return parse_message(blob), blob


def keys(parsed: Batch) -> set[tuple[str, int]]:
    """The keys of a batch's samples."""
    return {(sample.series, sample.t) for sample in parsed.samples}
