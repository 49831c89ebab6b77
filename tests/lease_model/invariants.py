"""What must never happen, watched from outside with the one true time."""

from collections.abc import Iterable
from dataclasses import dataclass, field

Owner = tuple[str, str]  # server id, session


class ViolationError(AssertionError):
    """An invariant is broken; the text begins with its name."""


@dataclass
class Watch:
    """The history of one kettle's group, as far as the invariants need it."""

    highest: dict[int, int] = field(default_factory=dict)  # node -> obeyed epoch
    owners: dict[tuple[int, int], Owner] = field(default_factory=dict)  # (node, epoch)
    last_seq: dict[tuple[int, Owner], int] = field(default_factory=dict)
    granted_boots: set[tuple[int, str]] = field(default_factory=set)
    obeyed: int = 0

    def granted(self, node: int, boot: str) -> None:
        """A node granted the lease in this boot."""
        self.granted_boots.add((node, boot))

    def obeys(
        self, node: int, boot: str, owner: Owner, epoch: int, seq: int, holder: Owner | None
    ) -> None:
        """A node obeyed a command."""
        self.obeyed += 1
        if holder != owner:
            raise ViolationError(f"I1: node {node} obeyed {owner} while {holder} holds it")
        if epoch < self.highest.get(node, 0):
            raise ViolationError(f"I2: node {node} obeyed {epoch} after {self.highest[node]}")
        self.highest[node] = epoch
        if self.owners.setdefault((node, epoch), owner) != owner:
            raise ViolationError(f"I3: epoch {epoch} at node {node} has two owners")
        if (node, boot) not in self.granted_boots:
            raise ViolationError(f"I7: node {node} obeyed before it granted anything since boot")
        if seq <= self.last_seq.get((node, owner), 0):
            raise ViolationError(f"I8: node {node} obeyed command {seq} twice or out of order")
        self.last_seq[node, owner] = seq

    def leaders(self, owners: Iterable[Owner]) -> None:
        """These servers believe that they lead, at one moment."""
        found = list(owners)
        if len(found) > 1:
            raise ViolationError(f"I4: {found} lead at once")

    def energised(self, owners: Iterable[Owner | None]) -> None:
        """Who switched on what is on now, at one moment."""
        found = {owner for owner in owners if owner is not None}
        if len(found) > 1:
            raise ViolationError(f"I6: {found} energise at once")
