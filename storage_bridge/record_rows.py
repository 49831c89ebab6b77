"""Records in files, as rows of JSON: `[kind, body]`. Pure."""

from typing import TYPE_CHECKING, Any

from .records.model import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .records.model import Record


def rows_of(records: Iterable[Record]) -> list[list[Any]]:
    """One row for each."""
    return [[record.kind, record.body()] for record in records]


def records_of(
    rows: Iterable[Sequence[Any]], kinds: Iterable[type[Record]] = KINDS
) -> list[Record]:
    """The records again; raises KeyError, TypeError or ValueError for rows that are none of them.

    What a newer version may have added to a record is left out.
    """
    by_name = {kind.kind: kind for kind in kinds}
    return [by_name[name].of(body) for name, body in rows]
