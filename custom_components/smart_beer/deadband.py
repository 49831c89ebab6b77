"""When an entity's state is worth writing. PURE: time is passed in."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

REST_S = 30.0


@dataclass(slots=True, kw_only=True)
class Deadband:
    """Lets a value through when it has moved by `step` or anything beside it has changed.

    Movements below `step` go through once in `rest_s` seconds at most, so that a slow drift is
    seen and noise costs next to nothing. `step` is in the value's own unit; 0 lets every change
    through.
    """

    step: float = 0.0
    rest_s: float = REST_S
    _value: float | None = field(default=None, init=False)
    _beside: Hashable = field(default=None, init=False)
    _written: float | None = field(default=None, init=False)

    def passes(self, value: float | None, beside: Hashable, now: float) -> bool:
        """Whether to write now; True also records it as written.

        `beside` is all that is shown with the value (availability, quality, attributes);
        `now` is monotonic, in seconds.
        """
        if self._written is not None and beside == self._beside and not self._moved(value, now):
            return False
        self._value, self._beside, self._written = value, beside, now
        return True

    def _moved(self, value: float | None, now: float) -> bool:
        if value == self._value:
            return False
        if value is None or self._value is None or self._written is None:
            return True
        # A hair less than the step: 65.1 - 65.0 is 0.0999... in binary.
        return abs(value - self._value) >= self.step - 1e-9 or now - self._written >= self.rest_s
