"""A batch leaves one bridge as a file and is the same in another: samples, alarms, notes."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.batch_record import BatchRecord, dump, parse
from storage_bridge.batches import add_note
from storage_bridge.cli import main
from storage_bridge.config import BridgeConfig, load
from storage_bridge.importer import Imported, import_file
from storage_bridge.model import T_MAX, Sample
from storage_bridge.records.model import (
    MAX_ID,
    Acknowledgement,
    Alarm,
    Batch,
    BatchSeries,
    Note,
)
from storage_bridge.samples_file import (
    FileFormatError,
    read_file,
    read_record,
    record_beside,
    writer_of,
)
from storage_bridge.stored import open_store
from storage_bridge.tiers import embedded
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.sqlite_cold_records import SqliteColdRecords

from .bridge_files import write_config
from .test_batches import COUNT, END, RECORDS, URL, B, T, asking, brew

NOTES = [
    Note("n1", T + 7, "mash-tun", "Ann", "Iodine test\nnegative ✓", T + 7, B),
    Note("n2", T + 8, "mash-tun", "Ann", "", T + 9, B),  # removed
]
FILES = pytest.mark.parametrize("name", ["csv", "parquet"])


def configured(folder: Path, **settings: Any) -> BridgeConfig:
    return load(write_config(folder, "ws://127.0.0.1:9/api/websocket", **settings))


async def fill(config: BridgeConfig) -> None:
    """Two batches, one of them archived: warm has nothing of its record any more."""
    async with open_store(config, create=True) as tiers:
        for series in ("m/t", "m/u"):
            await tiers.warm.write(brew(series))
        await tiers.warm.write([Sample("f/t", T + 5, 1.0, "ok", "B002")])
        await tiers.cold.records.put([*(r for r in RECORDS if r.batch == B), *NOTES])
        await tiers.warm.records.open()
        await tiers.warm.records.put([record for record in RECORDS if record.batch != B])
        await tiers.warm.records.close()


async def answer(config: BridgeConfig) -> Any:
    """What `GET /v1/batches/ID` says."""
    async with (
        open_store(config) as tiers, asking(tiers) as client, client.get(URL) as response,
    ):  # fmt: skip
        assert response.status == 200, await response.text()
        return await response.json()


async def cli(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = await asyncio.to_thread(main, arguments)
    return code, *capfd.readouterr()


@FILES
@pytest.mark.parametrize(
    "stores", [(), ("mongo", "cassandra")], indirect=True, ids=["embedded", "mongo+cassandra"]
)
async def test_a_batch_is_the_same_in_another_bridge(
    stores: dict[str, Any], tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    one, two = configured(tmp_path / "one"), configured(tmp_path / "two", tiers=stores)
    await fill(one)
    file = str(tmp_path / f"b.{name}")
    there, here = (str(tmp_path / folder / "bridge.yaml") for folder in ("one", "two"))
    code, out, err = await cli(
        capfd, "export", "--batch", B, "--format", name, "--output", file, "--config", there
    )
    assert (code, f"{2 * COUNT} samples exported" in err) == (0, True)
    assert (f"{file}.record.json" in out) is (name == "csv"), "the file beside is named"
    written = {path.name for path in tmp_path.glob("b.*")}
    assert written == ({"b.csv", "b.csv.record.json"} if name == "csv" else {"b.parquet"})
    for _ in range(2):  # done again it changes nothing
        code, _, err = await cli(capfd, "import", file, "--config", here)
        assert (code, "7 records of the batch" in err) == (0, True), err
        told = await answer(two)
        assert told == await answer(one)
    assert told["partial"] == []
    assert told["kettles"] == [
        {"kettle_id": "mash-tun", "started": T, "ended": END, "running": False}
    ]
    assert [note["text"] for note in told["notes"]] == [NOTES[0].text]
    assert (len(told["alarms"]), len(told["acknowledgements"])) == (1, 1)


async def test_over_http_parquet_has_the_record_and_csv_samples_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = configured(tmp_path / "one"), configured(tmp_path / "two")
    await fill(one)

    async def away(*_args: Any, **_more: Any) -> Any:
        raise TierUnavailableError("The archive has gone.")

    async with open_store(one) as tiers, asking(tiers) as client:
        for name in ("csv", "parquet"):
            async with client.get(f"{URL}/export?format={name}") as response:
                assert response.status == 200
                (tmp_path / name).write_bytes(await response.read())
        async with client.get("/v1/batches/none/export?format=parquet") as response:
            assert response.status == 404
        monkeypatch.setattr(SqliteColdRecords, "find", away)
        async with client.get(f"{URL}/export?format=parquet") as response:
            assert response.status == 503, "half a record is none"
            assert "The archive has gone." in await response.text()
        monkeypatch.undo()
    assert read_record(tmp_path / "csv") is None
    (samples, _, _) = next(read_file(tmp_path / "csv"))
    assert [samples] == [chunk for chunk, _, _ in read_file(tmp_path / "parquet")]
    (key,) = set(pq.read_metadata(tmp_path / "parquet").metadata) - {b"ARROW:schema"}
    assert key == b"smart-beer-batch"
    async with open_store(two, create=True) as tiers:
        result = await import_file(tiers, tmp_path / "parquet", lambda *_: None)
        assert result == Imported(2 * COUNT, 0, 7)
        await tiers.warm.records.close()
    assert await answer(two) == await answer(one)


async def test_what_contradicts_is_told_and_what_is_newer_stays(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one, config = configured(tmp_path / "one"), str(tmp_path / "one" / "bridge.yaml")
    await fill(one)
    file = str(tmp_path / "b.csv")
    await cli(capfd, "export", "--batch", B, "--output", file, "--config", config)
    async with open_store(one) as tiers:
        await tiers.warm.records.open()
        newer = replace(NOTES[0], text="Iodine test positive", changed=T + 99)
        cleared = replace(next(r for r in RECORDS if isinstance(r, Alarm)), cleared=T + 50)
        await tiers.warm.records.put([newer, cleared])
        await add_note(tiers, B, by="Bo", text="Fine", now=T + 90)
        await tiers.warm.records.close()
    before = await answer(one)
    assert (await cli(capfd, "import", file, "--config", config))[0] == 0
    assert await answer(one) == before, "what it knows since stays"
    beside = Path(f"{file}.record.json")
    changed = beside.read_text("utf-8").replace("Too hot.", "Much too hot.")
    beside.write_text(changed, "utf-8")
    code, _, err = await cli(capfd, "import", file, "--config", config)
    assert code == 1
    assert "1 records are stored with another content" in err
    assert f'alarms ["m","hot",{T + 9}]' in err


@FILES
@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-9],
        lambda _: "[]",
        lambda _: '"text"',
        lambda _: '{"version": 1, "batch_id": "x"}',
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text.replace('"alarms"', '"horses"'),
        lambda text: text.replace('"cleared": null', '"cleared": 1.5'),
        lambda text: text.replace('"since"', '"sense"'),
        lambda text: text.replace('"text": "Too hot."', '"text": ["Too hot."]'),
        lambda text: text.replace(f'"batch_id": "{B}"', '"batch_id": "X"', 1),
        lambda text: text.replace('"records": [', '"records": ["notes",'),
        lambda text: text.replace('"records": [', '"records": [["notes", "x"],'),
    ],
)  # fmt: skip
async def test_a_record_that_is_none_is_refused_before_anything_is_stored(
    tmp_path: Path, name: str, spoil: Any
) -> None:
    good = dump(BatchRecord(B, [*(r for r in RECORDS if r.batch == B), *NOTES]))
    text = spoil(good)
    assert text != good
    file = tmp_path / f"b.{name}"
    with file.open("wb") as opened:
        writer = writer_of("csv" if name == "csv" else "parquet", opened, text)
        writer.write(brew("m/t"))
        writer.close()
    if name == "csv":
        record_beside(file).write_text(text, "utf-8")
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    with pytest.raises(FileFormatError, match=r"b\.\w+ is (damaged|of version 2)"):
        await import_file(tiers, file, lambda *_: None)
    assert await tiers.warm.count() == 0
    assert await tiers.warm.records.find(Batch) == []
    await tiers.close()


async def test_a_record_goes_with_its_own_samples_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = str(tmp_path / "bridge.yaml")
    await fill(configured(tmp_path))
    file = str(tmp_path / "b.csv")
    code, out, err = await cli(capfd, "export", "--batch", B, "--config", config)
    assert (code, len(out.splitlines())) == (0, 2 * COUNT + 1)
    assert "is not in it: give --output FILE" in err
    ranged = ("export", "--start", "0", "--output", file, "--config", config)
    assert (await cli(capfd, *ranged))[0] == 0
    await cli(capfd, "export", "--batch", B, "--output", file, "--config", config)
    before = Path(file).read_bytes()
    code, _, err = await cli(capfd, *ranged)
    assert (code, f"{file}.record.json is the record of a batch" in err) == (2, True)
    assert Path(file).read_bytes() == before
    code, _, err = await cli(
        capfd, "export", "--batch", "none", "--output", str(tmp_path / "n"), "--config", config
    )
    assert (code, "no batch 'none'" in err) == (2, True)
    assert not list(tmp_path.glob("n*"))
    Path(f"{file}.record.json").write_bytes(b"\xff\xfe")
    code, _, err = await cli(capfd, "import", file, "--config", config)
    assert (code, "is no text" in err) == (2, True)


async def test_samples_alone_go_to_the_kettle_that_the_archive_knows(tmp_path: Path) -> None:
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    await tiers.cold.records.put([BatchSeries(B, "m/t", "mash-tun", T, END)])
    with (tmp_path / "b.csv").open("wb") as file:
        writer = writer_of("csv", file)
        writer.write([row for series in ("m/t", "n/t") for row in brew(series)])
        writer.close()
    await import_file(tiers, tmp_path / "b.csv", lambda *_: None)
    kettles = {batch.kettle_id for batch in await tiers.warm.records.find(Batch)}
    assert kettles == {"mash-tun", "n"}, "n stands in for a kettle that is not known"
    await tiers.warm.records.close()
    await tiers.close()


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=90)
IDS = TEXTS.filter(lambda text: 0 < len(text) <= MAX_ID)
TIMES = st.integers(0, T_MAX - 1)
RECORD = st.one_of(
    st.builds(Batch, st.just(B), IDS, TIMES, st.none() | TIMES, TEXTS, TEXTS, TIMES),
    st.builds(BatchSeries, st.just(B), IDS, IDS, TIMES, st.none() | TIMES),
    st.builds(Alarm, IDS, IDS, TIMES, TEXTS, st.none() | TIMES, st.none() | IDS, st.just(B)),
    st.builds(Acknowledgement, IDS, IDS, TIMES, TIMES, IDS, TEXTS, st.just(B)),
    st.builds(Note, IDS, TIMES, IDS, IDS, TEXTS, TIMES, st.just(B)),
)


@given(st.lists(RECORD, max_size=6))
def test_a_record_is_read_as_it_was_written(records: list[Any]) -> None:
    record = BatchRecord(B, records)
    assert parse(dump(record), Path("x")) == record
