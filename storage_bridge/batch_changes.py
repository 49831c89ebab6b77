"""Where samples begin to carry a batch, and where they stop. Pure."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import Sample


class Change(NamedTuple):
    """At `t` comes the first sample of a series with the batch, or the first without it."""

    series: str
    batch_id: str
    t: int
    began: bool


def changes(carried: dict[str, str], samples: Iterable[Sample]) -> list[Change]:
    """What changes with these samples; `carried` is the batch of each series, and is moved on.

    Samples that come again make changes again, which say nothing new of a batch: when it ended is
    for the stored samples before the change to say.
    """
    found: list[Change] = []
    known = carried.get
    for series, t, _value, _quality, batch in samples:
        before = known(series)
        if batch == before:
            continue
        if before is not None:
            found.append(Change(series, before, t, began=False))
        if batch is None:
            del carried[series]
        else:
            found.append(Change(series, batch, t, began=True))
            carried[series] = batch
    return found
