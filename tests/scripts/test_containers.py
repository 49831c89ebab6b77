"""Container images, as far as they can be tried without an engine."""

import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "ha_config" / "container"
BIN = Path(sys.executable).parent
DOCKERFILES = [
    *sorted(CONTAINER.glob("*.Dockerfile")),
    ROOT / "ha_config/app/smart_beer_bridge/Dockerfile",
]


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_the_linter_finds_nothing_in_a_dockerfile(file: Path) -> None:
    done = subprocess.run(
        [BIN / "hadolint", "--ignore", "DL3066", "--ignore", "DL3002", file],
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _instructions(dockerfile: Path) -> list[tuple[str, str]]:
    text = dockerfile.read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def _installed(tmp_path: Path, dockerfile: Path, context: Path) -> tuple[Path, list[str]]:
    """The program from the image's own file set alone, and what the image would start."""
    build, root = tmp_path / "build", tmp_path / "root"
    build.mkdir()
    command: list[str] = []
    for name, rest in _instructions(dockerfile):
        if name == "COPY" and not rest.startswith("--from"):
            *sources, target = rest.split()
            for source in sources:
                into = build / target
                if (context / source).is_dir():
                    shutil.copytree(context / source, into, ignore=shutil.ignore_patterns("__py*"))
                else:
                    shutil.copy(context / source, into)
        elif name in {"ENTRYPOINT", "CMD"}:
            command += json.loads(rest)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=build, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(root)
    return root, command


def _run(root: Path, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the wheel in an empty folder, our own checkout out of reach."""
    scripts = next(root.glob("*.dist-info/entry_points.txt")).read_text()
    module, function = next(
        line.partition(" = ")[2].split(":")
        for line in scripts.splitlines()
        if line.startswith(f"{arguments[0]} = ")
    )
    empty = tmp_path / "empty"
    empty.mkdir(exist_ok=True)
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r}); import {module} as m; "
        f"assert m.__file__.startswith({str(root)!r}), m.__file__; "
        f"sys.argv[0] = {arguments[0]!r}; sys.exit(m.{function}())"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments[1:]],
        cwd=empty, text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_bridges_image_starts_what_is_in_it(tmp_path: Path) -> None:
    root, command = _installed(tmp_path, CONTAINER / "bridge.Dockerfile", ROOT)
    assert command == ["smart-beer-bridge", "run", "--config", "/data/bridge.yaml"]
    done = _run(root, tmp_path, *command)
    assert done.returncode == 2
    assert "/data/bridge.yaml cannot be read" in done.stderr
    assert _run(root, tmp_path, "smart-beer-bridge", "preflight", "--parts", "bridge").stdout


def test_the_nodes_image_starts_what_is_in_it(tmp_path: Path) -> None:
    root, command = _installed(tmp_path, CONTAINER / "node.Dockerfile", ROOT)
    assert command[:2] == ["smart-beer-edge", "simulate"]
    done = _run(root, tmp_path, *command[:2], "--help")
    assert done.returncode == 0, done.stderr
    for option in (argument for argument in command if argument.startswith("--")):
        assert option in done.stdout


def test_the_node_works_in_the_folder_that_is_its_users_as_lgpio_writes_there() -> None:
    last: dict[str, str] = {}
    for name, rest in _instructions(CONTAINER / "node.Dockerfile"):
        last = {} if name == "FROM" else {**last, name: f"{last.get(name, '')}\n{rest}".strip()}
    assert last["WORKDIR"] == last["VOLUME"]
    assert f"install -d -o smart-beer -g smart-beer -m 0700 {last['WORKDIR']}" in last["RUN"]


def test_the_app_folder_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    subprocess.run(
        [ROOT / "scripts" / "app-folder", folder], check=True, capture_output=True, timeout=60
    )
    root, command = _installed(tmp_path, folder / "Dockerfile", folder)
    assert command == ["smart-beer-bridge", "app"]
    done = _run(root, tmp_path, *command)
    assert done.returncode == 2
    assert "SUPERVISOR_TOKEN" in done.stderr
    assert {"config.yaml", "DOCS.md", "icon.png", "translations"} <= {
        one.name for one in folder.iterdir()
    }
    again = subprocess.run(
        [ROOT / "scripts" / "app-folder", folder], check=False, capture_output=True, timeout=60
    )
    assert again.returncode != 0, "nothing is overwritten"


@pytest.mark.parametrize(
    ("file", "extras"),
    [
        ("bridge.txt", ("bridge", "redis", "mongo", "cassandra", "parquet")),
        ("node.txt", ("edge", "gpio")),
    ],
)
def test_an_image_installs_every_package_of_its_extras(file: str, extras: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in extras for one in project["optional-dependencies"][extra]),
    ]
    names = {one.split(";")[0].split(">")[0].split("=")[0].strip() for one in wanted}
    lines = (ROOT / "scripts" / "requirements" / file).read_text().splitlines()
    pinned = {line.split("==")[0] for line in lines if "==" in line and line[0].isalpha()}
    assert names <= pinned
