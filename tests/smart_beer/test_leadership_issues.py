"""Repairs about who leads: raised while it is so, with what a person needs to mend it."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from homeassistant.helpers import issue_registry as ir

from custom_components.smart_beer import brewery_watch
from custom_components.smart_beer.const import DOMAIN
from tests.smart_beer.brewery import connected, eventually, set_up
from tests.smart_beer.leading import lead

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

    from tests.smart_beer.edge_stub import EdgeStub


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The brewery is looked at ten times a second."""
    monkeypatch.setattr(brewery_watch, "LOOK_EVERY", timedelta(seconds=0.1))


def shown(hass: HomeAssistant, issue_id: str) -> ir.IssueEntry | None:
    return ir.async_get(hass).async_get_issue(DOMAIN, issue_id)


async def test_a_copied_server_id_is_shown_until_there_is_one_server_of_it(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    lead(entry, twin=True, server_id="server-a")
    await eventually(lambda: shown(hass, "server_id_twice"))
    issue = shown(hass, "server_id_twice")
    assert issue is not None
    assert issue.severity is ir.IssueSeverity.ERROR
    assert issue.translation_placeholders == {"kettles": "Mash tun", "server_id": "server-a"}
    assert issue.learn_more_url is not None
    lead(entry)
    await eventually(lambda: shown(hass, "server_id_twice") is None)


async def test_nodes_that_list_others_are_shown_with_what_each_says(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    second.kettles[0]["group"] = ["mash-b", "mash-a"]
    entry = await set_up(hass, stub, second)
    await connected(entry, "mash-a", "mash-b")
    lead(entry, members_agree=False)
    await eventually(lambda: shown(hass, "members_differ_mash-tun"))
    issue = shown(hass, "members_differ_mash-tun")
    assert issue is not None
    assert issue.translation_placeholders == {
        "kettle": "Mash tun",
        "groups": "- mash-a: mash-a\n- mash-b: mash-a, mash-b",
    }
    lead(entry, members_agree=True)
    await eventually(lambda: shown(hass, "members_differ_mash-tun") is None)


async def test_a_brewery_that_is_not_loaded_shows_neither(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    lead(entry, members_agree=False, twin=True)
    await eventually(lambda: shown(hass, "members_differ_mash-tun"))
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert shown(hass, "members_differ_mash-tun") is None
    assert shown(hass, "server_id_twice") is None
