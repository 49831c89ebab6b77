"""The record of a batch in a file: what there is to know of it besides its samples.

    JSON {version: 1, batch_id, records: [[kind of record, its body], ...]}

A Parquet file has it as the value of `smart-beer-batch` in its key-value metadata, a CSV file in a
file beside it.
"""

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args

from .batches import NoSuchBatchError
from .record_rows import records_of, rows_of
from .records.merged import MergedRecords
from .records.model import Acknowledgement, Alarm, Batch, BatchSeries, Note, Record
from .samples_file import FileFormatError
from .stored import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from .tiers import Tiers

VERSION: Final = 1
KINDS: Final = (Batch, BatchSeries, Alarm, Acknowledgement, Note)


class BatchRecord(NamedTuple):
    """Every record that belongs to a batch."""

    batch_id: str
    records: list[Record]


async def read_batch(tiers: Tiers, batch_id: str) -> BatchRecord:
    """The record as warm and cold have it.

    Raises NoSuchBatchError, and StoreError rather than leave out what a tier could not give.
    """
    both = MergedRecords(tiers)
    found: list[Record] = []
    for kind in KINDS:
        found += await both.find(kind, batch=batch_id)
    if both.partial:
        raise StoreError(f"the {both.partial[0]['tier']} tier: {both.partial[0]['error']}")
    if not found:
        raise NoSuchBatchError(batch_id)
    return BatchRecord(batch_id, found)


def dump(record: BatchRecord) -> str:
    """The text for a file."""
    return json.dumps(
        {
            "version": VERSION,
            "batch_id": record.batch_id,
            "records": rows_of(record.records),
        },
        ensure_ascii=False,
        indent=1,
    )


def parse(text: str, path: Path) -> BatchRecord:
    """The record of a text that came with the file `path`; raises FileFormatError."""
    try:
        found = json.loads(text)
        if found["version"] != VERSION:
            raise FileFormatError(
                f"The record of the batch that came with {path} is of version "
                f"{found['version']!r}, this bridge knows {VERSION}: update it"
            )
        record = BatchRecord(found["batch_id"], records_of(found["records"], KINDS))
        for one in record.records:
            _check(one, record.batch_id)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as err:
        raise FileFormatError(
            f"The record of the batch that came with {path} is damaged ({err!r}): export it again"
        ) from err
    return record


def _check(record: Record, batch_id: object) -> None:
    """A file may be anybody's: what a store cannot keep, or no one could find, is refused."""
    if record.batch != batch_id:
        raise ValueError(f"one of the {record.kind} is of batch {record.batch!r}")
    for field in fields(record):
        value: Any = getattr(record, field.name)
        if type(value) not in (get_args(field.type) or (field.type,)):
            raise ValueError(f"the {field.name} of one of the {record.kind} is {value!r}")
