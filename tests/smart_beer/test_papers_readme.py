"""The automations that the READMEs show are ones that Home Assistant takes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from homeassistant.components.automation.config import async_validate_config_item
from homeassistant.core import HomeAssistant

from tests.smart_beer.brewery import set_up
from tests.smart_beer.edge_stub import EdgeStub

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def automations(name: str) -> list[dict[str, Any]]:
    blocks = [yaml.safe_load(text) for text in BLOCK.findall((ROOT / name).read_text("utf-8"))]
    return [block for block in blocks if "triggers" in block]


@pytest.mark.parametrize("name", ["README.md", "README.es.md"])
async def test_every_automation_shown_is_valid(
    hass: HomeAssistant, stub: EdgeStub, name: str
) -> None:
    await set_up(hass, stub)
    shown = automations(name)
    assert len(shown) >= 6
    for number, automation in enumerate(shown):
        found = await async_validate_config_item(hass, str(number), automation)
        assert found is not None
        assert found.validation_error is None, automation["alias"]
