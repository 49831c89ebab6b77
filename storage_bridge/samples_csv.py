"""Samples as CSV: `series, t, time, value, quality, batch`; `time` is for people, `t` counts."""

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Final

from .model import Sample, problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

HEADER: Final = ("series", "t", "time", "value", "quality", "batch")
CHUNK: Final = 10_000


class FileFormatError(Exception):
    """A file holds no samples as we write them; the text says where and why."""


class CsvWriter:
    """Writes UTF-8; a number as the shortest text that is this very double, nothing for none."""

    def __init__(self, file: BinaryIO) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._rows = csv.writer(self._text)
        self._rows.writerow(HEADER)

    def write(self, samples: Sequence[Sample]) -> None:
        """Append samples."""
        self._rows.writerows((s.series, s.t, iso(s.t), *s[2:]) for s in samples)

    def close(self) -> None:
        """All is written; the file stays open."""
        self._text.flush()
        self._text.detach()


def read_csv(path: Path) -> Iterator[tuple[list[Sample], int, int]]:
    """Samples, and how many bytes of how many are read; raises FileFormatError and OSError."""
    total = path.stat().st_size
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text, strict=True)
        chunk: list[Sample] = []
        try:
            places = _places(next(rows, []), path)
            for row in rows:
                chunk.append(_sample(row, places))
                if len(chunk) == CHUNK:
                    yield chunk, raw.tell(), total
                    chunk = []
        except (ValueError, IndexError, csv.Error) as err:
            raise FileFormatError(f"{path}, line {rows.line_num}: {err}") from err
        yield chunk, total, total


def iso(t: int) -> str:
    """UTC for people."""
    return datetime.fromtimestamp(t / 1000, UTC).isoformat(timespec="milliseconds")


def _places(header: list[str], path: Path) -> list[int]:
    wanted = [name for name in HEADER if name != "time"]
    lacking = [name for name in wanted if name not in header]
    if lacking:
        raise FileFormatError(f"{path} has no column {lacking[0]!r}: it is no export of samples")
    return [header.index(name) for name in wanted]


def _sample(row: list[str], places: list[int]) -> Sample:
    series, t, value, quality, batch = (row[place] for place in places)
    sample = Sample(series, int(t), float(value) if value else None, quality, batch or None)
    wrong = problem(sample)
    if wrong is not None:
        raise ValueError(wrong)
    return sample
