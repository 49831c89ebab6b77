"""Files of samples, in either format, with the record of the batch that they are of."""

import io
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, Protocol, cast, override

from .samples_csv import CsvWriter, FileFormatError, read_csv

if TYPE_CHECKING:
    from collections.abc import Buffer, Iterator, Sequence
    from pathlib import Path

    from .model import Sample

type Format = Literal["csv", "parquet"]

FORMATS: Final[dict[Format, str]] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
_MAGIC: Final = b"PAR1"


class ParquetMissingError(Exception):
    """Parquet is asked for and pyarrow is not installed."""


class Writer(Protocol):
    """Takes samples in any order."""

    def write(self, samples: Sequence[Sample]) -> None:
        """Append samples."""
        ...

    def close(self) -> None:
        """All is written."""
        ...


class Pieces(io.RawIOBase):
    """A file that is sent as it is written: `take` hands out what has been written since."""

    def __init__(self) -> None:
        super().__init__()
        self._data = bytearray()
        self._taken = 0

    def take(self) -> bytes:
        """What was written since the last time."""
        data = bytes(self._data)
        self._taken += len(data)
        self._data.clear()
        return data

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Buffer, /) -> int:
        before = len(self._data)
        self._data += data
        return len(self._data) - before

    @override
    def tell(self) -> int:
        return self._taken + len(self._data)


def writer_of(name: Format, file: BinaryIO | Pieces, record: str | None = None) -> Writer:
    """A writer into an open file; imports pyarrow for Parquet alone, raises ParquetMissingError.

    `record` is the text of a batch's record. CSV has no place for it: see `record_beside`.
    """
    target = cast("BinaryIO", file)
    if name == "csv":
        return CsvWriter(target)
    try:
        from .samples_parquet import ParquetWriter  # noqa: PLC0415 - only where it is asked for
    except ImportError as err:
        raise _missing(err) from err
    return ParquetWriter(target, record)


def read_file(path: Path) -> Iterator[tuple[list[Sample], int, int]]:
    """Samples, a chunk at a time, and how far of how much it is; raises FileFormatError, OSError.

    What a file is tells its beginning. Raises ParquetMissingError.
    """
    if not _is_parquet(path):
        yield from read_csv(path)
        return
    try:
        from .samples_parquet import read_parquet  # noqa: PLC0415 - only where it is asked for
    except ImportError as err:
        raise _missing(err) from err
    yield from read_parquet(path)


def read_record(path: Path) -> str | None:
    """The text of the record that was exported with a file; None without one.

    Raises FileFormatError, OSError, ParquetMissingError.
    """
    if not _is_parquet(path):
        beside = record_beside(path)
        try:
            return beside.read_text("utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as err:
            raise FileFormatError(f"{beside} is no text: {err}") from err
    try:
        from .samples_parquet import record_in  # noqa: PLC0415 - only where it is asked for
    except ImportError as err:
        raise _missing(err) from err
    return record_in(path)


def record_beside(path: Path) -> Path:
    """Where the record of the batch in a CSV file is."""
    return path.with_name(f"{path.name}.record.json")


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _missing(err: ImportError) -> ParquetMissingError:
    return ParquetMissingError(
        f"Parquet needs pyarrow, which cannot be imported ({err}); "
        "install the bridge as 'smart-beer[bridge,parquet]'"
    )


__all__ = [
    "FORMATS",
    "FileFormatError",
    "Format",
    "ParquetMissingError",
    "Pieces",
    "Writer",
    "read_file",
    "read_record",
    "record_beside",
    "writer_of",
]
