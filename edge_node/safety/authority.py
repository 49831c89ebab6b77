"""PURE: who may command a kettle, and which wishes died with the lease they were given under."""

from dataclasses import dataclass
from typing import Final, Literal

Commander = Literal["lease", "override"]

_NEVER: Final = -1


@dataclass(slots=True)
class Authority:
    """One kettle's; `now` never goes back.

    A lapse does not mask what was commanded, it ends it: a wish given up to then is dead for ever,
    and a new grant starts with outputs off.
    """

    commander: Commander | None = None
    dead_until: int = _NEVER
    lost_at: int | None = None  # None: never had any, or has
    _seen: int = _NEVER

    def look(self, now: int, *, lease: bool, override: bool, lapsed: bool) -> bool:
        """Take what is true at `now`; True if there is a new commander.

        `lapsed`: it lapsed since the last look, though another may have been granted since.
        """
        commander: Commander | None = "override" if override else "lease" if lease else None
        changed = commander != self.commander or lapsed
        new = changed and commander is not None
        if changed:
            # A wish given since the last look can only come from the new commander: each command
            # is looked at as it arrives.
            self.dead_until = now if commander is None else self._seen
        if commander is None:
            if self.commander is not None:
                self.lost_at = now
        else:
            self.lost_at = None
        self.commander = commander
        self._seen = now
        return new
