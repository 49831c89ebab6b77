"""How the hot tier's samples and newest samples look inside Redis; pure.

A hash holds one minute of one node. Its fields are `<channel>:<ms offset>`; the field without a
name is the batch of the minute. A value is the number alone, which is then `ok` and of the
minute's batch, or number and quality, or number, quality and batch, with NUL between, which is in
no text that a tier takes; an empty one stands for no number, `ok` and no batch. Entries of replies
are separated by 0xff, which is in no UTF-8.
"""

from functools import lru_cache
from itertools import batched, groupby
from typing import TYPE_CHECKING, Final

import orjson

from storage_bridge.bulk import problem_of
from storage_bridge.model import MINUTE_MS, OK, Last, Sample, problem

from .base import TierRejectedError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_CHANNEL: Final = "\0"  # of a series without a slash: `x` is not `x/`


type Minute = tuple[str, int]  # a node, and a minute of it, counted since 1970


@lru_cache(65_536)
def split(series: str) -> tuple[str, str]:
    """The node and the channel of a series; `joined` is the way back."""
    node, slash, channel = series.partition("/")
    return node, channel if slash else _NO_CHANNEL


def grouped(samples: Sequence[Sample]) -> dict[Minute, list[Sample]]:
    """Samples by the hash they belong into; raises TierRejectedError for one that none can hold."""
    reason = problem_of(samples)
    if reason is not None:
        raise TierRejectedError(reason)
    groups: dict[Minute, list[Sample]] = {}
    nodes = {name: split(name)[0] for name in {sample[0] for sample in samples}}
    for (node, minute), group in groupby(samples, lambda row: (nodes[row[0]], row[1] // MINUTE_MS)):
        groups.setdefault((node, minute), []).extend(group)
    return groups


def fields(minute: int, samples: Sequence[Sample], batch: str) -> bytes:
    """Fields and values in turn, each followed by 0xff, for a minute with that batch (empty: none).

    One text for all: the driver takes as long for an argument as this does for a sample.
    """
    start = minute * MINUTE_MS
    common = batch or None
    channels = {name: split(name)[1] for name in {sample[0] for sample in samples}}
    encoded = [
        f"{channels[series]}:{t - start}\udcff{value!r}\udcff"
        if quality == OK and label == common and value is not None
        else f"{channels[series]}:{t - start}\udcff{_content(value, quality, label, common)}\udcff"
        for series, t, value, quality, label in samples
    ]
    return "".join(encoded).encode("utf-8", "surrogateescape")


def _content(value: float | None, quality: str, label: str | None, common: str | None) -> str:
    number = "" if value is None else repr(value)
    if label != common:
        return f"{number}\0{'' if quality == OK else quality}\0{label or ''}"
    return number if quality == OK else f"{number}\0{quality}"


def samples_of(series: str, minute: int, reply: bytes, start: int, end: int) -> list[Sample]:
    """The samples with `start <= t < end` of a `READ` reply, in no order."""
    start_of, found = minute * MINUTE_MS, []
    common, *entries = reply.split(b"\xff")
    batch = common.decode() or None
    for offset, content in batched(entries, 2, strict=True):
        t = start_of + int(offset)
        if not start <= t < end:
            continue
        if b"\0" not in content:
            found.append(Sample(series, t, float(content) if content else None, OK, batch))
            continue
        number, quality, *label = content.decode().split("\0")
        value = float(number) if number else None
        own = (label[0] or None) if label else batch
        found.append(Sample(series, t, value, quality or OK, own))
    return found


def encode_last(series: str, last: Last) -> bytes:
    """`[t, value, quality, batch, spool_id, seq]`; raises TierRejectedError."""
    reason = problem(Sample(series, *last[:4]))
    if reason is not None:
        raise TierRejectedError(reason)
    try:
        return orjson.dumps(last[:])
    except TypeError as err:
        raise TierRejectedError(
            f"The origin of the newest sample of {series!r} cannot be stored: {err}."
        ) from err


def decode_last(encoded: bytes) -> Last:
    """The newest sample that `encode_last` wrote."""
    return Last(*orjson.loads(encoded))
