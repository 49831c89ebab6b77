"""Actions, triggers, conditions and exceptions: code, YAML, texts and icons agree."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from homeassistant.core import HomeAssistant
from homeassistant.helpers import condition as condition_helper
from homeassistant.helpers import service as service_helper
from homeassistant.helpers import trigger as trigger_helper

from custom_components.smart_beer import command_errors, condition, services, trigger
from custom_components.smart_beer.const import DOMAIN
from custom_components.smart_beer.vocabulary import LATCHES, PERMITS
from tests.smart_beer.translation_check import FOLDER, flatten, translations, wanted

NODE = Path(__file__).parents[2] / "edge_node"
SOURCES = {path.stem: ast.parse(path.read_text()) for path in sorted(FOLDER.glob("*.py"))}
ICONS = json.loads((FOLDER / "icons.json").read_text())
EN = translations("en")
ICON_OF = {"services": "service", "triggers": "trigger", "conditions": "condition"}


def described(kind: str) -> dict[str, Any]:
    """What the YAML file says, without its anchors."""
    found = yaml.safe_load((FOLDER / f"{kind}.yaml").read_text())
    return {key: value for key, value in found.items() if not key.startswith(".")}


def selects(kind: str) -> dict[str, set[str]]:
    """The options of each translated select of a YAML file, by its translation key."""
    found: dict[str, set[str]] = {}
    for one in described(kind).values():
        for field in one["fields"].values():
            select = field["selector"].get("select") or {}
            if key := select.get("translation_key"):
                assert found.setdefault(key, set(select["options"])) == set(select["options"])
    return found


@pytest.fixture
def taken(hass: HomeAssistant) -> dict[str, dict[str, set[str]]]:
    """What the code takes: by kind and name, the fields."""
    services.async_setup_services(hass)
    registered = hass.services.async_services_for_domain(DOMAIN)
    of_entities = {"autotune": services._AUTOTUNE, "run_output": services._RUN_OUTPUT}
    fields: dict[str, set[str]] = {}
    for name, one in registered.items():
        schema: Any = one.schema
        fields[name] = {str(key) for key in of_entities.get(name) or schema.schema}
    conditions = condition._SCHEMA.schema["options"]
    return {
        "services": fields,
        "triggers": {
            name: {str(key) for key in one.options}  # type: ignore[attr-defined]
            for name, one in trigger.TRIGGERS.items()
        },
        "conditions": {name: {str(key) for key in conditions} for name in condition.CONDITIONS},
    }


@pytest.mark.parametrize("kind", ICON_OF)
def test_code_yaml_texts_and_icons_name_the_same(
    kind: str, taken: dict[str, dict[str, set[str]]]
) -> None:
    names = taken[kind].keys()
    assert names == described(kind).keys() == EN[kind].keys() == ICONS[kind].keys()
    for icon in ICONS[kind].values():
        assert icon[ICON_OF[kind]].startswith("mdi:")


@pytest.mark.parametrize("kind", ICON_OF)
def test_code_yaml_and_texts_have_the_same_fields(
    kind: str, taken: dict[str, dict[str, set[str]]]
) -> None:
    for name, fields in taken[kind].items():
        assert described(kind)[name].get("fields", {}).keys() == fields, name
        texts = EN[kind][name]
        assert texts["name"]
        assert texts["description"].endswith(".")
        assert texts.get("fields", {}).keys() == fields, name
        for field in texts.get("fields", {}).values():
            assert field.keys() == {"name", "description"}


@pytest.mark.parametrize("kind", ICON_OF)
def test_the_yaml_holds_no_texts(kind: str) -> None:
    for name, one in described(kind).items():
        for part in (one, *one.get("fields", {}).values()):
            assert not part.keys() & {"name", "description"}, name


def test_every_choice_of_a_field_is_named_and_no_other() -> None:
    used: dict[str, set[str]] = {}
    for kind in ICON_OF:
        used |= selects(kind)
    assert {key: set(one["options"]) for key, one in EN["selector"].items()} == used
    assert used["latch"] == set(LATCHES)
    assert used["leader_change"] == set(trigger.LEADER_CHANGES)
    assert used["alarm_change"] == set(trigger.ALARM_CHANGES)


async def test_home_assistant_reads_the_yaml(hass: HomeAssistant) -> None:
    await trigger_helper.async_validate_trigger_config(hass, [{"platform": "smart_beer.latched"}])
    await condition_helper.async_validate_condition_config(
        hass, {"condition": "smart_beer.is_leader"}
    )
    services.async_setup_services(hass)
    for kind, found in (
        ("services", (await service_helper.async_get_all_descriptions(hass))[DOMAIN]),
        ("triggers", await trigger_helper.async_get_all_descriptions(hass)),
        ("conditions", await condition_helper.async_get_all_descriptions(hass)),
    ):
        for name, one in described(kind).items():
            read: Any = found[name if kind == "services" else f"{DOMAIN}.{name}"]
            assert read["fields"].keys() == one["fields"].keys(), name


# Exceptions


def raised() -> dict[str, list[set[str] | None]]:
    """The exceptions that the code raises, with the placeholders they are given, where it says."""
    found: dict[str, list[set[str] | None]] = {}
    for tree in SOURCES.values():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            named = {item.arg: item.value for item in node.keywords}
            key: ast.expr | None = None
            given: set[str] | None = None
            if isinstance(node.func, ast.Name) and name in ("error", "_invalid"):
                key, given = node.args[0], {str(arg) for arg in named}
            elif name in ("HomeAssistantError", "ServiceValidationError", "UpdateFailed"):
                key = named.get("translation_key")
                assert key is not None, f"{name} without a text of ours"
                given = _keys(named.get("translation_placeholders"))
            if isinstance(key, ast.Constant):
                found.setdefault(str(key.value), []).append(given)
    return found


def _keys(node: ast.expr | None) -> set[str] | None:
    if isinstance(node, ast.Dict):
        return {str(ast.literal_eval(key)) for key in node.keys if key is not None}
    return None


def test_every_exception_that_is_raised_is_described_with_its_placeholders() -> None:
    found = raised()
    assert len(found) > 12
    for key, uses in found.items():
        assert key in EN["exceptions"], key
        for given in uses:
            assert given is None or wanted(EN["exceptions"][key]["message"]) <= given, key


def test_no_exception_is_described_in_vain() -> None:
    named = {
        node.value
        for tree in SOURCES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    named |= {f"limited_{permit}" for permit in PERMITS}
    assert EN["exceptions"].keys() <= named


def test_what_several_nodes_said_is_told_with_their_names() -> None:
    for key in (services.NOT_SAFE, services.PARTLY):
        assert wanted(EN["exceptions"][key]["message"]) == {"nodes", "errors"}


def test_every_sentence_says_what_to_do_without_a_word_of_the_code() -> None:
    for language in ("en", "es"):
        for key, text in flatten(translations(language)["exceptions"]).items():
            assert "_" not in text.replace("server_id", ""), key
            assert text[0].isupper() or text[0] == "{", key
            assert text.endswith((".", "}")), key


# What the node's words are


def assigned(path: Path, name: str) -> ast.expr:
    """What a module assigns to a name."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            assert node.value is not None
            return node.value
    raise AssertionError(f"{path.name} has no {name}")


def strings(node: ast.AST) -> set[str]:
    return {
        one.value
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }


def test_latches_are_those_of_the_node() -> None:
    assert strings(assigned(NODE / "safety/rules.py", "TRIP_NAMES")) == set(LATCHES)


def test_permits_are_those_of_the_node_and_each_has_its_sentence() -> None:
    table = assigned(NODE / "safety/permits.py", "PERMITS")
    (listed,) = [node for node in ast.walk(table) if isinstance(node, ast.Tuple)]
    names = {ast.unparse(one) for one in listed.elts}
    supervisor = ast.parse((NODE / "safety/supervisor.py").read_text())
    for call in ast.walk(supervisor):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Decision":
            names |= strings(call.args[1])
    names |= strings(assigned(NODE / "actuation_core.py", "OUTPUT_FAILED"))
    assert names == set(PERMITS)
    assert set(PERMITS) >= command_errors.LASTING
    for permit in PERMITS:
        assert f"limited_{permit}" in EN["exceptions"]
