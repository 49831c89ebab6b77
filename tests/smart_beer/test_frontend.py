"""The card: served under its hash, and registered with Lovelace."""

from pathlib import Path
from typing import Any

import pytest
from homeassistant.components.frontend import DATA_EXTRA_MODULE_URL
from homeassistant.components.lovelace.const import LOVELACE_DATA
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.smart_beer import frontend
from custom_components.smart_beer.const import DOMAIN

CARD = "customElements.define('x', class extends HTMLElement {});\n"


@pytest.fixture(name="bundle")
def bundle_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A card that is built."""
    bundle = tmp_path / "smart-beer.js"
    bundle.write_text(CARD)
    monkeypatch.setattr(frontend, "BUNDLE", bundle)
    return bundle


async def load_lovelace(hass: HomeAssistant, config: dict[str, Any] | None = None) -> None:
    assert await async_setup_component(hass, "frontend", {"lovelace": config or {}})
    await hass.async_block_till_done()


def urls(hass: HomeAssistant) -> list[str]:
    return [item["url"] for item in hass.data[LOVELACE_DATA].resources.async_items()]


def forget_setup(hass: HomeAssistant) -> None:
    """As after a restart: what is stored stays."""
    del hass.data[frontend.URL]


async def test_the_card_is_served_under_its_hash_for_ever(
    hass: HomeAssistant, bundle: Path, hass_client_no_auth: ClientSessionGenerator
) -> None:
    await load_lovelace(hass)
    await frontend.async_setup_frontend(hass)
    (url,) = urls(hass)
    assert url.startswith("/smart_beer_static/")
    assert url.endswith("/smart-beer.js")
    client = await hass_client_no_auth()
    response = await client.get(url)
    assert response.status == 200
    assert await response.text() == CARD
    assert "javascript" in response.content_type
    assert "max-age" in response.headers["Cache-Control"]


async def test_the_resource_is_made_once_and_follows_the_hash(
    hass: HomeAssistant, bundle: Path
) -> None:
    await load_lovelace(hass)
    await frontend.async_setup_frontend(hass)
    await frontend.async_setup_frontend(hass)
    (first,) = urls(hass)
    forget_setup(hass)
    bundle.write_text(CARD + "// newer\n")
    await frontend.async_setup_frontend(hass)
    (second,) = urls(hass)
    assert first != second
    (item,) = hass.data[LOVELACE_DATA].resources.async_items()
    assert item["type"] == "module"


async def test_what_is_stored_already_is_read_first_and_others_resources_are_left_alone(
    hass: HomeAssistant, bundle: Path, hass_storage: dict[str, Any]
) -> None:
    others = [
        {"id": "1", "type": "module", "url": "/local/other.js"},
        {"id": "2", "type": "js", "url": "/smart_beer_static/0000/smart-beer.js"},
        {"id": "3", "type": "module", "url": "/smart_beer_static/1111/smart-beer.js"},
    ]
    hass_storage["lovelace_resources"] = {
        "version": 1,
        "key": "lovelace_resources",
        "data": {"items": others},
    }
    await load_lovelace(hass)
    await frontend.async_setup_frontend(hass)
    items = {item["id"]: item for item in hass.data[LOVELACE_DATA].resources.async_items()}
    assert items["1"] == others[0]
    assert items["2"] == {"id": "2", "type": "module", "url": hass.data[frontend.URL]}
    assert "3" not in items
    await frontend.async_remove_frontend(hass)
    assert urls(hass) == ["/local/other.js"]


async def test_a_removed_brewery_that_is_added_again_gets_its_card_back(
    hass: HomeAssistant, bundle: Path
) -> None:
    await load_lovelace(hass)
    await frontend.async_setup_frontend(hass)
    await frontend.async_remove_frontend(hass)
    assert urls(hass) == []
    await frontend.async_setup_frontend(hass)
    assert urls(hass) == [hass.data[frontend.URL]]


async def test_in_yaml_mode_a_repair_names_the_line_and_the_card_works_meanwhile(
    hass: HomeAssistant, bundle: Path, issue_registry: ir.IssueRegistry
) -> None:
    await load_lovelace(hass, {"resource_mode": "yaml"})
    await frontend.async_setup_frontend(hass)
    url = hass.data[frontend.URL]
    issue = issue_registry.async_get_issue(DOMAIN, "lovelace_yaml")
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["url"] == url
    assert url in hass.data[DATA_EXTRA_MODULE_URL].urls
    await frontend.async_remove_frontend(hass)
    assert issue_registry.async_get_issue(DOMAIN, "lovelace_yaml") is None
    assert url not in hass.data[DATA_EXTRA_MODULE_URL].urls


async def test_in_yaml_mode_with_the_line_added_there_is_nothing_to_say(
    hass: HomeAssistant, bundle: Path, issue_registry: ir.IssueRegistry
) -> None:
    digest = frontend._digest(bundle)
    url = f"/smart_beer_static/{digest}/smart-beer.js"
    await load_lovelace(
        hass, {"resource_mode": "yaml", "resources": [{"type": "module", "url": url}]}
    )
    await frontend.async_setup_frontend(hass)
    assert hass.data[frontend.URL] == url
    assert issue_registry.async_get_issue(DOMAIN, "lovelace_yaml") is None
    assert hass.data[DATA_EXTRA_MODULE_URL].urls == frozenset()


async def test_without_dashboards_the_card_is_only_served(
    hass: HomeAssistant, bundle: Path, hass_client_no_auth: ClientSessionGenerator
) -> None:
    assert await async_setup_component(hass, "http", {})
    await frontend.async_setup_frontend(hass)
    client = await hass_client_no_auth()
    assert (await client.get(hass.data[frontend.URL])).status == 200
    await frontend.async_remove_frontend(hass)


async def test_a_card_that_is_not_built_is_said_to_be_missing(
    hass: HomeAssistant, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle.unlink()
    await load_lovelace(hass)
    await frontend.async_setup_frontend(hass)
    assert f"The card is not built: {bundle} is missing" in caplog.text
    assert urls(hass) == []
    await frontend.async_remove_frontend(hass)
