"""What the bridge mirrors is the same, whether Home Assistant shows it live or has recorded it."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from homeassistant.components.recorder import get_instance
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from custom_components.smart_beer.bridge import async_create_bridge_token
from storage_bridge.mirror_states import Item, LiveStates, recorded
from tests.smart_beer.bridge_client import BridgeClient

if TYPE_CHECKING:
    from homeassistant.components.recorder import Recorder
    from homeassistant.core import HomeAssistant
    from pytest_homeassistant_custom_component.typing import WebSocketGenerator

GRAVITY, PUMP = "sensor.tilt_red_gravity", "switch.pump"
CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    (GRAVITY, "1.050", {"rssi": -60}),
    (PUMP, "off", {}),
    (GRAVITY, "1.050", {"rssi": -61}),
    (GRAVITY, "1.049", {"rssi": -61}),
    (PUMP, "off", {"watts": 3}),
    (GRAVITY, "unavailable", {}),
    (PUMP, "on", {}),
    (GRAVITY, "1.048", {}),
]


@pytest.fixture(autouse=True)
def load_custom_integrations(recorder_mock: Recorder, enable_custom_integrations: None) -> None:
    """The recorder first: it has to be there before Home Assistant is."""


@pytest.fixture(autouse=True)
async def with_history(recorder_mock: Recorder, hass: HomeAssistant) -> None:
    assert recorder_mock is get_instance(hass)
    assert await async_setup_component(hass, "history", {})
    assert await async_setup_component(hass, "smart_beer", {})


async def test_live_and_recorded_states_come_to_the_same(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator
) -> None:
    start = dt_util.utcnow() - timedelta(seconds=1)
    bridge = BridgeClient(await hass_ws_client(hass, await async_create_bridge_token(hass)))
    hass.states.async_set("sensor.other", "7")
    hass.states.async_set(*CHANGES[0])
    assert (await bridge.call("subscribe_entities", entity_ids=[GRAVITY, PUMP]))["success"]
    live = LiveStates()
    shown: list[Item] = live.take(await bridge.event())
    assert len(shown) == 1
    for change in CHANGES[1:]:
        hass.states.async_set(*change)
        shown += live.take(await bridge.event())
    assert [(item.entity_id, item.state, item.value) for item in shown] == [
        (entity_id, state, float(state) if state[0] == "1" else None)
        for entity_id, state, _ in CHANGES
    ]
    await get_instance(hass).async_block_till_done()
    await hass.async_block_till_done()
    for entity_id in (GRAVITY, PUMP):
        reply = await bridge.call(
            "history/history_during_period",
            start_time=start.isoformat(timespec="milliseconds"),
            entity_ids=[entity_id],
            include_start_time_state=False,
            significant_changes_only=False,
            no_attributes=True,
        )
        assert reply["success"], reply
        rows = reply["result"][entity_id]
        assert recorded(entity_id, rows) == [item for item in shown if item.entity_id == entity_id]
