"""Where samples begin to carry a batch, where they stop, and which kettles it is in. Pure."""

from typing import TYPE_CHECKING, Final, NamedTuple

from .model import MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .model import Last, Sample
    from .records.model import BatchSeries

# A node this much behind another one of its kettle is away, and was not told that a batch is over.
AWAY_MS: Final = 2 * MINUTE_MS


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


def carrying(batch_id: str, known: Iterable[BatchSeries], newest: Mapping[str, Last]) -> set[str]:
    """The kettles that a batch is in now, by the newest samples of its `known` series.

    Of each node only the newest of all counts: outputs are sampled once a minute, the setpoint of
    a thermostat that is off not at all, and what they said last may be of a batch that is over.
    """
    told: dict[tuple[str, str], tuple[int, bool]] = {}
    latest: dict[str, int] = {}
    for one in known:
        now = newest.get(one.series)
        if now is None:
            continue
        place = one.kettle_id, one.series.partition("/")[0]
        said = now.t, now.batch == batch_id
        told[place] = max(told.get(place, said), said)
        latest[one.kettle_id] = max(latest.get(one.kettle_id, now.t), now.t)
    return {
        kettle_id
        for (kettle_id, _node), (t, carries) in told.items()
        if carries and t > latest[kettle_id] - AWAY_MS
    }
