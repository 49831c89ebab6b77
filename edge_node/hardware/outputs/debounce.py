"""PURE: contacts that bounce, and buttons that are held."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Debounce:
    """What a contact says once it has said the same for `settle_ms`.

    Unknown (None) until then, and at once when the contact cannot be read.
    """

    settle_ms: int
    state: bool | None = field(init=False, default=None)
    _raw: bool | None = field(init=False, default=None)
    _since_ms: int = field(init=False, default=0)

    def step(self, now_ms: int, raw: bool | None) -> bool | None:
        """One look at the contact; times never go back."""
        if raw is not self._raw:
            self._raw, self._since_ms = raw, now_ms
        if raw is None or now_ms - self._since_ms >= self.settle_ms:
            self.state = raw
        return self.state


@dataclass(slots=True)
class Hold:
    """A button that has been held for `hold_ms`: said once, and again only after a release.

    One that is pressed, or unknown, from the start counts for nothing before its first release.
    """

    hold_ms: int
    _since_ms: int | None = field(init=False, default=None)
    _armed: bool = field(init=False, default=False)

    def step(self, now_ms: int, pressed: bool | None) -> bool:
        """Whether it has now been held long enough."""
        if pressed is not True:
            self._armed = self._armed or pressed is False
            self._since_ms = None
            return False
        if self._since_ms is None:
            self._since_ms = now_ms
        if not self._armed or now_ms - self._since_ms < self.hold_ms:
            return False
        self._armed = False
        return True
