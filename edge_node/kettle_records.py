"""What a kettle's leader leaves with the node: the batch, its program, and who saw which alarm."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from edge_node.kept_file import KeptFileError, read_kept, write_kept

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LOGGER = logging.getLogger(__name__)

KEPT_ACKS: Final = 100


@dataclass(frozen=True, slots=True)
class Record:
    """One kettle's: `program` is the leader's own text, written under `epoch`.

    `acks` are the newest KEPT_ACKS acknowledgements: `{alarm, text, by, note, t, batch}`.
    """

    batch: str | None = None
    program: str | None = None
    revision: int | None = None
    epoch: int | None = None
    acks: tuple[dict[str, Any], ...] = ()

    def acknowledged(self, ack: dict[str, Any]) -> Record:
        """The same with one more acknowledgement."""
        return replace(self, acks=(*self.acks, ack)[-KEPT_ACKS:])


class KettleRecords:
    """Durable records, one small file a kettle; `write` blocks on the disk."""

    def __init__(self, data_dir: Path, kettles: Iterable[str]) -> None:
        self._folder = data_dir / "kettles"
        self._records = {kettle_id: self._load(kettle_id) for kettle_id in kettles}

    def __getitem__(self, kettle_id: str) -> Record:
        return self._records[kettle_id]

    def batch(self, kettle_id: str | None) -> str | None:
        """The kettle's batch; None for a room probe."""
        return None if kettle_id is None else self._records[kettle_id].batch

    def write(self, kettle_id: str, record: Record) -> None:
        """Keep the record durably, then let it hold; SecretFileError, and the old one holds."""
        write_kept(self._path(kettle_id), asdict(record))
        self._records[kettle_id] = record

    def _load(self, kettle_id: str) -> Record:
        path = self._path(kettle_id)
        try:
            kept = read_kept(path)
            if kept is None:
                return Record()
            return Record(**{**kept, "acks": tuple(kept["acks"])})
        except (KeptFileError, KeyError, TypeError) as err:
            LOGGER.error(  # noqa: TRY400 - the sentence says it all
                "The batch and program of kettle %s are lost (%s); its leader writes them again",
                kettle_id,
                err,
            )
            return Record()

    def _path(self, kettle_id: str) -> Path:
        return self._folder / f"{kettle_id}.json"
