"""Checks what every flow says against the translations, as Home Assistant's own suite does."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.components.repairs.issue_handler import RepairsFlowManager
from homeassistant.config_entries import (
    ConfigEntriesFlowManager,
    ConfigSubentryFlowManager,
    OptionsFlowManager,
)
from homeassistant.data_entry_flow import FlowHandler, FlowManager, FlowResultType
from homeassistant.helpers import issue_registry as ir

FOLDER = Path(__file__).parents[2] / "custom_components" / "smart_beer"
PLACEHOLDER = re.compile(r"{(\w+)}")


def translations(language: str) -> dict[str, Any]:
    """The texts of one language."""
    texts: dict[str, Any] = json.loads((FOLDER / "translations" / f"{language}.json").read_text())
    return texts


def flatten(texts: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """The texts by dotted path."""
    flat: dict[str, str] = {}
    for key, value in texts.items():
        where = f"{path}.{key}" if path else key
        flat |= flatten(value, where) if isinstance(value, dict) else {where: value}
    return flat


def wanted(text: str) -> set[str]:
    """The placeholders in a text."""
    return set(PLACEHOLDER.findall(text))


def problems_of(section: str, result: Mapping[str, Any]) -> list[str]:
    """What is not translated of what a flow answers, or lacks a placeholder."""
    texts = flatten(translations("en"))
    given = set(result.get("description_placeholders") or {})
    if result["type"] is FlowResultType.ABORT:
        if result.get("translation_domain") == "homeassistant":
            return []
        used = {f"{section}.abort.{result['reason']}"}
    elif result["type"] in (FlowResultType.FORM, FlowResultType.MENU):
        step = f"{section}.step.{result['step_id']}"
        used = {f"{step}.title"} | {path for path in texts if path.startswith(f"{step}.")}
        used |= {f"{section}.error.{error}" for error in (result.get("errors") or {}).values()}
        used |= {f"{step}.menu_options.{option}" for option in result.get("menu_options") or ()}
        schema = result.get("data_schema")
        if schema is not None and result["type"] is FlowResultType.FORM:
            for field in map(str, schema.schema):
                used |= {f"{step}.data.{field}", f"{step}.data_description.{field}"}
    else:
        return []
    return [f"{path} is not translated" for path in sorted(used - texts.keys())] + [
        f"{path} wants {sorted(lacking)}"
        for path in sorted(used & texts.keys())
        if (lacking := wanted(texts[path]) - given)
    ]


@pytest.fixture(name="check_translations")
def check_translations_fixture() -> Iterator[None]:
    """Fail where a flow of ours shows a form, an error or an end that is not translated."""
    handle = FlowManager._async_handle_step
    found: list[str] = []

    async def checked(
        manager: FlowManager[Any, Any, Any],
        flow: FlowHandler[Any, Any, Any],
        step_id: str,
        user_input: Any,
    ) -> Any:
        result = await handle(manager, flow, step_id, user_input)
        match manager:
            case ConfigEntriesFlowManager():
                section = "config"
            case ConfigSubentryFlowManager():
                section = f"config_subentries.{flow.handler[1]}"
            case OptionsFlowManager():
                section = "options"
            case RepairsFlowManager():
                issue = ir.async_get(manager.hass).async_get_issue(
                    flow.handler, flow.context["issue_id"]
                )
                if issue is None:  # mended, there is nothing more to say
                    return result
                section = f"issues.{issue.translation_key}.fix_flow"
            case _:
                raise TypeError(f"A flow of {manager} that nobody knows.")
        found.extend(problems_of(section, result))
        return result

    with patch.object(FlowManager, "_async_handle_step", checked):
        yield
    assert not found, "\n".join(found)
