"""PURE: what tripped, until a person clears it; whoever keeps them on disk writes `all()`."""

from collections.abc import Iterable

from edge_node.safety.rules import Trip


class Latches:
    """The latches of a node; `stored` None means that they could not be read: all are latched."""

    def __init__(self, kettles: Iterable[str], stored: Iterable[Trip] | None) -> None:
        self._set: dict[tuple[str, str], Trip] = {}
        if stored is None:
            stored = [
                Trip(
                    kettle_id,
                    "safe",
                    f"The latches of {kettle_id} could not be read after a start, so it is taken"
                    " as latched. Look at the kettle, then clear this.",
                )
                for kettle_id in kettles
            ]
        for trip in stored:
            self.set(trip)

    def set(self, trip: Trip) -> bool:
        """Set it; True if it is new. The first text stays: it names the cause."""
        key = (trip.kettle_id, trip.name)
        if key in self._set:
            return False
        self._set[key] = trip
        return True

    def has(self, kettle_id: str, name: str) -> bool:
        """Whether this latch is set."""
        return (kettle_id, name) in self._set

    def names(self, kettle_id: str) -> frozenset[str]:
        """The names of the latches of a kettle."""
        return frozenset(name for kettle, name in self._set if kettle == kettle_id)

    def clear(self, kettle_id: str, name: str) -> None:
        """Take it away; whether the cause is gone is for the caller to know."""
        self._set.pop((kettle_id, name), None)

    def all(self) -> frozenset[Trip]:
        """What must be on disk."""
        return frozenset(self._set.values())
