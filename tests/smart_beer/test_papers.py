"""Manifest, quality scale, hacs.json, brand and forbidden APIs: what hassfest would look at."""

import ast
import json
import re
import struct
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import homeassistant
import pytest
import yaml
from awesomeversion import AwesomeVersion

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "custom_components" / "smart_beer"
SOURCES = sorted(FOLDER.glob("*.py"))
PLATFORMS = (
    "binary_sensor",
    "button",
    "climate",
    "event",
    "number",
    "select",
    "sensor",
    "switch",
)

BRONZE = [
    "action-setup",
    "appropriate-polling",
    "brands",
    "common-modules",
    "config-flow-test-coverage",
    "config-flow",
    "dependency-transparency",
    "docs-actions",
    "docs-conditions",
    "docs-high-level-description",
    "docs-installation-instructions",
    "docs-removal-instructions",
    "docs-triggers",
    "entity-event-setup",
    "entity-unique-id",
    "has-entity-name",
    "runtime-data",
    "test-before-configure",
    "test-before-setup",
    "unique-config-entry",
]
SILVER = [
    "action-exceptions",
    "config-entry-unloading",
    "docs-configuration-parameters",
    "docs-installation-parameters",
    "entity-unavailable",
    "integration-owner",
    "log-when-unavailable",
    "parallel-updates",
    "reauthentication-flow",
    "test-coverage",
]
GOLD = [
    "devices",
    "diagnostics",
    "discovery-update-info",
    "discovery",
    "docs-data-update",
    "docs-examples",
    "docs-known-limitations",
    "docs-supported-devices",
    "docs-supported-functions",
    "docs-troubleshooting",
    "docs-use-cases",
    "dynamic-devices",
    "entity-category",
    "entity-device-class",
    "entity-disabled-by-default",
    "entity-translations",
    "exception-translations",
    "icon-translations",
    "reconfiguration-flow",
    "repair-issues",
    "stale-devices",
]
PLATINUM = ["async-dependency", "inject-websession", "strict-typing"]


def manifest() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text())
    return loaded


def trees() -> dict[str, ast.Module]:
    return {path.name: ast.parse(path.read_text()) for path in SOURCES}


# The manifest


def test_the_manifest_has_the_keys_that_a_custom_integration_needs() -> None:
    found = manifest()
    assert found.keys() >= {
        "domain",
        "name",
        "codeowners",
        "config_flow",
        "dependencies",
        "documentation",
        "integration_type",
        "iot_class",
        "issue_tracker",
        "requirements",
        "version",
        "zeroconf",
    }
    assert found["domain"] == FOLDER.name
    assert (found["config_flow"], found["integration_type"]) == (True, "hub")
    assert found["codeowners"]
    assert all(owner.startswith("@") for owner in found["codeowners"])
    assert found["documentation"].startswith("https://")


def test_the_manifest_begins_with_domain_and_name_and_goes_on_by_the_alphabet() -> None:
    keys = list(manifest())
    assert keys == ["domain", "name", *sorted(keys[2:])]


def test_the_manifest_keeps_the_door_open_for_discovered_nodes() -> None:
    # With it Home Assistant turns every flow away once the brewery is there.
    assert "single_config_entry" not in manifest()


def test_the_version_is_one_and_that_of_the_repository() -> None:
    found = AwesomeVersion(manifest()["version"])
    assert found.valid
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == found


def test_nothing_is_required_that_home_assistant_pins_itself() -> None:
    constraints = (Path(homeassistant.__file__).parent / "package_constraints.txt").read_text()
    pinned = set(re.findall(r"^([\w.-]+)==", constraints, re.MULTILINE))
    ours = {re.split(r"[=<>!~\[]", requirement)[0] for requirement in manifest()["requirements"]}
    assert not ours & pinned


def test_it_listens_for_what_nodes_announce() -> None:
    announced = (ROOT / "edge_node" / "discovery.py").read_text()
    (listened,) = manifest()["zeroconf"]
    assert f'"{listened}"' in announced


def test_every_component_that_is_imported_is_declared() -> None:
    found = manifest()
    # The platforms, and what Home Assistant lets everybody import.
    allowed = {*PLATFORMS, "diagnostics", "repairs", "system_health"}
    allowed |= {*found["dependencies"], *found["after_dependencies"]}
    modules: set[str] = set()
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                modules |= {f"{node.module}.{name.name}" for name in node.names}
    prefix = "homeassistant.components."
    imported = {
        module.removeprefix(prefix).split(".")[0] for module in modules if module.startswith(prefix)
    }
    assert imported
    assert imported <= allowed


# Quality scale, hacs.json, brand


def test_the_quality_scale_answers_every_rule_and_leaves_none_open() -> None:
    rules = yaml.safe_load((FOLDER / "quality_scale.yaml").read_text())["rules"]
    assert len(BRONZE + SILVER + GOLD + PLATINUM) == 54
    assert sorted(rules) == sorted(BRONZE + SILVER + GOLD + PLATINUM)
    for rule, answer in rules.items():
        if answer == "done":
            continue
        assert answer.keys() == {"status", "comment"}, rule
        assert answer["status"] in ("done", "exempt"), rule
        assert len(answer["comment"]) > 20, rule


def test_the_quality_scale_is_exempt_only_from_what_is_not_there() -> None:
    rules = yaml.safe_load((FOLDER / "quality_scale.yaml").read_text())["rules"]

    def exempt(rule: str) -> bool:
        return bool(rules[rule] != "done" and rules[rule]["status"] == "exempt")

    for name, rule in (("triggers", "docs-triggers"), ("conditions", "docs-conditions")):
        assert exempt(rule) is not (FOLDER / f"{name}.yaml").exists()
    has_actions = (FOLDER / "services.yaml").exists()
    for rule in ("action-setup", "docs-actions"):
        assert exempt(rule) is not has_actions
    assert exempt("exception-translations") is not any(
        "translation_key=" in ast.unparse(node)
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
    )
    assert exempt("dependency-transparency") is not manifest()["requirements"]


def test_hacs_json_has_only_known_keys_and_the_tested_version() -> None:
    found = json.loads((ROOT / "hacs.json").read_text())
    assert found.keys() <= {"name", "homeassistant", "country", "render_readme", "zip_release"}
    assert found["name"] == manifest()["name"]
    assert found["homeassistant"] == version("homeassistant")


@pytest.mark.parametrize("prefix", ["", "dark_"])
def test_the_brand_has_its_images_in_their_sizes(prefix: str) -> None:
    def size(name: str) -> tuple[int, int]:
        data = (FOLDER / "brand" / f"{prefix}{name}.png").read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", data[16:24])
        return width, height

    assert size("icon") == (256, 256)
    assert size("icon@2x") == (512, 512)
    width, height = size("logo")
    assert 128 <= height <= 256
    assert width > height
    width, height = size("logo@2x")
    assert 256 <= height <= 512
    assert width > height


def test_it_says_that_it_is_typed() -> None:
    assert (FOLDER / "py.typed").exists()


# What Home Assistant no longer wants, or we must not do

FORBIDDEN = {
    r"\bvia_device=": "via_device_id takes its place",
    r"hass\.data\[DOMAIN\]": "HassKey and runtime_data take its place",
    r"_set_confirm_only": "it does nothing any more",
    r"update_reload_and_abort|OptionsFlowWithReload|schedule_reload|\.async_reload\(": (
        "a reload stops every node in the middle of a brew"
    ),
    r"show_advanced_options": "section() takes its place",
    r"_attr_icon\b|def icon\(": "icons.json takes its place",
    r"self\.entity_id\s*=|_attr_entity_id": "it is the user's",
    r"\.async_get_device\(": "async_get_device_by_identifier takes its place",
    r"default_(name|model|manufacturer)\b": "it goes away",
    r"system_health\.async_register_info": "the platform takes its place",
    r"from __future__ import annotations": "Python 3.14 needs none",
    r"_attr_(current|target)_temperature\b|_attr_temperature_unit\b": "native names",
    r"config_entries\.async_forward_entry_unload|async_unload_platforms\(": (
        "async_unload_platforms_or_raise takes their place"
    ),
    r"^\s*(from|import) (edge_node|storage_bridge)": "an installation copies only this folder",
}


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_nothing_forbidden_is_used(pattern: str) -> None:
    found = [
        path.name for path in SOURCES if re.search(pattern, path.read_text(), flags=re.MULTILINE)
    ]
    assert found == [], FORBIDDEN[pattern]


def test_entry_hooks_return_nothing() -> None:
    hooks = {"async_setup_entry", "async_unload_entry", "async_migrate_entry"}
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.AsyncFunctionDef) and node.name in hooks:
                returned = [
                    inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return)
                ]
                assert not any(returned), f"{name}: {node.name}"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_no_platform_makes_one_node_wait_for_another(platform: str) -> None:
    tree = trees()[f"{platform}.py"]
    values = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PARALLEL_UPDATES"
    ]
    assert values == [0]


def test_only_these_platforms_exist() -> None:
    const = (FOLDER / "const.py").read_text()
    assert {name.lower() for name in re.findall(r"Platform\.([A-Z_]+)", const)} == set(PLATFORMS)
