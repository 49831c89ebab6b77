"""The latches of a node on disk: what tripped stays so across kill -9 and power cuts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_node.kept_file import KeptFileError, read_kept, write_kept
from edge_node.lease_store import FOLDER as LEASES
from edge_node.safety.rules import Trip
from edge_node.secret_file import SecretFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Latched:
    """One latch as it is kept and shown; `since` is UTC ms, None where the time was unknown."""

    trip: Trip
    since: int | None

    def shown(self) -> dict[str, Any]:
        """As `/v1/state` shows it."""
        trip = self.trip
        return {
            "kettle_id": trip.kettle_id,
            "latch": trip.name,
            "since": self.since,
            "text": trip.text,
        }


class LatchStore:
    """Reads and writes the latches; `problem` says why they could not be written last."""

    def __init__(self, data_dir: Path, utc_ms: Callable[[], int | None]) -> None:
        self._path = data_dir / "latches.json"
        self._new_node = not (data_dir / LEASES).exists()
        self._utc_ms = utc_ms
        self._kept: dict[Trip, Latched] = {}
        self._written: frozenset[Trip] | None = None
        self.problem: str | None = None

    def load(self) -> frozenset[Trip] | None:
        """What was latched; None if that cannot be known, so that everything is latched.

        No file is believed only where no lease was ever granted, so that nothing ever was on.
        """
        try:
            kept = read_kept(self._path)
            if kept is None:
                if self._new_node:
                    return frozenset()
                LOGGER.error("%s has gone: every kettle is taken as latched", self._path)
                return None
            found = {
                trip: Latched(trip, item["since"])
                for item in kept
                for trip in [Trip(item["kettle_id"], item["latch"], item["text"])]
            }
        except (KeptFileError, KeyError, TypeError) as err:
            LOGGER.error(  # noqa: TRY400 - the sentence says it all
                "The latches cannot be read (%s): every kettle is taken as latched", err
            )
            return None
        self._kept, self._written = found, frozenset(found)
        return self._written

    def due(self, latches: frozenset[Trip]) -> bool:
        """Whether these are not what is on disk."""
        return latches != self._written

    def keep(self, latches: frozenset[Trip]) -> bool:
        """Bring exactly these to the disk, if they are not there; whether they are now."""
        if not self.due(latches):
            return True
        now = self._utc_ms()
        self._kept = {trip: self._kept.get(trip) or Latched(trip, now) for trip in latches}
        try:
            write_kept(self._path, self.shown())
        except SecretFileError as err:
            if self.problem is None:
                LOGGER.error("The latches cannot be kept: %s", err)  # noqa: TRY400 - as above
            self.problem = str(err)
            return False
        self._written, self.problem = latches, None
        return True

    def shown(self) -> list[dict[str, Any]]:
        """`[{kettle_id, latch, since, text}]`, in a fixed order."""
        ordered = sorted(self._kept.values(), key=lambda one: (one.trip.kettle_id, one.trip.name))
        return [one.shown() for one in ordered]
