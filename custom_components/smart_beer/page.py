"""One reply of `GET /v1/samples`, checked row by row. PURE: no I/O."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from .parsing import LARGEST, a_list, a_str, an_int, maybe_int, maybe_str

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesPage:
    """One reply of `GET /v1/samples`, its rows checked once, here.

    A row is `[seq, t, series_index, value, quality, batch_index|None]`, seq rising. `after` is the
    cursor that was asked for, `next` the one to ask for next; a page is the newest there is when
    `next == last_seq`. `gap` is `{"from", "to"}` when rows asked for are gone.
    """

    spool_id: str
    first_seq: int
    last_seq: int
    next: int
    holes: list[list[int]]
    gap: dict[str, int] | None
    series: list[str]
    batches: list[str]
    samples: list[list[Any]]
    boot_id: str
    mono_ms: int
    after: int | None = None

    @classmethod
    def parse(cls, data: Mapping[str, Any], *, after: int | None = None) -> Self:
        """A page; ValueError when anything in it is not what the contract says."""
        series = a_list(data, "series")
        batches = a_list(data, "batches")
        if not all(isinstance(name, str) for name in (*series, *batches)):
            raise ValueError("a series or batch name is no text")
        samples = a_list(data, "samples")
        last = -1 if after is None else after
        n_series, n_batches = len(series), len(batches)
        for row in samples:
            if not _sound(row, last, n_series, n_batches):
                raise ValueError(f"row {str(row)[:80]} after seq {last} is not as it should be")
            last = row[0]
        page_next = an_int(data, "next")
        if samples and page_next != last:
            raise ValueError(f"next is {page_next}, but the last row is {last}")
        return cls(
            spool_id=a_str(data, "spool_id"),
            first_seq=an_int(data, "first_seq"),
            last_seq=an_int(data, "last_seq"),
            next=page_next,
            holes=parse_holes(data),
            gap=_parse_gap(data.get("gap")),
            series=series,
            batches=batches,
            samples=samples,
            boot_id=maybe_str(data, "boot_id") or "",
            mono_ms=maybe_int(data, "mono_ms") or 0,
            after=after,
        )


def parse_holes(data: Mapping[str, Any]) -> list[list[int]]:
    """Holes as `[[from, to], ...]`; the wire says `{"from", "to"}` objects or such pairs."""
    holes: list[list[int]] = []
    for hole in a_list(data, "holes") if "holes" in data else []:
        if isinstance(hole, dict):
            holes.append([an_int(hole, "from"), an_int(hole, "to")])
        elif isinstance(hole, list) and len(hole) == 2:
            pair = {"from": hole[0], "to": hole[1]}
            holes.append([an_int(pair, "from"), an_int(pair, "to")])
        else:
            raise ValueError("a hole is neither an object nor a pair")
    return holes


def _parse_gap(gap: object) -> dict[str, int] | None:
    if gap is None:
        return None
    if not isinstance(gap, dict):
        raise ValueError("gap is no object")  # noqa: TRY004  every fault of a reply is one
    return {"from": an_int(gap, "from"), "to": an_int(gap, "to")}


def _sound(row: object, last_seq: int, n_series: int, n_batches: int) -> bool:
    """Whether a row is as the contract says; runs for every sample, so it is plain and quick.

    `type(...) is` and not `isinstance`: true and false are no numbers here.
    """
    if not isinstance(row, list) or len(row) != 6:
        return False
    seq, t, index, value, quality, batch = row
    if type(seq) is not int or type(t) is not int or type(index) is not int:
        return False
    if not (last_seq < seq < LARGEST and -LARGEST < t < LARGEST and 0 <= index < n_series):
        return False
    if batch is not None and (type(batch) is not int or not 0 <= batch < n_batches):
        return False
    if type(quality) is not str:
        return False
    if value is None:
        return quality.startswith("bad")
    if type(value) is not float and type(value) is not int:
        return False
    # The comparison refuses NaN as well.
    return -LARGEST < value < LARGEST and not quality.startswith("bad")
