"""Minute documents of the warm tier: how samples are written into one and read from it. Pure.

    {_id: "<series>:<minute since 1970>", s: series, m: date of the minute, b: batch of the minute,
     v: {"<ms offset>": entry}, x: true if an entry is no number,
     a: {r: rows, n: numbers, lo, hi, t: total, f: first ms, l: last ms}}

An entry is a number (quality `ok`, the batch of the minute) or a document: `q` quality unless
`ok`, `b` batch where it is another than the minute's, and the value as `n` if it counts as a number
(`model.is_number`), else as `x`; no value is neither. What is usual costs nothing.
"""

from itertools import groupby, repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from storage_bridge.bulk import problem_of, samples_from
from storage_bridge.model import MINUTE_MS, OK, Sample, is_number

from .base import TierRejectedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bson.datetime_ms import DatetimeMS

type Entry = float | dict[str, Any]
type Document = dict[str, Any]

# The numbers of a minute; where every entry is one, nothing need be looked at twice.
_ENTRIES: Final = {"$objectToArray": "$v"}
_NUMBERS: Final = {
    "$cond": [
        "$x",
        {
            "$filter": {
                "input": {
                    "$map": {
                        "input": _ENTRIES,
                        "in": {"$cond": [{"$isNumber": "$$this.v"}, "$$this.v", "$$this.v.n"]},
                    }
                },
                "cond": {"$isNumber": "$$this"},
            }
        },
        {"$map": {"input": _ENTRIES, "in": "$$this.v"}},
    ]
}


class Part(NamedTuple):
    """Samples of one series, minute (since 1970) and batch, to be written as one operation."""

    series: str
    minute: int
    batch: str | None
    entries: dict[str, Entry]

    @property
    def key(self) -> str:
        """The `_id` of the document they belong to."""
        return key_of(self.series, self.minute)


def key_of(series: str, minute: int) -> str:
    """The `_id` of a series' minute."""
    return f"{series}:{minute}"


def parts_of(samples: Sequence[Sample]) -> list[Part]:
    """Group samples by document and batch; of two contents of a key in them the first stays.

    Raises TierRejectedError when one of them can never be stored.
    """
    reason = problem_of(samples)
    if reason is not None:
        raise TierRejectedError(reason)
    parts: dict[tuple[str, int, str | None], dict[str, Entry]] = {}
    for series, t, value, quality, batch in samples:
        minute, offset = divmod(t, MINUTE_MS)
        key = (series, minute, batch)
        entries = parts.get(key)
        if entries is None:
            entries = parts[key] = {}
        entries.setdefault(
            str(offset),
            value if type(value) is float and quality == OK else _entry(value, quality),
        )
    return [Part(*key, entries) for key, entries in parts.items()]


def document_of(part: Part, date: DatetimeMS) -> Document:
    """The document that `update_of` makes of a part where there is none, at no work for a server.

    `date` is the minute as BSON date.
    """
    entries = part.entries
    numbers = [entry for entry in entries.values() if isinstance(entry, float)]
    plain = len(numbers) == len(entries)
    numbers += [each["n"] for each in entries.values() if isinstance(each, dict) and "n" in each]
    offsets = list(map(int, entries))
    start = part.minute * MINUTE_MS
    return {
        "_id": part.key,
        "s": part.series,
        "m": date,
        **({} if part.batch is None else {"b": part.batch}),
        "v": entries,
        **({} if plain else {"x": True}),
        "a": {
            "r": len(entries),
            "n": len(numbers),
            "lo": min(numbers, default=None),
            "hi": max(numbers, default=None),
            "t": sum(numbers),
            "f": start + min(offsets),
            "l": start + max(offsets),
        },
    }


def update_of(part: Part, date: DatetimeMS) -> list[dict[str, Any]]:
    """The pipeline that adds a part to its document, made if it is missing; safe to repeat.

    `date` is the minute as BSON date. It is a pipeline because only that keeps what the minute
    adds up to right in the same atomic write, whoever writes, in whatever order, how often ever. An
    entry that is already there stays as it is.
    """
    new: dict[str, Any] = {"$literal": part.entries}
    fields: dict[str, Any] = {"s": {"$literal": part.series}, "m": date}
    if part.batch is None:
        same: dict[str, Any] = {"$eq": [{"$type": "$b"}, "missing"]}
    else:
        batch = {"$literal": part.batch}
        made = {"$eq": [{"$type": "$s"}, "missing"]}
        # Whoever makes the document names its batch.
        fields["b"] = {"$cond": [made, batch, "$b"]}
        same = {"$or": [made, {"$eq": ["$b", batch]}]}
    added = {"$cond": [same, new, _with_batch(new, part.batch)]}
    # The last one named wins, the first one gives the place: a replay changes no byte.
    fields["v"] = {"$mergeObjects": ["$v", added, "$v"]}
    plain = all(isinstance(entry, float) for entry in part.entries.values())
    fields["x"] = {"$cond": [same, "$x", True]} if plain else True
    offsets = [int(offset) for offset in part.entries]
    start = part.minute * MINUTE_MS
    summary = {
        "r": {"$size": {"$cond": ["$x", _ENTRIES, "$$e"]}},
        "n": {"$size": "$$e"},
        "lo": {"$min": "$$e"},
        "hi": {"$max": "$$e"},
        "t": {"$sum": "$$e"},
        "f": {"$min": ["$a.f", start + min(offsets)]},
        "l": {"$max": ["$a.l", start + max(offsets)]},
    }
    return [
        {"$set": fields},
        {"$set": {"a": {"$let": {"vars": {"e": _NUMBERS}, "in": summary}}}},
    ]


def samples_of(document: Mapping[str, Any]) -> list[Sample]:
    """The samples of a document with `_id`, `v` and, if it has one, `b`; by rising `t`.

    Raises TierRejectedError for one that something else than this has written.
    """
    try:
        rows = _samples_of(document)
        reason = problem_of(rows)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as err:
        reason = repr(err)
    if reason is not None:
        raise TierRejectedError(
            f"The document {document.get('_id')!r} in MongoDB is damaged, it is no minute of "
            f"samples ({reason.rstrip('.')}): mend it, or remove it."
        )
    return rows


def _samples_of(document: Mapping[str, Any]) -> list[Sample]:
    series, _, minute = document["_id"].rpartition(":")
    start = int(minute) * MINUTE_MS
    batch = document.get("b")
    entries = document["v"]
    if set(map(type, entries.values())) == {float}:
        times = [start + int(offset) for offset in entries]
        rows = samples_from(repeat(series), times, entries.values(), repeat(OK), repeat(batch))
    else:
        rows = [
            _sample(series, start + int(offset), entry, batch) for offset, entry in entries.items()
        ]
    rows.sort()
    return rows


def _sample(series: str, t: int, entry: Entry, batch: str | None) -> Sample:
    if not isinstance(entry, dict):
        return Sample(series, t, float(entry), OK, batch)
    value = entry.get("n", entry.get("x"))
    quality, label = entry.get("q", OK), entry.get("b", batch)
    return Sample(series, t, None if value is None else float(value), quality, label)


def minutes_of(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """The samples by the `_id` of their document, in the order given."""
    minutes: dict[str, list[Sample]] = {}
    for (series, minute), group in groupby(samples, lambda row: (row[0], row[1] // MINUTE_MS)):
        minutes.setdefault(key_of(series, minute), []).extend(group)
    return minutes


def _entry(value: float | None, quality: str) -> Entry:
    if quality == OK and value is not None:
        return float(value)
    entry: dict[str, Any] = {} if quality == OK else {"q": quality}
    if value is not None:
        entry["n" if is_number(value, quality) else "x"] = float(value)
    return entry


def _with_batch(entries: dict[str, Any], batch: str | None) -> dict[str, Any]:
    """The same entries for a document of another batch: they carry theirs."""
    whole = {"$cond": [{"$isNumber": "$$this.v"}, {"n": "$$this.v"}, "$$this.v"]}
    return {
        "$arrayToObject": {
            "$map": {
                "input": {"$objectToArray": entries},
                "in": {
                    "k": "$$this.k",
                    "v": {"$mergeObjects": [whole, {"b": {"$literal": batch}}]},
                },
            }
        }
    }
