"""What is stored: samples, the newest sample of a series, and the hours they are archived in."""

import math
import sys
from functools import lru_cache
from typing import NamedTuple, cast

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
OK = "ok"
BAD_PREFIX = "bad"
# 1970 .. 9999-12-31; SQLite, BSON dates and CQL timestamps all hold it.
T_MAX = 253_402_300_800_000
MAX_TEXT = 255
_TEXT = f"a text of 1 to {MAX_TEXT} characters without NUL or half a surrogate pair"
_LARGEST = int(sys.float_info.max)


class Sample(NamedTuple):
    """One stored reading; `(series, t)` is its key, and whoever writes it writes the same content.

    `t` is node time in milliseconds since 1970 (UTC), `value` a finite number or None,
    `quality` is `ok`, `suspect:<cause>` or `bad:<cause>`, `batch` an id or None.
    """

    series: str
    t: int
    value: float | None
    quality: str
    batch: str | None


class Last(NamedTuple):
    """The newest sample of a series and where it came from.

    `spool_id` and `seq` are None in one rebuilt from stored samples, which know neither.
    """

    t: int
    value: float | None
    quality: str
    batch: str | None
    spool_id: str | None
    seq: int | None

    def yields_to(self, new: Last) -> bool:
        """Whether `new` replaces this one: by seq within a spool, at once to another spool.

        Never by `t`, which a node's clock may turn back; only two rebuilt ones, which have
        nothing else, compare by it. A rebuilt one never replaces one that came with a seq.
        """
        if new.seq is None:
            return self.seq is None and new.t > self.t
        if self.seq is None or new.spool_id != self.spool_id:
            return True
        return new.seq > self.seq


def is_number(value: float | None, quality: str) -> bool:
    """Whether a reading counts as a number in charts and aggregates.

    A bad reading never does. A suspect one does: its value was measured, extremes must stay
    visible, and `suspect:clock` doubts the time only; exact reads carry the quality beside it.
    """
    return value is not None and not quality.startswith(BAD_PREFIX)


def hour_of(t: int) -> int:
    """The start of the hour that `t` (ms) lies in, in ms."""
    return t - t % HOUR_MS


def problem(sample: Sample) -> str | None:
    """Why no tier can store this sample, as a sentence, or None; such a one never gets better."""
    # What came over a wire need not be what the type says.
    series, t, value, quality, batch = cast("tuple[object, ...]", sample)
    if (  # nearly every sample, at a third of the cost
        type(t) is int
        and 0 <= t < T_MAX
        and (value is None or (type(value) is float and math.isfinite(value)))
        and type(series) is type(quality) is str
        and (batch is None or (type(batch) is str and _is_storable(batch)))
        and _is_storable(series)
        and _is_storable(quality)
    ):
        return None
    if not _is_text(series):
        reason = f"series is not {_TEXT}"
    elif not _is_int(t) or not 0 <= sample.t < T_MAX:
        reason = "time is not a whole number of milliseconds since 1970"
    elif value is not None and not _is_finite(value):
        reason = "value is not a finite number"
    elif not _is_text(quality):
        reason = f"quality is not {_TEXT}"
    elif batch is not None and not _is_text(batch):
        reason = f"batch is neither null nor {_TEXT}"
    else:
        return None
    return f"The {reason}, in the sample of {series!r} at {t!r}."


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    # A whole number beyond the largest double would become infinite in a store.
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _is_text(value: object) -> bool:
    return isinstance(value, str) and _is_storable(value)


@lru_cache(4096)
def _is_storable(text: str) -> bool:
    if not 0 < len(text) <= MAX_TEXT or "\0" in text:
        return False
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
