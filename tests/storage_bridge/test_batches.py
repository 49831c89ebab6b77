"""Batches over the API and the command line, on both record stores."""

import asyncio
import csv
import io
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import ClientPayloadError, web
from aiohttp.test_utils import TestClient, TestServer

from storage_bridge.batches import batch_samples, list_batches
from storage_bridge.cli import main
from storage_bridge.model import HOUR_MS, Last, Sample
from storage_bridge.reader import Reader
from storage_bridge.records.model import Acknowledgement, Alarm, Batch, BatchSeries, Record
from storage_bridge.records.pages import find_all, newest_time
from storage_bridge.samples_file import read_file
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.mongo_client import Mongo
from storage_bridge.tiers.mongo_settings import MongoSettings
from storage_bridge.tiers.mongo_warm import MongoWarm

from .api_over import SECRET, api_over
from .bridge_files import write_config
from .servers.mongo import drop

T = 1_790_000_000_000 // HOUR_MS * HOUR_MS + 1234
B = "B001/LÄGER 7"
URL = "/v1/batches/B001%2FL%C3%84GER%207"
STEP_MS = 10_000
COUNT = 1111  # a little more than three hours
END = T + (COUNT - 1) * STEP_MS

type Client = TestClient[web.Request, web.Application]


def brew(series: str) -> list[Sample]:
    """Before, during and after the batch."""
    return [
        Sample(
            series,
            T + place * STEP_MS,
            20 + place / 64,
            "ok",
            B if 0 <= place < COUNT else None,
        )
        for place in range(-100, COUNT + 100)
    ]


RECORDS: list[Record] = [
    Batch(B, "mash-tun", T, T + 999, B, "", 0),
    Batch(B, "mash-tun", T, END, "Lager", "", 5),
    BatchSeries(B, "m/t", "mash-tun", T, END),
    BatchSeries(B, "m/u", "mash-tun", T, END),
    Batch("B002", "fermenter", T + 5, None, "B002", "", 0),
    BatchSeries("B002", "f/t", "fermenter", T + 5, None),
    Alarm("m", "hot", T + 9, "Too hot.", None, "mash-tun", B),
    Acknowledgement("m", "hot", T + 9, T + 10, "Ana", "seen", B),
]


@pytest.fixture(params=["sqlite", "mongo"])
async def tiers(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Tiers]:
    (tmp_path / "data").mkdir()
    made = embedded(tmp_path / "data" / "store.db")
    url: str | None = None
    database = f"smart_beer_test_{uuid.uuid4().hex[:12]}"
    if request.param != "sqlite":
        url = request.getfixturevalue("mongo_url")
        settings = MongoSettings(url=url, driver="pymongo", database=database)
        made = made._replace(warm=MongoWarm(Mongo(settings)))
    await made.open()
    for series in ("m/t", "m/u"):
        await made.warm.write(brew(series))
    await made.warm.write([Sample("f/t", T + 5 + n, 1.0, "ok", "B002") for n in range(0, 500, 5)])
    await made.hot.write_last({"f/t": Last(T + 500, 1.0, "ok", "B002", "s", 1)})
    await made.warm.records.open()
    await made.warm.records.put(RECORDS)
    yield made
    await made.warm.records.close()
    await made.close()
    if url is not None:
        drop(url, database)


@asynccontextmanager
async def asking(tiers: Tiers) -> AsyncIterator[Client]:
    """Asks the bridge's API over these tiers."""
    server = TestServer(api_over(tiers))
    async with TestClient(server, headers={"Authorization": f"Bearer {SECRET}"}) as client:
        yield client


@pytest.fixture
async def client(tiers: Tiers) -> AsyncIterator[Client]:
    async with asking(tiers) as made:
        yield made


async def get(client: Client, path: str, status: int = 200) -> Any:
    async with client.get(path) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def test_batches_are_listed_with_what_runs(client: Client) -> None:
    reply = await get(client, "/v1/batches")
    assert (reply["more"], reply["partial"]) == (False, [])
    lager, running = reply["batches"]
    assert lager == {
        "batch_id": B, "name": "Lager", "started": T, "ended": END,
        "running": False,
        "kettles": [
            {
                "kettle_id": "mash-tun", "started": T, "ended": END,
                "running": False,
            }
        ],
    }  # fmt: skip
    assert (running["batch_id"], running["ended"], running["running"]) == ("B002", None, True)
    some = await get(client, f"/v1/batches?start={T + 1}&kettle=fermenter&limit=1")
    assert [batch["batch_id"] for batch in some["batches"]] == ["B002"]
    assert (await get(client, "/v1/batches?limit=1"))["more"] is True
    await get(client, "/v1/batches?limit=0", 400)


async def test_a_batch_is_told_with_everything_that_belongs_to_it(client: Client) -> None:
    async with client.post(URL + "/notes", json={"text": "Iodine\nfine", "by": "Bo"}) as response:
        assert response.status == 201
        note = await response.json()
    assert (note["kettle_id"], note["batch_id"], note["by"]) == ("mash-tun", B, "Bo")
    reply = await get(client, URL)
    assert reply["series"] == [
        {
            "series": series, "kettle_id": "mash-tun", "first": T,
            "last": END, "samples": COUNT,
        }
        for series in ("m/t", "m/u")
    ]  # fmt: skip
    assert [alarm["alarm_id"] for alarm in reply["alarms"]] == ["hot"]
    assert [(seen["by"], seen["t"]) for seen in reply["acknowledgements"]] == [("Ana", T + 10)]
    assert reply["notes"] == [note]
    assert reply["partial"] == []
    running = await get(client, "/v1/batches/B002")
    assert [(one["samples"], one["last"]) for one in running["series"]] == [(100, T + 500)]
    missing = await get(client, "/v1/batches/none", 404)
    assert missing["error"]["code"] == "no_such_batch"


async def test_a_note_that_makes_no_sense_is_refused(client: Client) -> None:
    for body in (
        b"no json",
        b"[]",
        b'{"text": "x"}',
        b'{"text": " ", "by": "a"}',
        b'{"text": 1, "by": "a"}',
        b'{"text": "x", "by": "a", "kettle_id": "other"}',
        b'{"text": "x", "by": "a", "kettle_id": null}',
        b'{"text": "x", "by": "a", "more": 1}',
        b'{"text": "' + b"x" * 100_001 + b'", "by": "a"}',
        b'{"text": "' + b"x" * 500_000 + b'", "by": "a"}',
    ):
        async with client.post(URL + "/notes", data=body) as response:
            assert response.status == 400, body[:60]
            assert (await response.json())["error"]["message"]
    assert (await get(client, URL))["notes"] == []


async def test_paths_answer_to_their_own_methods(client: Client) -> None:
    async with client.post("/v1/batches") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
    async with client.get(URL + "/notes") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
    async with client.post(URL + "/notes", headers={"Authorization": "no"}) as response:
        assert response.status == 401


@pytest.mark.parametrize("name", ["csv", "parquet"])
async def test_a_batch_is_exported_whole_and_alone(
    client: Client, tmp_path: Path, name: str
) -> None:
    async with client.get(f"{URL}/export?format={name}") as response:
        assert response.status == 200
        assert f"%C3%84GER%207.{name}" in response.headers["Content-Disposition"]
        (tmp_path / "x").write_bytes(await response.read())
    found = [sample for chunk, _, _ in read_file(tmp_path / "x") for sample in chunk]
    assert found == [s for series in ("m/t", "m/u") for s in brew(series) if s.batch == B]
    await get(client, f"{URL}/export?format=xlsx", 400)
    await get(client, "/v1/batches/none/export", 404)


async def test_an_export_that_fails_on_the_way_is_cut_off(
    client: Client, tiers: Tiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = type(tiers.warm).read

    async def fails(self: object, series: str, *rest: Any) -> Any:
        if series == "m/u":
            raise TierUnavailableError("The store has gone.")
        return await read(cast("Any", self), series, *rest)

    monkeypatch.setattr(type(tiers.warm), "read", fails)
    async with client.get(f"{URL}/export") as response:
        assert response.status == 200
        with pytest.raises(ClientPayloadError):
            await response.read()


async def test_a_store_that_is_away_is_said_to_be(
    client: Client, tiers: Tiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_args: Any) -> Any:
        raise TierUnavailableError("The store has gone.")

    with monkeypatch.context() as patch:
        patch.setattr(type(tiers.warm), "read", away)
        await get(client, f"{URL}/export", 503)
        reply = await get(client, URL)
        assert reply["partial"] == [{"tier": "warm", "error": "The store has gone."}]
    with monkeypatch.context() as patch:
        patch.setattr(type(tiers.hot), "newest", away)
        reply = await get(client, "/v1/batches")
        assert reply["partial"] == [{"tier": "hot", "error": "The store has gone."}]
        assert [batch["batch_id"] for batch in reply["batches"]] == [B, "B002"]
        await get(client, f"{URL}/export", 503)


async def test_many_records_come_page_by_page(tiers: Tiers) -> None:
    many = [Batch(f"C{n:03}", "k", 5 if n < 40 else n, None, "", "", 0) for n in range(100)]
    await tiers.warm.records.put(many)
    found = [one async for one in find_all(tiers.warm.records, Batch, subject="k", page=7)]
    assert sorted(one.batch_id for one in found) == [one.batch_id for one in many]
    assert len(found) == 100
    records = tiers.warm.records
    assert await newest_time(records, Batch, "k", T) == 99
    assert await newest_time(records, Batch, "mash-tun", T + 1) == T
    assert await newest_time(records, Batch, "nowhere", T) is None


async def test_a_batch_that_has_moved_to_cold_is_the_same(tmp_path: Path) -> None:
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    from storage_bridge.codec import encode  # noqa: PLC0415 - here alone

    by_hour: dict[int, list[Sample]] = {}
    for sample in brew("m/t"):
        by_hour.setdefault(sample.t // HOUR_MS, []).append(sample)
    for place, rows in enumerate(by_hour.values()):
        if place % 2:
            await tiers.warm.write(rows)
        else:
            await tiers.cold.write_chunk(encode(rows))
    await tiers.warm.records.open()
    await tiers.warm.records.put(RECORDS[:3])
    found = [sample async for page in batch_samples(tiers, Reader(*tiers), B) for sample in page]
    assert found == [sample for sample in brew("m/t") if sample.batch == B]
    reader = Reader(*tiers)
    for start, end in ((T - 99_000, T + 5 * HOUR_MS), (T + 1, T + 2), (T, T + HOUR_MS), (5, 6)):
        expected = sum(start <= sample.t < end for sample in brew("m/t"))
        assert await reader.count("m/t", start, end) == (expected, [])
    await tiers.warm.records.close()
    await tiers.close()


async def test_from_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    tiers = embedded(tmp_path / "data" / "store.db")
    await tiers.open()
    await tiers.warm.write(brew("m/t"))
    await tiers.warm.records.open()
    await tiers.warm.records.put(RECORDS[:3])
    await tiers.warm.records.close()
    await tiers.close()
    config = str(write_config(tmp_path, "ws://127.0.0.1:9/api/websocket"))
    other = str(write_config(tmp_path / "other", "ws://127.0.0.1:9/api/websocket"))
    files = {name: str(tmp_path / f"out.{name}") for name in ("csv", "parquet")}

    async def cli(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(main, arguments)
        return code, *capfd.readouterr()

    assert (await cli("batches", "--config", config))[1].endswith(f" mash-tun {B}\n")
    code, out, _ = await cli("note", "--batch", B, "--by", "Bo", "Fine.", "--config", config)
    assert (code, f"batch {B} in mash-tun" in out) == (0, True)
    code, _, err = await cli("note", "--batch", "none", "x", "--config", config)
    assert (code, "no batch 'none'" in err) == (2, True)
    code, _, err = await cli("note", "--batch", B, " ", "--config", config)
    assert (code, "empty" in err) == (2, True)
    for name, path in files.items():
        code, _, err = await cli(
            "export", "--batch", B, "--format", name, "--output", path, "--config", config
        )
        assert (code, f"{COUNT} samples exported" in err) == (0, True), err
        code, _, err = await cli("import", path, "--config", other)
        assert (code, f"{COUNT} samples imported" in err) == (0, True), err
    code, out, _ = await cli("export", "--batch", B, "--config", other)
    rows = list(csv.reader(io.StringIO(out)))
    assert len(rows) == COUNT + 1
    assert (tmp_path / "out.csv").read_bytes().decode() == out
    code, _, err = await cli("export", "--batch", B, "--series", "m/t", "--config", config)
    assert (code, "leave --series" in err) == (2, True)
    code, _, err = await cli("export", "--batch", "none", "--config", config)
    assert (code, "no batch" in err) == (2, True)
    code, _, err = await cli("import", config, "--config", config)
    assert (code, "has no column" in err) == (2, True)
    assert not list(tmp_path.glob("*.part"))


async def test_a_batch_that_goes_on_after_a_pause_runs(tmp_path: Path) -> None:
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    await tiers.warm.records.open()
    await tiers.warm.records.put(RECORDS[:4])
    await tiers.hot.write_last({"m/t": Last(T + 10**8, 1.0, "ok", B, "s", 1)})
    (batch,) = (await list_batches(tiers, None, None, None, 10))["batches"]
    assert (batch["running"], batch["ended"], batch["kettles"][0]["ended"]) == (True, None, None)
    await tiers.warm.records.close()
    await tiers.close()
