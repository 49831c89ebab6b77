"""What the READMEs say is so: equal in both languages, and as the programs, files and texts are."""

import functools
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from edge_node.api.app import OPERATIONS
from storage_bridge.config import load as load_bridge_config

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TRANSLATIONS = ROOT / "custom_components/smart_beer/translations"
READMES = {"en": ROOT / "README.md", "es": ROOT / "README.es.md"}
PAGES = [*READMES.values(), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
# What a person reads may be in that person's language; all else in the code is the same.
READ_BY_PEOPLE = {"name", "alias", "title", "message"}
OURS = re.compile(r"smart-beer-(?:edge|bridge)|scripts/\w+")


class Block(NamedTuple):
    """A fenced block of code."""

    language: str
    text: str


class Page(NamedTuple):
    """A page, its blocks of code taken out of the prose."""

    prose: str
    blocks: list[Block]


def read(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    fence = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    blocks = [Block(found[1], found[2]) for found in fence.finditer(text)]
    return Page(fence.sub("", text), blocks)


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def headings(page: Page) -> list[tuple[int, str]]:
    found = re.findall(r"^(#+) (.+)$", page.prose, re.MULTILINE)
    return [(len(marks), title) for marks, title in found]


def links(page: Page) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", page.prose)


def shell_commands(text: str) -> list[list[str]]:
    """The commands in a block, comments left out, split as a shell would."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def commands(page: Page) -> list[list[str]]:
    """Every command of ours that a page shows, from its name on, in blocks and in prose."""
    shown = [
        words
        for block in page.blocks
        if block.language == "sh"
        for words in shell_commands(block.text)
    ]
    inline = re.findall(r"`([^`\n]+)`", page.prose)
    shown += [shlex.split(text) for text in inline if OURS.match(text) and "[" not in text]
    result = []
    for words in shown:
        at = next((i for i, word in enumerate(words) if OURS.fullmatch(word)), None)
        # A service of the same name is no command.
        if at is not None and not {"systemctl", "journalctl", "pipx"} & set(words[:at]):
            result.append(words[at:])
    return result


@functools.cache
def help_of(*command: str) -> str:
    program, *rest = command
    path = ROOT / program if "/" in program else BIN / program
    ran = subprocess.run(
        [path, *rest, "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, f"{' '.join(command)} --help: {ran.stderr}"
    return ran.stdout


def same_in_both(block: Block) -> Any:
    """What of a block must be equal in both languages."""
    match block.language:
        case "text":
            return len(block.text.splitlines())
        case "yaml":
            return without_texts(yaml.safe_load(block.text))
        case "sh":
            return [[w for w in words if w.isascii()] for words in shell_commands(block.text)]
        case _:
            return block.text


def without_texts(data: Any) -> Any:
    if isinstance(data, dict):
        return {
            key: "" if key in READ_BY_PEOPLE else without_texts(value)
            for key, value in data.items()
        }
    return [without_texts(item) for item in data] if isinstance(data, list) else data


def yaml_blocks(page: Page, key: str) -> list[str]:
    """The YAML blocks of a page with this key at the top."""
    return [b.text for b in page.blocks if b.language == "yaml" and key in yaml.safe_load(b.text)]


def translations(language: str) -> dict[str, Any]:
    texts: dict[str, Any] = json.loads(
        (TRANSLATIONS / f"{language}.json").read_text(encoding="utf-8")
    )
    return texts


def shown(text: str) -> str:
    return re.sub(r"\{\w+\}", "…", text)


@pytest.fixture(params=READMES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(language: str) -> Page:
    return read(READMES[language])


def test_both_languages_have_the_same_headings_tables_and_images() -> None:
    en, es = (read(path) for path in READMES.values())
    assert [level for level, _ in headings(en)] == [level for level, _ in headings(es)]
    rows = [re.findall(r"^(?:\||- |\d\. |!\[)", one.prose, re.MULTILINE) for one in (en, es)]
    assert rows[0] == rows[1]
    images = [re.findall(r"!\[[^\]]+\]\(([^)]+)\)", one.prose) for one in (en, es)]
    assert images[0] == images[1] != []


def test_both_languages_show_the_same_code() -> None:
    en, es = (read(path) for path in READMES.values())
    assert [block.language for block in en.blocks] == [block.language for block in es.blocks]
    for one, other in zip(en.blocks, es.blocks, strict=True):
        assert same_in_both(one) == same_in_both(other)


def test_what_is_folded_is_closed_and_set_as_text(page: Page) -> None:
    folded = page.prose.count("<details>")
    assert folded > 0
    # Without the empty lines the Markdown between them would be shown as it is written.
    opened = re.findall(r"^<details><summary>.+</summary>\n\n", page.prose, re.MULTILINE)
    closed = re.findall(r"\n\n</details>$", page.prose, re.MULTILINE)
    assert (len(opened), len(closed)) == (folded, folded)


def test_every_block_says_its_language(page: Page) -> None:
    assert {block.language for block in page.blocks} <= {"sh", "yaml", "ini", "text"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    anchors = {slug(title) for _, title in headings(read(path))}
    for link in links(read(path)):
        if link.startswith("#"):
            assert link[1:] in anchors
        elif not link.startswith("https://"):
            target, _, anchor = link.partition("#")
            assert (ROOT / target).is_file(), f"{path.name}: {link}"
            if anchor:
                assert anchor in {slug(title) for _, title in headings(read(ROOT / target))}


def test_images_are_small(page: Page) -> None:
    for link in links(page):
        if link.endswith(".png"):
            assert (ROOT / link).stat().st_size < 300_000


@pytest.mark.parametrize("path", READMES.values(), ids=lambda path: path.name)
def test_every_command_shown_exists_with_its_options(path: Path) -> None:
    found = commands(read(path))
    programs = {words[0] for words in found}
    assert programs >= {"smart-beer-edge", "smart-beer-bridge", "scripts/demo", "scripts/test"}
    for words in found:
        rest = words[1:]
        command = words[:1]
        if rest and not words[0].startswith("scripts/") and not rest[0].startswith("-"):
            command.append(rest.pop(0))
        text = help_of(*command)
        for option in (word for word in rest if word.startswith("--")):
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", text), f"{words}: no {option}"


def test_every_call_of_a_node_shown_is_one_that_a_node_answers(page: Page) -> None:
    (by_hand,) = [block.text for block in page.blocks if block.text.startswith("URL=")]
    calls = re.findall(r"api ([A-Z]+) \"?(/v1/[\w/]+)", by_hand)
    assert len(calls) >= 7
    for method, path in calls:
        assert any(
            one.method == method and re.fullmatch(re.sub(r"\{\w+\}", r"\\w+", one.path), path)
            for one in OPERATIONS
        ), (method, path)


def test_the_nodes_configuration_shown_is_good(page: Page, tmp_path: Path) -> None:
    examples = yaml_blocks(page, "node")
    said = []
    for example in examples:
        path = tmp_path / "edge.yaml"
        path.write_text(example, encoding="utf-8")
        check: list[str | Path] = [BIN / "smart-beer-edge", "check-config", path]
        ran = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr
        said.append(ran.stdout)
    wired, measuring = said
    assert "Node mash-a, 1 kettle(s), 1 channel(s)" in wired
    assert "Node mash-a, 2 kettle(s), 6 channel(s)" in measuring


def test_the_wired_node_shown_has_all_that_keeps_heat_off(page: Page) -> None:
    (wired,) = yaml_blocks(page, "actuators")
    shown_keys = yaml.safe_load(wired)
    assert {"heater", "pump", "contactor"} == {one["kind"] for one in shown_keys["actuators"]}
    assert {"stop", "override", "pairing"} == set(shown_keys["inputs"])
    outputs = {one["id"]: one for one in shown_keys["actuators"]}
    heater = outputs["heater"]
    assert heater.keys() >= {"contactor", "requires", "interlocks", "breaker", "max_on_s"}
    # Pulled down from power-on, and none of 1-Wire's or the guard's.
    assert all(9 <= one["pin"] <= 27 and one["pin"] != 25 for one in outputs.values())


def test_every_kind_and_key_of_a_controller_is_described(page: Page) -> None:
    schema = (ROOT / "edge_node/config_controllers_check.py").read_text(encoding="utf-8")
    keys = set(re.findall(r'"(inner_\w+|exchanger_l|outer|boil_\w+|band_k|pid)"', schema))
    assert len(keys) >= 9
    for name in keys:
        assert re.search(rf"`{name}\b", page.prose), name
    for kind in ("pid", "hysteresis", "cascade", "fermentation"):
        assert f"| `{kind}` |" in page.prose


def test_the_bridges_configuration_shown_is_good(page: Page, tmp_path: Path) -> None:
    (example,) = yaml_blocks(page, "home_assistant")
    path = tmp_path / "bridge.yaml"
    path.write_text(example, encoding="utf-8")
    assert load_bridge_config(path).api.advertise == "http://bridge.local:8555"


def test_stores_of_ones_own_as_shown_are_good(page: Page, tmp_path: Path) -> None:
    (base,) = yaml_blocks(page, "home_assistant")
    (own,) = [text for text in yaml_blocks(page, "tiers") if text != base]
    path = tmp_path / "bridge.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(base) | yaml.safe_load(own)), encoding="utf-8")
    tiers = load_bridge_config(path).tiers
    assert tiers.hot is not None
    assert tiers.warm is not None
    assert tiers.cold is not None


def test_the_card_shown_uses_every_key_the_card_knows(page: Page) -> None:
    source = (ROOT / "custom_components/smart_beer/frontend/src/card-config.ts").read_text()
    body = re.search(r"interface CardConfig \{(.*?)\n\}", source, re.DOTALL)
    assert body is not None
    known = set(re.findall(r"^  (\w+)\??:", body[1], re.MULTILINE))
    (card,) = [text for text in yaml_blocks(page, "type") if "custom:" in text]
    assert set(yaml.safe_load(card)) | {"node", "series"} == known
    assert "node: mash-a" in card
    assert "series: [" in card


def test_there_are_automations_to_copy(page: Page) -> None:
    automations = [yaml.safe_load(text) for text in yaml_blocks(page, "triggers")]
    assert len(automations) >= 3
    keys = {"alias", "triggers", "actions", "mode"}
    assert all(one.keys() - {"conditions"} == keys for one in automations)
    assert any("smart_beer.alarm_raised" in str(one["triggers"]) for one in automations)
    assert any("smart_beer.is_leader" in str(one.get("conditions")) for one in automations)


def test_every_entity_is_described_by_its_name(page: Page, language: str) -> None:
    for platform in translations(language)["entity"].values():
        for key, entity in platform.items():
            if key != "channel":  # named by the node
                # The counters share what stands before the colon.
                assert shown(entity["name"]).split(": ")[-1] in page.prose


@pytest.mark.parametrize("kind", ["services", "triggers", "conditions"])
def test_every_action_trigger_and_condition_is_in_a_table_with_its_fields(
    page: Page, language: str, kind: str
) -> None:
    for key, texts in translations(language)[kind].items():
        (row,) = re.findall(rf"^\| \*(.+)\*, `smart_beer\.{key}` \|(.*)$", page.prose, re.MULTILINE)
        assert row[0] == texts["name"]
        for field in texts["fields"].keys() - ({"device_id"} if kind != "services" else set()):
            assert f"`{field}`" in row[1], (key, field)


def test_every_latch_is_named(page: Page, language: str) -> None:
    for latch in translations(language)["selector"]["latch"]["options"]:
        assert f"`{latch}`" in page.prose


def test_every_repair_is_in_the_table_by_its_title(page: Page, language: str) -> None:
    for issue in translations(language)["issues"].values():
        assert f"| {shown(issue['title'])} |" in page.prose


def test_every_form_error_is_in_the_table_by_its_first_sentence(page: Page, language: str) -> None:
    texts = translations(language)
    node = texts["config_subentries"]["node"]
    errors = {
        **texts["config"]["error"],
        **node["error"],
        "wrong_device": node["abort"]["wrong_device"],
    }
    for text in errors.values():
        assert f"| {shown(text).split('. ')[0].rstrip('.')}. |" in page.prose


def test_every_alarm_of_a_node_is_in_the_table(page: Page) -> None:
    sources = [
        (ROOT / "edge_node" / name).read_text(encoding="utf-8")
        for name in ("node.py", "alarms.py", "actuation.py")
    ]
    found = {
        name
        for text in sources
        for name in re.findall(r'texts\["(\w+)"\]|f"(\w+_)\{', text)
        for name in name
        if name
    }
    found |= {"disk_full", "spool_failing"}
    assert len(found) >= 10
    for name in found:
        assert f"`{name}…`" in page.prose if name.endswith("_") else f"`{name}`" in page.prose


def test_the_files_that_are_to_be_copied_exist() -> None:
    shown_files = set(
        re.findall(r"(?:ha_config|custom_components)/[\w./-]+", READMES["en"].read_text("utf-8"))
    )
    assert len(shown_files) >= 3
    for name in shown_files:
        assert (ROOT / name.rstrip(".")).exists()
    for name in ("smart-beer.sysusers.conf", "60-smart-beer-w1.rules", "smart-beer-edge.service"):
        assert (ROOT / "edge_node/systemd" / name).is_file()


def test_the_shell_blocks_are_shell(page: Page) -> None:
    for block in page.blocks:
        if block.language == "sh":
            ran = subprocess.run(
                ["bash", "-n"], input=block.text, text=True, capture_output=True, check=False
            )
            assert ran.returncode == 0, ran.stderr
