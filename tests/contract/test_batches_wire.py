"""Batches on the wire: the real integration against the real API of the bridge and its stores."""

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientPayloadError, web
from homeassistant.auth.const import GROUP_ID_READ_ONLY
from homeassistant.exceptions import ServiceValidationError

from custom_components.smart_beer.bridge import BRIDGE, BridgeRegistration
from custom_components.smart_beer.const import DOMAIN
from custom_components.smart_beer.helpers import kettle_identifier
from storage_bridge.model import Last, Sample
from storage_bridge.records.model import Acknowledgement, Alarm, Batch, BatchSeries
from storage_bridge.samples_file import read_file
from storage_bridge.tiers import embedded
from storage_bridge.tiers.base import TierUnavailableError
from tests.contract.brewery import set_up
from tests.smart_beer.brewery import device, eventually
from tests.smart_beer.bridge_client import BridgeClient
from tests.storage_bridge.api_over import SECRET, api_over

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from homeassistant.core import HomeAssistant
    from pytest_homeassistant_custom_component.typing import (
        ClientSessionGenerator,
        WebSocketGenerator,
    )

    from storage_bridge.tiers import Tiers
    from tests.contract.conftest import Simulation

    type Simulate = Callable[..., Awaitable[Simulation]]

T = 1_790_000_000_000
COUNT = 12_345  # more than a page of the bridge's
END = T + (COUNT - 1) * 1000
B = "B001/LÄGER 7"
SERIES = "mash-tun-1/temperature"
EXPORT = "/api/smart_beer/export"


@pytest.fixture
async def tiers(tmp_path: Path) -> AsyncIterator[Tiers]:
    """Stores with a batch that is over and one that runs."""
    made = embedded(tmp_path / "store.db")
    await made.open()
    await made.warm.write(
        [Sample(SERIES, T + n * 1000, 66 + n / 64, "ok", B) for n in range(COUNT)]
    )
    await made.hot.write_last({SERIES: Last(END + 5000, 66.0, "ok", "B002", "s", 1)})
    await made.warm.records.open()
    await made.warm.records.put(
        [
            Batch(B, "mash-tun", T, END, "Lager", "", 0),
            BatchSeries(B, SERIES, "mash-tun", T, END),
            Batch("B002", "mash-tun", END + 1000, None, "B002", "", 0),
            BatchSeries("B002", SERIES, "mash-tun", END + 1000, None),
            Alarm("mash-tun-1", "hot", T + 9, "Too hot.", None, "mash-tun", B),
            Acknowledgement("mash-tun-1", "hot", T + 9, T + 10, "Ana", "seen", B),
        ]
    )
    yield made
    await made.warm.records.close()
    await made.close()


@pytest.fixture
async def kettle(
    hass: HomeAssistant, simulate: Simulate, tiers: Tiers, hass_ws_client: WebSocketGenerator
) -> AsyncIterator[str]:
    """The device of the mash tun, in a Home Assistant in which the bridge has registered."""
    runner = web.AppRunner(api_over(tiers), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    entry = await set_up(hass, await simulate())
    identifier = kettle_identifier("mash-tun")
    await eventually(lambda: device(hass, entry, identifier) is not None, "the kettle is known")
    await eventually(lambda: "mash-tun" in entry.runtime_data.kettles, "the kettle is there")
    bridge = BridgeClient(await hass_ws_client(hass))
    reply = await bridge.call(
        "smart_beer/bridge/register",
        url=f"http://127.0.0.1:{runner.addresses[0][1]}",
        secret=SECRET,
        version="0.1.0",
    )
    assert reply["success"], reply
    assert isinstance(hass.data[BRIDGE], BridgeRegistration)
    found = device(hass, entry, identifier)
    assert found is not None
    yield found.id
    await runner.cleanup()


async def act(hass: HomeAssistant, name: str, **data: Any) -> Any:
    return await hass.services.async_call(DOMAIN, name, data, blocking=True, return_response=True)


async def test_a_person_who_may_read_sees_the_batches_and_all_of_one(
    hass: HomeAssistant, kettle: str, hass_ws_client: WebSocketGenerator
) -> None:
    user = await hass.auth.async_create_user("Ana", group_ids=[GROUP_ID_READ_ONLY])
    token = await hass.auth.async_create_refresh_token(user, "http://localhost")
    card = BridgeClient(await hass_ws_client(hass, hass.auth.async_create_access_token(token)))
    reply = (await card.call("smart_beer/batches", kettle="mash-tun"))["result"]
    assert (reply["more"], reply["partial"]) == (False, [])
    lager, running = reply["batches"]
    assert (lager["batch_id"], lager["name"], lager["ended"]) == (B, "Lager", END)
    assert (running["batch_id"], running["running"], running["ended"]) == ("B002", True, None)
    some = (await card.call("smart_beer/batches", start=T + 1, end=END + 1001))["result"]
    assert [one["batch_id"] for one in some["batches"]] == ["B002"]
    whole = (await card.call("smart_beer/batch", batch=B))["result"]
    assert whole["series"] == [
        {"series": SERIES, "kettle_id": "mash-tun", "first": T, "last": END, "samples": COUNT}
    ]
    assert [one["text"] for one in whole["alarms"]] == ["Too hot."]
    assert [one["by"] for one in whole["acknowledgements"]] == ["Ana"]
    error = (await card.call("smart_beer/batch", batch="B9"))["error"]
    assert (error["code"], error["message"]) == (
        "no_such_batch",
        "There is no batch 'B9' here.",
    )


async def test_a_note_comes_back_with_its_batch(
    hass: HomeAssistant, kettle: str, hass_ws_client: WebSocketGenerator
) -> None:
    text = "Iodine test negative.\n78 °C 🍺"
    note = (await act(hass, "add_note", device_id=kettle, batch=B, text=text))["note"]
    assert (note["by"], note["kettle_id"], note["batch_id"]) == ("Home Assistant", "mash-tun", B)
    card = BridgeClient(await hass_ws_client(hass))
    (kept,) = (await card.call("smart_beer/batch", batch=B))["result"]["notes"]
    assert (kept["note_id"], kept["text"]) == (note["note_id"], text)
    with pytest.raises(ServiceValidationError, match="keeps no batch B9"):
        await act(hass, "add_note", device_id=kettle, batch="B9", text="x")
    listed = await act(hass, "get_batches", device_id=kettle)
    assert [one["batch_id"] for one in listed["batches"]] == [B, "B002"]
    assert listed["batches"][0]["started"] == "2026-09-21T14:13:20.000+00:00"


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
async def test_a_file_of_a_batch_holds_every_sample_and_can_be_read_back(
    kettle: str, hass_client: ClientSessionGenerator, tmp_path: Path, file_format: str
) -> None:
    client = await hass_client()
    response = await client.get(EXPORT, params={"batch": B, "format": file_format})
    assert response.status == 200
    body = await response.read()
    path = tmp_path / f"batch.{file_format}"
    path.write_bytes(body)
    read = [sample for samples, *_ in read_file(path) for sample in samples]
    assert len(read) == COUNT
    assert (read[0], read[-1]) == (
        Sample(SERIES, T, 66.0, "ok", B),
        Sample(SERIES, END, 66 + (COUNT - 1) / 64, "ok", B),
    )
    if file_format == "csv":
        of_batch = list(csv.reader(io.StringIO(body.decode())))
        query = {"series": SERIES, "start": T, "end": END + 1}
        of_series = await (await client.get(EXPORT, params=query)).text()
        assert of_batch == list(csv.reader(io.StringIO(of_series))), "both exports are one format"
    assert (await client.get(EXPORT, params={"batch": "B9"})).status == 404


async def test_a_store_that_fails_half_way_leaves_no_file_that_passes_as_whole(
    kettle: str,
    tiers: Tiers,
    hass_client: ClientSessionGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    warm: Any = type(tiers.warm)
    read = warm.read
    fails_at = 1

    async def failing(self: Any, *args: Any) -> Any:
        nonlocal fails_at
        fails_at -= 1
        if fails_at < 0:
            raise TierUnavailableError("The store has gone.")
        return await read(self, *args)

    monkeypatch.setattr(warm, "read", failing)
    client = await hass_client()
    response = await client.get(EXPORT, params={"batch": B})
    assert response.status == 200
    with pytest.raises(ClientPayloadError):
        await response.read()
    response = await client.get(EXPORT, params={"batch": B})
    assert response.status == 503
    assert "The store has gone" in (await response.json())["message"]
