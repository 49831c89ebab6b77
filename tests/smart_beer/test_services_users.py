"""Actions: what they can be about, and who may."""

from typing import TYPE_CHECKING, Any

import pytest
from homeassistant.auth.permissions.const import POLICY_CONTROL
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockUser

from custom_components.smart_beer.helpers import node_identifier
from tests.smart_beer.brewery import connected, device, set_up
from tests.smart_beer.service_calls import ALARM, LATCHED, act, commands, kettle, unheard

if TYPE_CHECKING:
    from tests.smart_beer.edge_stub import EdgeStub


async def test_what_is_no_kettle_is_refused(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    node = device(hass, entry, node_identifier("mash-a"))
    assert node is not None
    with pytest.raises(ServiceValidationError, match="Node mash-a is no kettle"):
        await act(hass, "end_batch", device_id=node.id)


async def test_a_brewery_that_is_not_loaded_is_refused(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    kettle_id = kettle(hass, entry)
    assert await hass.config_entries.async_unload(entry.entry_id)
    wrongs: tuple[dict[str, Any], ...] = ({}, {"device_id": kettle_id})
    for data in wrongs:
        with pytest.raises(ServiceValidationError):
            await act(hass, "safe_stop", **data)


async def test_who_may_not_control_every_entity_of_a_kettle_may_not_command_it(
    hass: HomeAssistant, hass_read_only_user: MockUser, stub: EdgeStub
) -> None:
    stub.parts = {"latches": [LATCHED]}
    stub.alarms = [ALARM]
    entry = await set_up(hass, stub)
    await connected(entry)
    await hass.async_block_till_done()
    fake = commands(entry)
    about: dict[str, Any] = {"device_id": kettle(hass, entry)}
    reader = Context(user_id=hass_read_only_user.id)
    commands_of: tuple[tuple[str, dict[str, Any]], ...] = (
        ("acknowledge_alarm", {"alarm": "disk_low"}),
        ("clear_latch", {"latch": "safe"}),
        ("end_batch", {}),
        ("safe_stop", {}),
        ("start_batch", {"batch": "B001"}),
    )
    for name, data in commands_of:
        with pytest.raises(Unauthorized) as caught:
            await act(hass, name, context=reader, **about, **data)
        assert caught.value.permission == POLICY_CONTROL
    assert fake.mock_calls == []
    assert await act(hass, "kettle_state", context=reader)


async def test_who_may_not_control_everything_stops_no_nodes_of_which_nothing_is_known(
    hass: HomeAssistant, hass_read_only_user: MockUser, stub: EdgeStub
) -> None:
    fake = commands(await unheard(hass, stub))
    with pytest.raises(Unauthorized):
        await act(hass, "safe_stop", context=Context(user_id=hass_read_only_user.id))
    assert fake.mock_calls == []


async def test_a_user_who_may_control_every_entity_of_a_kettle_may_command_it(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    await hass.async_block_till_done()
    entities = er.async_entries_for_device(er.async_get(hass), kettle(hass, entry))
    allowed = {one.entity_id: {"control": True} for one in entities}
    fake = commands(entry)
    user = MockUser().add_to_hass(hass)
    user.mock_policy({"entities": {"entity_ids": allowed}})
    await act(hass, "safe_stop", context=Context(user_id=user.id))
    assert fake.safe.await_count == 1
    allowed.popitem()
    user.mock_policy({"entities": {"entity_ids": allowed}})
    with pytest.raises(Unauthorized):
        await act(hass, "safe_stop", context=Context(user_id=user.id))


async def test_a_user_that_does_not_exist_may_nothing(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    with pytest.raises(UnknownUser):
        await act(hass, "safe_stop", context=Context(user_id="nobody"))
