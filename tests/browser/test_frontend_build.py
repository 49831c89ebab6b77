"""The bundle in the repository is what its source gives, and nothing else."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from scripts.demo_brewery.seed import ROOT

FRONTEND = ROOT / "custom_components" / "smart_beer" / "frontend"
BUNDLE = FRONTEND / "dist" / "smart-beer.js"
DOMAINS = r"(?:(?:binary_)?sensor|switch|number|select|button|climate|event|input_\w+|script)"
ENTITY_ID = {
    ".ts": re.compile(rf"""["'`]{DOMAINS}\.[a-z]"""),  # elsewhere it is a property of a variable
    ".yaml": re.compile(rf"\b{DOMAINS}\.[a-z]"),
}


def _run(*command: str) -> str:
    done = subprocess.run(
        command,
        cwd=FRONTEND,
        text=True,
        capture_output=True,
        timeout=100,
        check=False,
        env=os.environ | {"npm_config_offline": "true", "npm_config_update_notifier": "false"},
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("script", ["check", "test"])
def test_source_passes(script: str) -> None:
    _run("npm", "run", "-s", script)


def test_the_bundle_is_built_from_this_source(tmp_path: Path) -> None:
    again = tmp_path / "smart-beer.js"
    _run("node", "build.mjs", "--outfile", str(again))
    assert again.read_bytes() == BUNDLE.read_bytes(), "run `npm run build` and commit dist/"


def test_the_bundle_says_whose_it_is_and_names_no_path() -> None:
    text = BUNDLE.read_text()
    version = json.loads((FRONTEND / "package.json").read_text())["dependencies"]["uplot"]
    head = text.splitlines()[0]
    assert "smart-beer" in head
    assert "Apache-2.0" in head
    assert f"uPlot {version}, MIT, (c) Leon Sorokin" in head
    assert str(ROOT) not in text
    assert "sourceMappingURL" not in text


def test_the_lock_file_pins_by_hash_and_names_no_registry() -> None:
    text = (FRONTEND / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert "://" not in re.sub(r'"url": "[^"]*"', "", text), "only funding links may be there"
    packages = json.loads(text)["packages"]
    assert all("integrity" in package for name, package in packages.items() if name)


def test_nothing_that_is_shipped_names_an_entity() -> None:
    shipped = [
        *(FRONTEND / "src").glob("*.ts"),
        *(ROOT / "ha_config").rglob("*.yaml"),
    ]
    assert len(shipped) > 5
    for file in shipped:
        assert ENTITY_ID[file.suffix].findall(file.read_text()) == [], file
