"""Samples as Parquet, for whoever has pyarrow; it is imported with this module and only then."""

from typing import TYPE_CHECKING, Any, BinaryIO, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from .model import Sample, problem
from .samples_csv import CHUNK, FileFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

RECORD: Final = b"smart-beer-batch"  # in the key-value metadata, what `batch_record` makes
ROW_GROUP: Final = 100_000  # about 10 MB of memory, and what a reader has to take in at once
SCHEMA: Final = pa.schema(
    [
        pa.field("series", pa.string(), nullable=False),
        pa.field("t", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("quality", pa.string(), nullable=False),
        pa.field("batch", pa.string()),
    ]
)


class ParquetWriter:
    """Writes row groups of ROW_GROUP samples, compressed with zstd, and the record of a batch."""

    def __init__(self, file: BinaryIO, record: str | None = None) -> None:
        self._writer: Any = pq.ParquetWriter(file, SCHEMA, compression="zstd")
        if record is not None:
            self._writer.add_key_value_metadata({RECORD: record.encode()})
        self._waiting: list[Sample] = []

    def write(self, samples: Sequence[Sample]) -> None:
        """Append samples; they are in the file when a row group is full, or at the end."""
        self._waiting += samples
        while len(self._waiting) >= ROW_GROUP:
            self._group(self._waiting[:ROW_GROUP])
            del self._waiting[:ROW_GROUP]

    def close(self) -> None:
        """All is written; the file stays open."""
        if self._waiting:
            self._group(self._waiting)
        self._writer.close()

    def _group(self, samples: list[Sample]) -> None:
        columns = [
            pa.array(column, type=field.type, from_pandas=False)
            for column, field in zip(zip(*samples, strict=True), SCHEMA, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), ROW_GROUP)


def read_parquet(path: Path) -> Iterator[tuple[list[Sample], int, int]]:
    """Samples, and how many rows of how many are read; raises FileFormatError and OSError."""
    try:
        with pq.ParquetFile(path) as file:
            for name in SCHEMA.names:
                if name not in file.schema_arrow.names:
                    raise FileFormatError(
                        f"{path} has no column {name!r}: it is no export of samples"
                    )
            done, total = 0, file.metadata.num_rows
            for batch in file.iter_batches(batch_size=CHUNK, columns=SCHEMA.names):
                samples = _samples(pa.Table.from_batches([batch]).select(SCHEMA.names), path)
                done += len(samples)
                yield samples, done, total
    except pa.ArrowException as err:
        raise FileFormatError(f"{path} cannot be read as Parquet: {err}") from err


def record_in(path: Path) -> str | None:
    """The record of a batch in a file; None without one. Raises FileFormatError and OSError."""
    try:
        with pq.ParquetFile(path) as file:
            record: bytes | None = (file.metadata.metadata or {}).get(RECORD)
            return None if record is None else record.decode()
    except (pa.ArrowException, UnicodeDecodeError) as err:
        raise FileFormatError(f"{path} cannot be read as Parquet: {err}") from err


def _samples(table: Any, path: Path) -> list[Sample]:  # noqa: ANN401 - pyarrow has no types
    # Times of another unit are taken when nothing of them is lost.
    times = table.column("t").cast(SCHEMA.field("t").type).cast(pa.int64()).to_pylist()
    rest = {name: table.column(name).to_pylist() for name in SCHEMA.names if name != "t"}
    samples = [
        Sample(*row)
        for row in zip(
            rest["series"], times, rest["value"], rest["quality"], rest["batch"], strict=True
        )
    ]
    for sample in samples:
        wrong = problem(sample)
        if wrong is not None:
            raise FileFormatError(f"{path}: {wrong}")
    return samples
