"""The kinds of records, how each is named, and how two contents of one become one. Pure.

A record's `key` names the same thing on every bridge, and `merge` gives the same whoever writes
first, how often ever: two bridges that write what each of them saw end with one record. Times are
milliseconds since 1970 (UTC).
"""

import hashlib
import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, get_args, override

from storage_bridge.model import T_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_ID: Final = 255  # characters of what names something
MAX_TEXT: Final = 100_000  # characters of what people read
_LONG: Final = frozenset({"name", "notes", "text", "reason", "record", "state"})


@dataclass(frozen=True, slots=True)
class Record:
    """What all kinds share; raises ValueError for what no store can keep, or no one can find.

    `kind` names the collection, `names` the fields that make the key, `time` the field it is found
    by, `about` that of the kettle, node, entity or series it is about.
    """

    kind: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    time: ClassVar[str]
    about: ClassVar[str]

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            wrong = _problem(field.name, value, optional=type(None) in get_args(field.type))
            if wrong is not None:
                raise ValueError(f"The {field.name} of one of the {self.kind} {wrong}.")

    @property
    def key(self) -> str:
        """Names it among those of its kind."""
        return _key(*(getattr(self, name) for name in self.names))

    @property
    def at(self) -> int:
        """The time (ms) it is found by."""
        return int(getattr(self, self.time))

    @property
    def subject(self) -> str:
        """The kettle, node, entity or series it is about."""
        return str(getattr(self, self.about))

    @property
    def batch(self) -> str | None:
        """The batch it belongs to, if any."""
        return getattr(self, "batch_id", None)

    def merge(self, other: Self) -> Self:
        """One record of two with the same key, in whatever order they come."""
        return min(self, other, key=_content)

    def body(self) -> dict[str, Any]:
        """Every field by its name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """The record of a body; what a newer version may have added is left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in body.items() if name in known})


@dataclass(frozen=True, slots=True)
class Batch(Record):
    """A brew in one kettle; it has a record for each kettle that it passes through.

    `started` is the earliest time told, `ended` the latest, None while it runs. Name and notes are
    those of the newest `changed`.
    """

    kind: ClassVar[str] = "batches"
    names: ClassVar[tuple[str, ...]] = ("batch_id", "kettle_id")
    time: ClassVar[str] = "started"
    about: ClassVar[str] = "kettle_id"

    batch_id: str
    kettle_id: str
    started: int
    ended: int | None
    name: str
    notes: str
    changed: int

    @override
    def merge(self, other: Self) -> Self:
        newer = max(self, other, key=lambda it: (it.changed, it.name, it.notes))
        ends = [end for end in (self.ended, other.ended) if end is not None]
        started = min(self.started, other.started)
        return replace(newer, started=started, ended=max(ends, default=None))


@dataclass(frozen=True, slots=True)
class BatchSeries(Record):
    """A series that carries a batch: times of its first sample with it, and of its last one.

    `last` is None until samples without it have come.
    """

    kind: ClassVar[str] = "batch_series"
    names: ClassVar[tuple[str, ...]] = ("batch_id", "series")
    time: ClassVar[str] = "first"
    about: ClassVar[str] = "series"

    batch_id: str
    series: str
    kettle_id: str
    first: int
    last: int | None

    @override
    def merge(self, other: Self) -> Self:
        lasts = [last for last in (self.last, other.last) if last is not None]
        return replace(
            self,
            kettle_id=min(self.kettle_id, other.kettle_id),
            first=min(self.first, other.first),
            last=max(lasts, default=None),
        )


@dataclass(frozen=True, slots=True)
class Alarm(Record):
    """An alarm of a node from `since` on, the node's own time, until it was first seen gone."""

    kind: ClassVar[str] = "alarms"
    names: ClassVar[tuple[str, ...]] = ("node_id", "alarm_id", "since")
    time: ClassVar[str] = "since"
    about: ClassVar[str] = "node_id"

    node_id: str
    alarm_id: str
    since: int
    text: str
    cleared: int | None = None
    kettle_id: str | None = None
    batch_id: str | None = None

    @override
    def merge(self, other: Self) -> Self:
        one = min(replace(self, cleared=None), replace(other, cleared=None), key=_content)
        ends = [end for end in (self.cleared, other.cleared) if end is not None]
        return replace(one, cleared=min(ends, default=None))


@dataclass(frozen=True, slots=True)
class Acknowledgement(Record):
    """Somebody saw an alarm, that of the node which began at `since`, at `t`."""

    kind: ClassVar[str] = "acknowledgements"
    names: ClassVar[tuple[str, ...]] = ("node_id", "alarm_id", "since", "t", "by")
    time: ClassVar[str] = "t"
    about: ClassVar[str] = "node_id"

    node_id: str
    alarm_id: str
    since: int
    t: int
    by: str
    text: str = ""
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class Note(Record):
    """What a brewer wrote about a kettle at `t`; the newest `changed` counts, empty is removed."""

    kind: ClassVar[str] = "notes"
    names: ClassVar[tuple[str, ...]] = ("note_id",)
    time: ClassVar[str] = "t"
    about: ClassVar[str] = "kettle_id"

    note_id: str
    t: int
    kettle_id: str
    by: str
    text: str
    changed: int
    batch_id: str | None = None

    @override
    def merge(self, other: Self) -> Self:
        return max(self, other, key=lambda it: (it.changed, _content(it)))


@dataclass(frozen=True, slots=True)
class Event(Record):
    """What a Home Assistant entity became at `t`, where that is no number."""

    kind: ClassVar[str] = "events"
    names: ClassVar[tuple[str, ...]] = ("entity_id", "t")
    time: ClassVar[str] = "t"
    about: ClassVar[str] = "entity_id"

    entity_id: str
    t: int
    state: str
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter(Record):
    """A record that a stage (`source`, `hot`, `warm`) could never take, first met at `t`."""

    kind: ClassVar[str] = "dead_letters"
    names: ClassVar[tuple[str, ...]] = ("stage", "node_id")
    time: ClassVar[str] = "t"
    about: ClassVar[str] = "node_id"

    stage: str
    node_id: str
    t: int
    reason: str
    record: str

    @property
    @override
    def key(self) -> str:
        digest = hashlib.sha256(self.record.encode()).hexdigest()[:32]
        return _key(self.stage, self.node_id, digest)

    @override
    def merge(self, other: Self) -> Self:
        return min(self, other, key=lambda it: (it.t, _content(it)))


@dataclass(frozen=True, slots=True)
class Refused(Record):
    """A content of the sample `(series, t)` that met another one, which stayed."""

    kind: ClassVar[str] = "conflicts"
    names: ClassVar[tuple[str, ...]] = ("series", "t", "value", "quality", "batch_id")
    time: ClassVar[str] = "t"
    about: ClassVar[str] = "series"

    series: str
    t: int
    value: float | None
    quality: str
    batch_id: str | None
    kept_value: float | None
    kept_quality: str
    kept_batch: str | None


KINDS: Final[tuple[type[Record], ...]] = (
    Batch,
    BatchSeries,
    Alarm,
    Acknowledgement,
    Note,
    Event,
    DeadLetter,
    Refused,
)


def merged[R: Record](records: Iterable[R]) -> list[R]:
    """What they come to: one of each kind and key."""
    found: dict[tuple[type[R], str], R] = {}
    for record in records:
        place = type(record), record.key
        before = found.get(place)
        found[place] = record if before is None else before.merge(record)
    return list(found.values())


def _key(*parts: object) -> str:
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def _content(record: Record) -> str:
    return _key(*record.body().values())


def _problem(name: str, value: object, *, optional: bool) -> str | None:
    if value is None:
        return None if optional else "is missing"
    if isinstance(value, str):
        empty = not value and name not in _LONG
        if empty or len(value) > (MAX_TEXT if name in _LONG else MAX_ID):
            return f"is empty, or longer than {MAX_TEXT if name in _LONG else MAX_ID} characters"
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            return "holds NUL or half a surrogate pair"
    elif isinstance(value, int) and not 0 <= value < T_MAX:
        return "is no time since 1970 in milliseconds"
    return None
