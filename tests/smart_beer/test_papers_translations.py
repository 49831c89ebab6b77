"""Every text the code uses is there in both languages, its placeholders too; none is idle."""

import ast
import importlib
import re
from pathlib import Path
from typing import Any

from homeassistant.core import HomeAssistant

from custom_components.smart_beer.repairs import ISSUES
from custom_components.smart_beer.system_health import async_info
from tests.smart_beer.translation_check import FOLDER, flatten, translations, wanted

SOURCES = {path.stem: ast.parse(path.read_text()) for path in sorted(FOLDER.glob("*.py"))}
EN = translations("en")
FLAT = flatten(EN)


def calls(*names: str, module: str | None = None) -> list[ast.Call]:
    """Calls of functions or methods of these names, in one module or in all."""
    return [
        node
        for stem, tree in SOURCES.items()
        if module in (None, stem)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", None)) in names
    ]


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((item.value for item in call.keywords if item.arg == name), None)


def strings(node: ast.AST | None) -> set[str]:
    """Every string constant in an expression."""
    if node is None:
        return set()
    return {
        inner.value
        for inner in ast.walk(node)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
    }


# Both languages


def test_spanish_says_as_much_as_english() -> None:
    spanish = flatten(translations("es"))
    assert spanish.keys() == FLAT.keys()
    for path, text in FLAT.items():
        assert wanted(spanish[path]) == wanted(text), path
        assert spanish[path].strip() == spanish[path] != "", path


def test_spanish_is_not_english() -> None:
    spanish = flatten(translations("es"))
    same = {text for path, text in FLAT.items() if spanish[path] == text and wanted(text) == set()}
    assert same == {"No"}, "the one word that both have"


def test_nothing_is_left_to_a_build_step() -> None:
    for language in ("en", "es"):
        assert "[%key:" not in (FOLDER / "translations" / f"{language}.json").read_text()


def test_the_sections_are_those_home_assistant_knows() -> None:
    assert EN.keys() <= {
        "config",
        "config_subentries",
        "options",
        "entity",
        "device",
        "exceptions",
        "issues",
        "selector",
        "services",
        "triggers",
        "conditions",
        "system_health",
    }


# Flows


FLOWS = {
    "config_flow": EN["config"],
    "subentry_flow": EN["config_subentries"]["node"],
    "options_flow": EN["options"],
}


def steps(module: str) -> dict[str, set[str]]:
    """The fields of each form, and the options of each menu, that a module shows."""
    found: dict[str, set[str]] = {}
    for call in calls("async_show_form", module=module):
        (step,) = strings(keyword(call, "step_id"))
        names = {
            node.id
            for node in ast.walk(keyword(call, "data_schema") or ast.Constant(0))
            if isinstance(node, ast.Name) and node.id.endswith("_SCHEMA")
        }
        source = importlib.import_module(f"custom_components.smart_beer.{module}")
        found[step] = {str(key) for name in names for key in getattr(source, name).schema}
    for call in calls("async_show_menu", module=module):
        (step,) = strings(keyword(call, "step_id"))
        found[step] = strings(keyword(call, "menu_options"))
    return found


def test_every_step_is_described_with_every_field_and_no_other() -> None:
    for module, texts in FLOWS.items():
        shown = steps(module)
        assert texts["step"].keys() == shown.keys(), module
        for step, fields in shown.items():
            described = texts["step"][step]
            assert described["title"], (module, step)
            if "menu_options" in described:
                assert described["menu_options"].keys() == fields, (module, step)
                continue
            assert described.get("data", {}).keys() == fields, (module, step)
            assert described.get("data_description", {}).keys() == fields, (module, step)


def test_every_error_of_a_form_is_used_and_described() -> None:
    # A problem's key is the first argument, or what a helper has put into `key` before.
    raised = {
        text for call in calls("FlowProblem") for arg in call.args[:1] for text in strings(arg)
    } | {
        text
        for node in ast.walk(SOURCES["node_pairing"])
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "key"
        for text in strings(node.value)
    }
    described = {
        path.rsplit(".", 1)[1] for path in FLAT if re.search(r"(^|\.)error\.[a-z_]+$", path)
    }
    assert described == raised


def test_every_end_of_a_flow_is_used_and_described() -> None:
    for module, texts in FLOWS.items():
        ends: set[str] = set()
        for call in calls("async_abort", module=module):
            if keyword(call, "translation_domain") is None:
                ends |= strings(keyword(call, "reason"))
        if module == "config_flow":
            ends |= {"already_configured"}  # through _abort_if_unique_id_configured
            ends |= {"api_too_new", "api_too_old"}  # reason=problem.key of check_api
        assert texts.get("abort", {}).keys() == ends, module


# Repair issues


def test_every_issue_is_described_and_no_other() -> None:
    assert EN["issues"].keys() == ISSUES.keys()
    for key, issue in ISSUES.items():
        texts = EN["issues"][key]
        assert ("fix_flow" in texts) is issue.fixable, key
        assert ("description" in texts) is not issue.fixable, key
        given = issue.extra | ({"name", "node_id", "host"} if issue.about == "node" else set())
        errors = {"found"}  # what a form adds when it shows an error
        for path, text in flatten(texts).items():
            allowed = given | errors if ".error." in path else given
            assert wanted(text) <= allowed, (key, path)


def test_every_issue_is_raised_with_what_its_texts_want() -> None:
    named = {
        text
        for stem, tree in SOURCES.items()
        if stem not in ("repairs", "node_pairing")  # the table, and form errors of the same name
        for text in strings(tree)
    }
    assert ISSUES.keys() <= named
    # A key that comes in a variable is checked by async_raise itself.
    for call in calls("async_raise", "_raise"):
        given = {item.arg for item in call.keywords if item.arg is not None}
        for key in {text for arg in call.args for text in strings(arg)} & ISSUES.keys():
            assert given == ISSUES[key].extra, key


# System health


async def test_system_health_is_described_line_by_line(
    hass: HomeAssistant, load_custom_integrations: None
) -> None:
    told: dict[str, Any] = await async_info(hass)
    assert EN["system_health"]["info"].keys() == told.keys()


def test_the_papers_name_no_place_of_the_machine_they_were_written_on() -> None:
    for path in (*FOLDER.glob("translations/*.json"), FOLDER / "quality_scale.yaml"):
        assert not re.search(r"/(root|work|tmp)/", Path(path).read_text())
