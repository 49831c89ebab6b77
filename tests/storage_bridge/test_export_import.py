"""Samples out into files and back, the same to the last bit."""

import asyncio
import io
import math
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage_bridge import samples_parquet
from storage_bridge.cli import main
from storage_bridge.codec import encode
from storage_bridge.config import load as load_config
from storage_bridge.importer import Imported, import_file
from storage_bridge.kettles import stand_in
from storage_bridge.model import MAX_TEXT, T_MAX, Sample
from storage_bridge.reader import Reader
from storage_bridge.records.model import Batch
from storage_bridge.samples_file import (
    FileFormatError,
    Format,
    Pieces,
    read_file,
    writer_of,
)
from storage_bridge.stored import open_store, pages
from storage_bridge.tiers import Tiers, embedded

from .bridge_files import write_config

TEXTS = st.one_of(
    st.sampled_from(["mash-a/t", 'a"b,c', "\r\n", " x ", "=1+1", "é;\ud7ff\U0001f37a", "'", "\\"]),
    st.text(
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
        min_size=1,
        max_size=MAX_TEXT,
    ),
)
VALUES = st.none() | st.floats(allow_nan=False, allow_infinity=False)
SAMPLES = st.lists(
    st.builds(Sample, TEXTS, st.integers(0, T_MAX - 1), VALUES, TEXTS, st.none() | TEXTS),
    max_size=60,
    unique_by=lambda sample: (sample.series, sample.t),
)
BOTH = pytest.mark.parametrize("name", ["csv", "parquet"])


def bits(samples: list[Sample]) -> list[tuple[object, ...]]:
    """Samples with their values as bits: -0.0 is not 0.0."""
    return [
        (s.series, s.t, s.value if s.value is None else struct.pack("d", s.value), *s[3:])
        for s in samples
    ]


def save(path: Path, name: Format, *chunks: list[Sample]) -> Path:
    with path.open("wb") as file:
        writer = writer_of(name, file)
        for chunk in chunks:
            writer.write(chunk)
        writer.close()
    return path


def load(path: Path) -> list[Sample]:
    return [sample for samples, _, _ in read_file(path) for sample in samples]


@BOTH
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=SAMPLES, cut=st.integers(0, 60))
def test_a_file_holds_samples_to_the_last_bit(
    tmp_path: Path, name: Format, samples: list[Sample], cut: int
) -> None:
    path = save(tmp_path / "x", name, samples[:cut], samples[cut:])
    assert bits(load(path)) == bits(samples)


@BOTH
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(samples=SAMPLES)
async def test_a_store_is_the_same_after_a_round_trip(
    tmp_path_factory: pytest.TempPathFactory, name: Format, samples: list[Sample]
) -> None:
    folder = tmp_path_factory.mktemp("trip")
    one, other = embedded(folder / "one.db"), embedded(folder / "other.db")
    await one.open()
    await other.open()
    try:
        await one.warm.write(samples)
        path = save(folder / "x", name, await everything(one))
        for _ in range(2):  # done again it changes nothing
            result = await import_file(other, path, lambda *_: None)
            assert result == Imported(len(samples), 0)
        assert bits(await everything(other)) == bits(await everything(one))
        want: dict[tuple[str, str], list[int]] = {}
        for sample in samples:
            if sample.batch is not None:
                want.setdefault((sample.batch, stand_in(sample.series)), []).append(sample.t)
        assert {
            (batch.batch_id, batch.kettle_id): (batch.started, batch.ended)
            for batch in await other.warm.records.find(Batch)
        } == {key: (min(times), max(times)) for key, times in want.items()}
    finally:
        await other.warm.records.close()
        await other.close()
        await one.close()


async def everything(tiers: Tiers) -> list[Sample]:
    return [
        sample
        for series in await tiers.warm.series()
        async for page in pages(Reader(*tiers), series, 0, T_MAX)
        for sample in page
    ]


@pytest.mark.parametrize("stores", [("mongo",)], indirect=True, ids="+".join)
async def test_what_a_store_cannot_tell_from_new_is_told_as_well(
    stores: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """MongoDB keeps the first content and does not say so; the archive is not even asked."""
    path = write_config(tmp_path, "ws://127.0.0.1:9/api/websocket", tiers=stores)
    first = [Sample("n/t", t, 1.0, "ok", None) for t in range(5)]
    archived = Sample("n/t", 10, 1.0, "ok", None)
    async with open_store(load_config(path), create=True) as tiers:
        await tiers.warm.write(first)
        await tiers.cold.write_chunk(encode([archived]))
    rows = [*first[:3], first[3]._replace(value=9.0), archived._replace(value=9.0)]
    command = ["import", str(save(tmp_path / "x", "csv", rows)), "--config", str(path)]
    assert await asyncio.to_thread(main, command) == 1
    assert "2 samples are stored with another content" in capsys.readouterr().err
    async with open_store(load_config(path)) as tiers:
        refused = [conflict.refused for conflict in await tiers.warm.conflicts(9)]
        assert sorted(refused) == rows[3:]
        stored = [row async for page in pages(Reader(*tiers), "n/t", 0, 100) for row in page]
        assert stored == [*first, archived]


async def test_what_is_stored_otherwise_stays_and_is_told(tmp_path: Path) -> None:
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    await tiers.warm.write([Sample("n/t", 1, 1.0, "ok", None)])
    rows = [Sample("n/t", 1, 2.0, "ok", None), Sample("n/t", 2, 2.0, "ok", None)]
    file = save(tmp_path / "x", "csv", rows)
    assert await import_file(tiers, file, lambda *_: None) == Imported(2, 1)
    assert [row.value for row in await everything(tiers)] == [1.0, 2.0]
    assert (await tiers.warm.conflicts(5))[0].refused.value == 2.0
    await tiers.warm.records.close()
    await tiers.close()


def test_parquet_has_row_groups_and_needs_no_more_memory_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples_parquet, "ROW_GROUP", 1000)
    rows = [Sample("n/t", t, math.sin(t), "ok", "B1") for t in range(4500)]
    pieces = Pieces()
    writer = writer_of("parquet", pieces)
    sizes = []
    data = b""
    for at in range(0, len(rows), 500):
        writer.write(rows[at : at + 500])
        data += (piece := pieces.take())
        sizes.append(len(piece))
    writer.close()
    data += pieces.take()
    assert sum(size > 0 for size in sizes) >= 4, "it is sent while it is written"
    file = pq.ParquetFile(io.BytesIO(data))
    assert file.metadata.num_row_groups == 5
    assert str(file.schema_arrow.field("t").type) == "timestamp[ms, tz=UTC]"
    (tmp_path / "x").write_bytes(data)
    assert load(tmp_path / "x") == rows


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no column 'series'"),
        ("series,t,value,quality\n", "has no column 'batch'"),
        ("series,t,value,quality,batch\nn/t,1,1.0,ok,\nn/t,x,1,ok,\n", "line 3: .*'x'"),
        ("series,t,value,quality,batch\nn/t,1,nan,ok,\n", "line 2: The value is not a finite"),
        ("series,t,value,quality,batch\nn/t,1,1.0\n", "line 2"),
        ("series,t,value,quality,batch\nn/t,-1,1.0,ok,\n", "line 2: The time"),
        ('series,t,value,quality,batch\n"n/t,1,1.0,ok,\n', "line"),
        ("PAR1 and then nonsense", "Parquet"),
    ],
)
def test_a_file_that_is_no_export_is_refused_with_its_line(
    tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(FileFormatError, match=reason):
        load(tmp_path / "x")


def test_parquet_of_others_is_refused_or_taken_as_it_is(tmp_path: Path) -> None:
    names = {"series": ["n/t"], "value": [1.5], "quality": ["ok"], "batch": [None], "more": [1]}
    for t, fine in (
        (pa.array([5_000_000], pa.timestamp("ns", tz="UTC")), True),
        (pa.array([5], pa.timestamp("s", tz="UTC")), True),
        (pa.array([5_000_001], pa.timestamp("ns", tz="UTC")), False),
        (pa.array(["x"]), False),
    ):
        pq.write_table(pa.table({**names, "t": t}), tmp_path / "x")
        if fine:
            assert load(tmp_path / "x")[0].value == 1.5
        else:
            with pytest.raises(FileFormatError):
                load(tmp_path / "x")
    pq.write_table(pa.table({"series": ["n/t"]}), tmp_path / "x")
    with pytest.raises(FileFormatError, match="no column 't'"):
        load(tmp_path / "x")


def test_csv_of_a_spreadsheet_with_a_mark_and_other_columns_is_taken(tmp_path: Path) -> None:
    text = "\ufeffbatch,quality,value,t,series,remark\nB1,ok,1.5,7,n/t,hello\n,bad:crc,,8,n/t,\n"
    (tmp_path / "x").write_text(text, encoding="utf-8")
    assert load(tmp_path / "x") == [
        Sample("n/t", 7, 1.5, "ok", "B1"),
        Sample("n/t", 8, None, "bad:crc", None),
    ]


def test_pyarrow_is_imported_for_parquet_alone() -> None:
    code = (
        "import sys, storage_bridge.cli, storage_bridge.app\n"
        "assert 'pyarrow' not in sys.modules\n"
        "sys.modules['pyarrow'] = None\n"
        "from storage_bridge.samples_file import Pieces, ParquetMissingError, writer_of\n"
        "writer_of('csv', Pieces()).close()\n"
        "try:\n    writer_of('parquet', Pieces())\n"
        "except ParquetMissingError as err:\n    assert 'smart-beer[bridge,parquet]' in str(err)\n"
        "else:\n    raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
