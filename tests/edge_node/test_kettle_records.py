from dataclasses import replace
from pathlib import Path

import pytest

from edge_node.kettle_records import KEPT_ACKS, KettleRecords, Record
from edge_node.secret_file import SecretFileError


def test_batch_program_and_acknowledgements_survive(tmp_path: Path) -> None:
    records = KettleRecords(tmp_path, ["k", "other"])
    record = replace(records["k"], batch="B001", program="{}", revision=3, epoch=7)
    records.write("k", record.acknowledged({"alarm": "a", "by": "Ann"}))
    again = KettleRecords(tmp_path, ["k", "other"])
    assert again["k"] == record.acknowledged({"alarm": "a", "by": "Ann"})
    assert again["other"] == Record()
    assert (again.batch("k"), again.batch("other"), again.batch(None)) == ("B001", None, None)


def test_only_the_newest_acknowledgements_are_kept() -> None:
    record = Record()
    for number in range(KEPT_ACKS + 5):
        record = record.acknowledged({"alarm": str(number)})
    assert len(record.acks) == KEPT_ACKS
    assert record.acks[-1] == {"alarm": str(KEPT_ACKS + 4)}


def test_a_record_that_cannot_be_believed_is_none(tmp_path: Path) -> None:
    KettleRecords(tmp_path, ["k"]).write("k", Record(batch="B001"))
    path = tmp_path / "kettles" / "k.json"
    path.write_text(path.read_text().replace("B001", "B002"))
    assert KettleRecords(tmp_path, ["k"])["k"] == Record()


def test_what_cannot_be_written_does_not_hold(tmp_path: Path) -> None:
    records = KettleRecords(tmp_path, ["k"])
    (tmp_path / "kettles").write_text("no folder")
    with pytest.raises(SecretFileError):
        records.write("k", Record(batch="B001"))
    assert records["k"] == Record()
