"""One event of `smart_beer/samples`, checked record by record.

The source checks an event with it before it is stored as received; the feeders read the stored
bytes with it again, so both agree on what is a sample and what is not.
"""

from dataclasses import dataclass
from math import isfinite
from operator import lt
from typing import TYPE_CHECKING, Any, Final

import orjson

from .bulk import samples_from
from .coverage import Span, runs, subtract, union
from .model import MAX_TEXT, T_MAX, Last, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SEQ = 2**53  # what JSON numbers carry exactly everywhere
_ABSENT: Final = type(None)
_LIKE: Final = {float: 0.0, int: 0, _ABSENT: None}  # a value of each kind that a record may have

type _Records = tuple[list[int], list[Sample], list[BadRecord], dict[int, tuple[int, Sample]]]


class MalformedBatchError(Exception):
    """An event that cannot be understood as a whole, so that it must not be acknowledged."""


@dataclass(frozen=True, slots=True)
class BadRecord:
    """One record that is no sample, with the reason in words and the record as JSON."""

    reason: str
    record: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What one event says.

    `spans` are the sequence numbers it delivers, `gap` and `holes` those that will never come,
    `next` what an acknowledgement names, `last` the sample of the highest number of each series,
    `newest_t` the youngest sample's time (ms; 0 if none).
    """

    node_id: str
    spool_id: str
    next: int
    spans: list[Span]
    gap: Span | None
    holes: list[Span]
    samples: list[Sample]
    bad: list[BadRecord]
    last: dict[str, Last]
    newest_t: int


def parse_message(blob: bytes) -> Batch:
    """The batch inside a whole websocket message; raises MalformedBatchError."""
    try:
        message = orjson.loads(blob)
    except orjson.JSONDecodeError as err:
        raise MalformedBatchError(f"the message is not JSON: {err}") from err
    return parse_event(message.get("event") if isinstance(message, dict) else None)


def parse_event(event: object) -> Batch:
    """The batch of an event's payload; raises MalformedBatchError when it is none.

    A record that is no sample goes to `bad`; its sequence number still counts as delivered, since
    asking for it again would bring the same record.
    """
    if not isinstance(event, dict):
        raise MalformedBatchError("the event is not an object")
    node_id = _text(event, "node_id")
    spool_id = _text(event, "spool_id")
    prefix = f"{node_id}/"
    series = [
        name if name is not None and name.startswith(prefix) else None
        for name in _texts(event, "series")
    ]
    batches = _texts(event, "batches")
    rows = event.get("samples")
    if not isinstance(rows, list):
        raise MalformedBatchError(f"the samples of node {node_id} are not a list")
    following = _seq(event.get("next"), f"`next` of node {node_id}")
    gap = event.get("gap")
    holes = event.get("holes")
    if not isinstance(holes, list):
        raise MalformedBatchError(f"the holes of node {node_id} are not a list")
    found = _whole(rows, series, batches) or _records(rows, series, batches, following)
    seqs, samples, bad, last_rows = found
    gap_span = None if gap is None else _gap(gap, node_id)
    hole_spans = union(_hole(hole, node_id) for hole in holes)
    return Batch(
        node_id=node_id,
        spool_id=spool_id,
        next=following,
        # A number that arrives is no hole, whatever the list says.
        spans=(spans := runs(seqs)),
        gap=gap_span,
        holes=subtract(hole_spans, spans),
        samples=samples,
        bad=bad,
        last={
            sample.series: Last(sample.t, sample.value, sample.quality, sample.batch, spool_id, seq)
            for seq, sample in last_rows.values()
        },
        newest_t=max((sample.t for sample in samples), default=0),
    )


def _whole(
    rows: Sequence[Any], series: Sequence[str | None], batches: Sequence[str | None]
) -> _Records | None:
    """What `_records` makes of records that are all well-formed, else None: column by column.

    Nearly all messages are such, and this is a third of the work.
    """
    try:
        seqs, times, places, values, quality, labels = zip(*rows, strict=True)
    except TypeError, ValueError:  # none at all is not six columns either
        return None
    if {*map(type, seqs), *map(type, times), *map(type, places)} != {int}:
        return None
    if seqs[0] < 1 or seqs[-1] > MAX_SEQ or not all(map(lt, seqs, seqs[1:], strict=False)):
        return None
    if min(times) < 0 or max(times) >= T_MAX or min(places) < 0 or max(places) >= len(series):
        return None
    kinds = set(map(type, values))
    if set(map(type, quality)) != {str} or not kinds <= _LIKE.keys():
        return None
    if not set(map(type, labels)) <= {int, _ABSENT}:
        return None
    for text, kind in set(zip(quality, map(type, values), strict=True)):
        if _fault(0, 0, 1, _LIKE[kind], text, None, 0) is not None:
            return None
    if kinds != {float}:
        values = tuple(None if value is None else float(value) for value in values)
    if not all(isfinite(value) for value in values if value is not None):
        return None
    known = {place: series[place] for place in set(places)}
    names: dict[int, str] = {place: name for place, name in known.items() if name is not None}
    used = {label for label in set(labels) if label is not None}
    if len(names) < len(known) or any(
        not 0 <= label < len(batches) or batches[label] is None for label in used
    ):
        return None
    texts: dict[int | None, str | None] = {None: None} | {label: batches[label] for label in used}
    samples = samples_from(
        map(names.__getitem__, places), times, values, quality, map(texts.__getitem__, labels)
    )
    # Of equal keys the last stays, which is the highest number.
    newest = dict(zip(places, zip(seqs, samples, strict=True), strict=True))
    return list(seqs), samples, [], newest


def _records(
    rows: Sequence[Any], series: list[str | None], batches: list[str | None], following: int
) -> _Records:
    seqs: list[int] = []
    samples: list[Sample] = []
    bad: list[BadRecord] = []
    last_rows: dict[int, tuple[int, Sample]] = {}
    before = 0
    unnumbered = 0
    names = len(series)
    known = len(batches)
    name: str | None
    label: str | None
    reason: str | None
    for row in rows:
        name = label = None
        try:
            seq, t, index, value, quality, batch = row
        except TypeError, ValueError:
            reason = "a record has six parts: seq, t, series, value, quality, batch"
            seq = None
        else:
            if type(seq) is not int or not before < seq <= MAX_SEQ:
                reason = f"sequence number {seq!r} does not follow {before}"
            else:
                # Rows whose own number cannot be read have the numbers between their neighbours,
                # if those are as many; else they stay missing, and `verify` says so.
                if unnumbered and before and seq - before - 1 == unnumbered:
                    seqs.extend(range(before + 1, seq))
                unnumbered = 0
                seqs.append(seq)
                before = seq
                reason = _fault(t, index, names, value, quality, batch, known)
                if reason is None:
                    name = series[index]
                    label = None if batch is None else batches[batch]
                    if batch is not None and label is None:
                        reason = "its batch is not a short text"
                    if name is None:
                        reason = "its series is not the name of a channel of this node"
        if reason is not None or name is None:
            unnumbered += before != seq
            bad.append(BadRecord(reason or "", orjson.dumps(row)))
            continue
        sample = Sample(name, t, None if value is None else float(value), quality, label)
        samples.append(sample)
        last_rows[index] = (seq, sample)
    if unnumbered and before and following - before == unnumbered:
        seqs.extend(range(before + 1, following + 1))
    return seqs, samples, bad, last_rows


def _fault(
    t: object, index: object, names: int, value: object, quality: object, batch: object, known: int
) -> str | None:
    if type(t) is not int or not 0 <= t < T_MAX:
        return f"time {t!r} is not a UTC millisecond"
    if type(index) is not int or not 0 <= index < names:
        return f"series index {index!r} is not one of {names}"
    if type(quality) is not str or len(quality) > MAX_TEXT or "\0" in quality:
        return f"quality {quality!r} is not a short text"
    if quality != "ok" and not quality.startswith(("suspect:", "bad:")):
        return f"quality {quality!r} is none of ok, suspect:, bad:"
    if value is None:
        if not quality.startswith("bad:"):
            return f"quality {quality!r} without a value"
    elif (
        not isinstance(value, int | float) or value is True or value is False or not isfinite(value)
    ):
        return f"value {value!r} is not a number"
    elif quality.startswith("bad:"):
        return f"quality {quality!r} with a value"
    if batch is not None and (type(batch) is not int or not 0 <= batch < known):
        return f"batch index {batch!r} is not one of {known}"
    return None


def _seq(value: object, name: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_SEQ:
        raise MalformedBatchError(f"{name} is {str(value)[:40]}, not a sequence number")
    return value


def _text(event: dict[str, Any], key: str) -> str:
    value = event.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or "\0" in value:
        raise MalformedBatchError(f"`{key}` is {str(value)[:80]!r}, not a short text")
    return value


def _texts(event: dict[str, Any], key: str) -> list[str | None]:
    """A list of texts; one that cannot be stored is None and spoils only its own records."""
    values = event.get(key)
    if not isinstance(values, list):
        raise MalformedBatchError(f"`{key}` is not a list")
    return [
        value
        if isinstance(value, str) and 0 < len(value) <= MAX_TEXT and "\0" not in value
        else None
        for value in values
    ]


def _gap(gap: object, node_id: str) -> Span:
    if not isinstance(gap, dict):
        raise MalformedBatchError(f"the gap of node {node_id} is not an object")
    return _span(gap.get("from"), gap.get("to"), node_id)


def _hole(hole: object, node_id: str) -> Span:
    if not isinstance(hole, list) or len(hole) != 2:
        raise MalformedBatchError(f"a hole of node {node_id} is not a pair")
    return _span(hole[0], hole[1], node_id)


def _span(low: object, high: object, node_id: str) -> Span:
    first = _seq(low, f"the start of a range of node {node_id}")
    last = _seq(high, f"the end of a range of node {node_id}")
    if last < first:
        raise MalformedBatchError(f"{first} to {last} of node {node_id} is no range")
    return first, last
