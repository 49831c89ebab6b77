"""Which records are asked for. Pure."""

from typing import TYPE_CHECKING, TypedDict

from storage_bridge.model import T_MAX

if TYPE_CHECKING:
    from .model import Record


class Where(TypedDict, total=False):
    """Those with `start <= at < end` (ms), about a subject, of a batch; None or absent: any."""

    start: int | None
    end: int | None
    subject: str | None
    batch: str | None


def span(where: Where) -> tuple[int, int]:
    """`start` and `end` (ms), those of all times where none is given."""
    end = where.get("end")
    return where.get("start") or 0, T_MAX if end is None else end


def exactly(where: Where) -> dict[str, str]:
    """What is to be the same in each of them: subject, batch, both or neither."""
    asked = {"subject": where.get("subject"), "batch": where.get("batch")}
    return {name: value for name, value in asked.items() if value is not None}


def fits(record: Record, where: Where) -> bool:
    """Whether it is one of those."""
    start, end = span(where)
    same = all(getattr(record, name) == value for name, value in exactly(where).items())
    return same and start <= record.at < end
