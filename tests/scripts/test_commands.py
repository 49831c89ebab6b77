"""The shell commands: what they say of themselves, and to arguments they do not know."""

import importlib
import os
import subprocess
import sys

import pytest

from scripts.bench_parts.__main__ import NAMES
from scripts.demo_brewery.seed import ROOT

COMMANDS = sorted(
    file.name
    for file in (ROOT / "scripts").iterdir()
    if file.is_file()
    and os.access(file, os.X_OK)
    and file.read_bytes().startswith(b"#!/usr/bin/env bash")
)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_the_commands_are_there() -> None:
    assert {"demo", "lint", "setup", "test"} <= set(COMMANDS)


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_printed_and_nothing_else_done(name: str, flag: str) -> None:
    done = _run(f"scripts/{name}", flag)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith(f"scripts/{name}")
    assert "#" not in done.stdout.splitlines()[0]


def test_every_benchmark_is_offered_and_there() -> None:
    shown = _run("scripts/bench", "--help").stdout
    assert {"control", "kill"} <= set(NAMES)
    for name in NAMES:
        assert f"\n  {name} " in shown
        module = importlib.import_module(f"scripts.bench_parts.{name.replace('-', '_')}")
        assert module.TITLE
        assert callable(module.run)


def test_a_benchmark_that_is_not_there_is_refused_by_name() -> None:
    done = _run(sys.executable, "-m", "scripts.bench_parts", "nonsense")
    assert done.returncode == 2
    assert "there is no nonsense" in done.stderr


def test_setup_names_the_argument_it_does_not_know() -> None:
    done = _run("scripts/setup", "--nonsense")
    assert done.returncode == 1
    assert "unknown argument '--nonsense'" in done.stderr
    assert "--help" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--nonsense",), "unrecognized arguments: --nonsense"),
        (("--chaos",), "--chaos goes with --check"),
        (("--language", "tlh"), "--language"),
        (("--port", "beer"), "--port"),
        (("--stores", "paper"), "--stores"),
    ],
)
def test_the_demo_refuses_what_it_does_not_understand(
    arguments: tuple[str, ...], sentence: str
) -> None:
    done = _run(sys.executable, "-m", "scripts.demo_brewery", *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
