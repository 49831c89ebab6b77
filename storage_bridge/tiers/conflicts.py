"""Conflicts as the records that stores keep them as. Pure."""

from storage_bridge.model import Sample
from storage_bridge.records.model import Refused

from .base import Conflict


def refused_of(conflict: Conflict) -> Refused:
    """The record of a conflict."""
    return Refused(*conflict.refused, *conflict.kept[2:])


def conflict_of(record: Refused) -> Conflict:
    """The conflict of a record."""
    kept = (record.kept_value, record.kept_quality, record.kept_batch)
    refused = (record.value, record.quality, record.batch_id)
    return Conflict(
        Sample(record.series, record.t, *kept), Sample(record.series, record.t, *refused)
    )
