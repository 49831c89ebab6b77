"""Actions on the batches that the bridge keeps."""

import json
from collections.abc import AsyncIterator
from typing import Any

import probatio
import pytest
from aiohttp import web
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
)
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.smart_beer.bridge import BRIDGE, BridgeRegistration
from tests.smart_beer.brewery import connected, set_up
from tests.smart_beer.bridge_server import BridgeServer, running_bridge
from tests.smart_beer.edge_stub import EdgeStub
from tests.smart_beer.service_calls import act, kettle

T = 1_790_000_000_123
ISO = "2026-09-21T14:13:20.123+00:00"
NOTE = {
    "note_id": "n1", "t": T, "kettle_id": "mash-tun", "by": "Ana", "text": "Fine",
    "changed": T, "batch_id": "B7",
}  # fmt: skip
LISTED = {
    "batches": [
        {
            "batch_id": "B7", "name": "Lager", "started": T, "ended": None, "running": True,
            "kettles": [{"kettle_id": "mash-tun", "started": T, "ended": None, "running": True}],
        }
    ],
    "more": False,
    "partial": [{"tier": "cold", "error": "away"}],
}  # fmt: skip


@pytest.fixture
async def entry(hass: HomeAssistant, stub: EdgeStub) -> MockConfigEntry:
    """The mash tun with batch B7 in it."""
    stub.batches = {"mash-tun": "B7"}
    entry = await set_up(hass, stub)
    await connected(entry)
    await hass.async_block_till_done()
    return entry


@pytest.fixture(name="store")
async def store_fixture(hass: HomeAssistant, entry: MockConfigEntry) -> AsyncIterator[BridgeServer]:
    """A bridge that is registered, and takes notes."""
    async with running_bridge() as server:
        hass.data[BRIDGE] = BridgeRegistration(**server.registration)
        server.reply = web.json_response(NOTE, status=201)
        yield server


async def test_a_note_is_kept_on_the_batch_that_is_in_the_kettle(
    hass: HomeAssistant, entry: MockConfigEntry, store: BridgeServer
) -> None:
    user = await hass.auth.async_create_user("Ana", group_ids=["system-admin"])
    device_id = kettle(hass, entry)
    told = await act(
        hass, "add_note", device_id=device_id, text=" Fine\n", context=Context(user_id=user.id)
    )
    assert store.queries == [("/v1/batches/B7/notes", {})]
    assert store.bodies == [{"text": "Fine", "by": "Ana", "kettle_id": "mash-tun"}]
    assert told == {"note": {**NOTE, "t": ISO, "changed": ISO}}


async def test_a_note_of_an_automation_on_an_earlier_batch(
    hass: HomeAssistant, entry: MockConfigEntry, store: BridgeServer
) -> None:
    device_id = kettle(hass, entry)
    await act(hass, "add_note", answer=False, device_id=device_id, text="Dry", batch="B 1/2")
    assert store.queries == [("/v1/batches/B 1/2/notes", {})]
    assert store.bodies[0]["by"] == "Home Assistant"


async def test_a_note_needs_a_batch(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    with pytest.raises(ServiceValidationError, match="No batch is in"):
        await act(hass, "add_note", device_id=kettle(hass, entry), text="Dry")


@pytest.mark.parametrize(
    "wrong", [{"text": " "}, {"text": "x" * 10_001}, {"batch": "B\n"}, {"t": 1}]
)
async def test_a_note_that_makes_no_sense_does_not_reach_the_bridge(
    hass: HomeAssistant, entry: MockConfigEntry, store: BridgeServer, wrong: dict[str, Any]
) -> None:
    with pytest.raises(probatio.Invalid):
        await act(hass, "add_note", **{"device_id": kettle(hass, entry), "text": "Dry", **wrong})
    assert store.queries == []


def error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (error(404, "no_such_batch", "None"), ServiceValidationError, "keeps no batch B7"),
        (error(400, "bad_request", "Never in it"), ServiceValidationError, "Never in it. Mend"),
        (error(503, "tier_unavailable", "Warm is away"), HomeAssistantError, "Warm is away. Noth"),
    ],
)
async def test_a_bridge_that_keeps_no_note_is_told_in_words(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    store: BridgeServer,
    reply: web.Response,
    kind: type[Exception],
    words: str,
) -> None:
    store.reply = reply
    with pytest.raises(kind, match=words) as caught:
        await act(hass, "add_note", device_id=kettle(hass, entry), text="Dry")
    assert type(caught.value) is kind


async def test_without_a_bridge_the_actions_say_so(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    with pytest.raises(HomeAssistantError, match="No storage bridge is connected, so"):
        await act(hass, "add_note", device_id=kettle(hass, entry), text="Dry")
    with pytest.raises(HomeAssistantError, match="No storage bridge is connected, so"):
        await act(hass, "get_batches")


async def test_batches_are_listed_with_times_that_templates_take(
    hass: HomeAssistant, entry: MockConfigEntry, store: BridgeServer
) -> None:
    store.reply = json.dumps(LISTED).encode()
    told = await act(
        hass,
        "get_batches",
        device_id=kettle(hass, entry),
        start="2026-09-21T14:13:20.123+00:00",
        end="2026-09-21 07:13:21",
    )
    (batch,) = told["batches"]
    assert (batch["batch_id"], batch["started"], batch["ended"]) == ("B7", ISO, None)
    assert batch["kettles"][0]["started"] == ISO
    assert told["partial"] == LISTED["partial"]
    # a time without a zone is the tests' Home Assistant's, seven hours west of UTC
    assert store.queries == [
        (
            "/v1/batches",
            {"kettle": ["mash-tun"], "start": [str(T)], "end": [str(T - 123 + 1000)]},
        )
    ]
    assert (await act(hass, "get_batches"))["more"] is False
    assert store.queries[-1] == ("/v1/batches", {})


async def test_who_may_only_read_a_kettle_sees_its_batches_and_notes_nothing(
    hass: HomeAssistant, entry: MockConfigEntry, store: BridgeServer
) -> None:
    device_id = kettle(hass, entry)
    entities = er.async_entries_for_device(er.async_get(hass), device_id)
    user = MockUser().add_to_hass(hass)
    user.mock_policy(
        {"entities": {"entity_ids": {one.entity_id: {"read": True} for one in entities}}}
    )
    context = Context(user_id=user.id)
    with pytest.raises(Unauthorized):
        await act(hass, "add_note", device_id=device_id, text="Dry", context=context)
    with pytest.raises(Unauthorized):
        await act(hass, "get_batches", context=context)
    assert store.queries == []
    store.reply = json.dumps(LISTED).encode()
    assert await act(hass, "get_batches", device_id=device_id, context=context)
    user.mock_policy({"entities": {"all": {"read": True}}})
    assert await act(hass, "get_batches", context=context)
