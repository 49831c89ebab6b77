"""What the spool shows of itself: one consistent moment, read by any thread."""

from dataclasses import dataclass
from typing import Any

from edge_node.spool_file import SpoolFile
from edge_node.spool_numbering import Numbering


@dataclass(frozen=True, slots=True)
class SpoolView:
    """What may be served and what is counted, all of one moment."""

    spool_id: str
    numbering: Numbering
    bytes: int = 0
    pending: int = 0
    lost: int = 0
    dropped_unread: int = 0

    def describe(self) -> dict[str, Any]:
        """`{spool_id, first_seq, last_seq, holes, rows, bytes}`, holes as `{"from", "to"}`."""
        numbering = self.numbering
        return {
            "spool_id": self.spool_id,
            "first_seq": numbering.first,
            "last_seq": numbering.last,
            "holes": [{"from": start, "to": end} for start, end in numbering.holes],
            "rows": numbering.rows,
            "bytes": self.bytes,
        }


def view_of(file: SpoolFile, numbering: Numbering | None) -> SpoolView:
    """What the file holds now, or (`numbering`) will hold once the next drop is done."""
    return SpoolView(
        spool_id=file.spool_id,
        numbering=numbering or file.numbering,
        bytes=file.bytes,
        pending=file.pending,
        lost=file.lost,
        dropped_unread=file.dropped_unread,
    )
