"""Calling actions, with what a node would answer."""

from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock

from homeassistant.exceptions import HomeAssistantError

from custom_components.smart_beer.const import DOMAIN
from custom_components.smart_beer.helpers import kettle_identifier
from custom_components.smart_beer.node_commands import NodeCommands
from tests.smart_beer.brewery import connected, device, node_of, set_up
from tests.smart_beer.flow_helpers import add_hub
from tests.smart_beer.leading import with_outputs

if TYPE_CHECKING:
    from homeassistant.core import Context, HomeAssistant
    from pytest_homeassistant_custom_component.common import MockConfigEntry

    from tests.smart_beer.edge_stub import EdgeStub

LATCHED = {"kettle_id": "mash-tun", "latch": "safe", "since": 1, "text": "Safe was called for."}
ALARM = {"id": "disk_low", "since": 5, "text": "Make room.", "acknowledged": {"by": "Ana"}}


def failed(key: str = "node_unreachable", node: str = "Mash B") -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders={"node": node, "error": "no route"},
    )


def commands(entry: MockConfigEntry, node_id: str = "mash-a", **answers: Any) -> AsyncMock:
    """Instead of a node's commands: a value is returned, an exception raised."""
    fake = AsyncMock(spec=NodeCommands)
    for name, answer in answers.items():
        method = getattr(fake, name)
        if isinstance(answer, Exception):
            method.side_effect = answer
        else:
            method.return_value = answer
    node_of(entry, node_id).commands = fake
    return fake


def kettle(hass: HomeAssistant, entry: MockConfigEntry, kettle_id: str = "mash-tun") -> str:
    found = device(hass, entry, kettle_identifier(kettle_id))
    assert found is not None
    return found.id


async def act(
    hass: HomeAssistant,
    name: str,
    *,
    answer: bool = True,
    context: Context | None = None,
    target: dict[str, Any] | None = None,
    **data: Any,
) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        name,
        data,
        blocking=True,
        return_response=answer,
        context=context,
        target=target,
    )


async def unheard(hass: HomeAssistant, stub: EdgeStub) -> MockConfigEntry:
    """A brewery whose only node never answered: of no kettle is anything known."""
    entry = add_hub(hass, {**stub.data, "port": 1})
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert entry.runtime_data.kettles == {}
    return entry


async def both(hass: HomeAssistant, stub: EdgeStub, second: EdgeStub) -> MockConfigEntry:
    """The mash tun with both nodes."""
    entry = await set_up(hass, with_outputs(stub), second)
    await connected(entry, "mash-a", "mash-b")
    return entry
