"""Recorded logs: CSV files with the time in their first column."""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_EMPTY = {"", "none", "null", "nan"}
_EPOCH_MS_FROM = 1e11  # a number above this is milliseconds, below it seconds


class RecordingError(ValueError):
    """A log that cannot be used; the message names file, line and column."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A column of a log: epoch seconds, rising, and values; None where nothing was noted."""

    times: tuple[float, ...]
    values: tuple[float | None, ...]


def read_recording(path: Path, column: int) -> Recording:
    """Column `column` (0 is the time) of a CSV file separated by `;` or `,`, header or not.

    Times without a zone are UTC. Rows whose time does not rise (a clock set back) are left out.
    """
    if column < 1:
        raise RecordingError(f"{path}: column {column} cannot be replayed; column 0 is the time")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as err:
        raise RecordingError(f"{path}: the log cannot be read: {err}") from err
    first = text.partition("\n")[0]
    delimiter = ";" if ";" in first else ","
    times: list[float] = []
    values: list[float | None] = []
    for line, row in enumerate(csv.reader(text.splitlines(), delimiter=delimiter), start=1):
        if not row:
            continue
        if len(row) <= column:
            raise RecordingError(f"{path}, line {line}: there is no column {column}")
        try:
            time = _time(row[0])
            cell = row[column].strip()
            value = None if cell.lower() in _EMPTY else float(cell)
        except ValueError as err:
            if line == 1:
                continue  # a header
            raise RecordingError(f"{path}, line {line}, column 0 or {column}: {err}") from err
        if not times or time > times[-1]:
            times.append(time)
            values.append(value)
    if len(times) < 2:
        raise RecordingError(f"{path}: fewer than two rows with a time and a column {column}")
    return Recording(tuple(times), tuple(values))


def _time(cell: str) -> float:
    cell = cell.strip()
    readers: tuple[Callable[[str], datetime], ...] = (
        datetime.fromisoformat,
        lambda text: datetime.strptime(text, "%b %d %Y %H:%M:%S"),  # noqa: DTZ007  # zone below
    )
    for reader in readers:
        try:
            moment = reader(cell)
        except ValueError:
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    number = float(cell)
    return number / 1000 if number > _EPOCH_MS_FROM else number
