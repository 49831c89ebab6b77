"""Container images and compose files, as far as they can be tried without an engine."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from storage_bridge.config import parse
from storage_bridge.preflight import MEMORY, ONE_SERVER, SYSTEM_MEMORY
from storage_bridge.preflight_machine import PORTS
from storage_bridge.tiers.mongo_settings import parse_url as mongo_hosts

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "ha_config" / "container"
COMPOSE = ROOT / "ha_config" / "compose"
BIN = Path(sys.executable).parent
MEMBERS = {
    "HERE": "10.9.0.1",
    "SERVER_A": "10.9.0.1",
    "SERVER_B": "10.9.0.2",
    "THIRD": "10.9.0.3",
}
DOCKERFILES = [
    *sorted(CONTAINER.glob("*.Dockerfile")),
    ROOT / "ha_config/app/smart_beer_bridge/Dockerfile",
]
FILES = ("lite", "one-server", "pair", "third")


def _compose(name: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "docker-compose", "-f", COMPOSE / f"{name}.yaml", "config", "--format", "json"],
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
    )


def _config(name: str) -> Any:
    done = _compose(name, MEMBERS)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


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


@pytest.mark.parametrize("name", FILES)
def test_compose_takes_the_file_and_every_service_is_limited(name: str) -> None:
    for service, told in _config(name)["services"].items():
        assert int(told["mem_limit"]) > 0, service
        if service in {"home-assistant", "redis", "mongo", "cassandra", "sentinel"}:
            assert told["healthcheck"]["test"], service
            assert told["restart"] == "unless-stopped", service
            assert any(volume["target"].startswith(("/data", "/config", "/var/lib"))
                       for volume in told["volumes"]), service  # fmt: skip


@pytest.mark.parametrize("name", ["pair", "third"])
def test_without_the_addresses_nothing_starts(name: str) -> None:
    done = _compose(name, {})
    assert done.stdout == ""  # this build of compose ends with 0 whatever it says
    assert "missing in .env" in done.stderr


@pytest.mark.parametrize("name", ["lite", "one-server", "pair"])
def test_the_bridge_reads_the_configuration_it_is_given(name: str) -> None:
    config = _config(name)
    bridge = config["services"]["bridge"]
    (mounted,) = bridge["configs"]
    assert bridge["command"] == ["run", "--config", mounted["target"]]
    path = Path(config["configs"][mounted["source"]]["file"])
    parsed = parse(Path(mounted["target"]), path.read_text())
    assert parsed.tiers.embedded is (name == "lite")
    given = {secret["source"] for secret in bridge["secrets"]}
    told = set(re.findall(r"/run/secrets/([a-z-]+)", path.read_text()))
    assert told == given, "what it reads, and nothing else, is shown to it"
    assert parsed.home_assistant.token_file == Path("/run/secrets/bridge-token")
    assert ("cassandra-password" in given) is (name != "lite")


def test_the_bridge_of_a_pair_knows_the_members_by_name() -> None:
    config = _config("pair")
    hosts = dict(one.split("=") for one in config["services"]["bridge"]["extra_hosts"])
    parsed = parse(Path("bridge.yaml"), (COMPOSE / "bridge" / "pair.yaml").read_text())
    assert parsed.tiers.hot is not None
    assert parsed.tiers.warm is not None
    assert parsed.tiers.cold is not None
    named = {
        frozenset(host for host, _ in parsed.tiers.hot.address.hosts),
        frozenset(host.split(":")[0] for host in mongo_hosts(parsed.tiers.warm.url).split(",")),
        frozenset(parsed.tiers.cold.hosts),
    }
    (members,) = named
    assert {hosts[one] for one in members} == set(MEMBERS.values())


@pytest.mark.parametrize("name", FILES)
def test_what_a_read_only_service_is_given_is_a_file_of_the_host(name: str) -> None:
    # Compose writes any other kind into the container, and refuses where it cannot.
    config = _config(name)
    for service, told in config["services"].items():
        if told.get("read_only"):
            for kind in ("configs", "secrets"):
                for one in told.get(kind, ()):
                    assert "file" in config[kind][one["source"]], (service, one)


@pytest.mark.parametrize("name", ["lite", "one-server", "pair"])
def test_a_service_without_rights_is_given_its_folder_first(name: str, tmp_path: Path) -> None:
    # A folder of the host that is not there is made by the engine, for root.
    services = _config(name)["services"]
    image = dict(_instructions(CONTAINER / "bridge.Dockerfile"))
    folder = services["bridge"]["volumes"][0]["source"]
    givers = [
        services[other]
        for other, want in services["bridge"]["depends_on"].items()
        if want["condition"] == "service_completed_successfully"
        and [(one["source"], one["target"]) for one in services[other]["volumes"]]
        == [(folder, "/data")]
    ]
    (giver,) = givers
    assert giver["user"] == "0:0"
    shell, option, command = giver["entrypoint"]
    assert f"chown -R {image['USER']} /data" in command
    mine = command.replace(image["USER"], f"{os.getuid()}:{os.getgid()}")
    subprocess.run(
        [shell, option, mine.replace("/data", str(tmp_path))], check=True, timeout=30
    )  # fmt: skip
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    own_user = {
        other
        for other, told in services.items()
        if told.get("image") == services["bridge"]["image"] and "user" not in told
    }
    writing = {
        other
        for other in own_user
        if any(not one.get("read_only") for one in services[other].get("volumes", ()))
    }
    assert writing == {"bridge"}, "who else writes as nobody needs a folder of its own"


@pytest.mark.parametrize("name", FILES)
def test_no_member_of_a_replica_set_begins_with_data(name: str) -> None:
    # The image would make the user in each of them; a member that has data is not taken in.
    for service, told in _config(name)["services"].items():
        made = [key for key in told.get("environment", {}) if key.startswith("MONGO_INITDB")]
        assert made == [], service


@pytest.mark.parametrize("name", FILES)
def test_no_secret_is_on_a_command_line_or_in_an_environment(name: str) -> None:
    for service, told in _config(name)["services"].items():
        words = [
            *(told.get("entrypoint") or ()),
            *(told.get("command") or ()),
            *told.get("healthcheck", {}).get("test", ()),
            *told.get("environment", {}).values(),
        ]
        for word in words:
            assert "/run/secrets" not in str(word), (service, word)


@pytest.mark.parametrize("name", ["one-server", "pair", "third"])
def test_cassandra_is_asked_for_where_it_was_told_to_listen(name: str) -> None:
    service = _config(name)["services"]["cassandra"]
    address = service.get("environment", {}).get("CASSANDRA_RPC_ADDRESS")
    assert address == (None if name == "one-server" else MEMBERS["HERE"])
    kind, *test = service["healthcheck"]["test"]
    assert kind == "CMD"
    own = "127.0.0.1" if address is None else "127.0.0.7"
    with socket.create_server((own, 0)) as server:
        port = str(server.getsockname()[1])
        # compose doubles the dollars of what it prints, as a file would have to
        command = [word.replace("$$", "$").replace("9042", port) for word in test]
        told = {} if address is None else {"CASSANDRA_RPC_ADDRESS": own}
        done = subprocess.run(
            command, env={"PATH": os.environ["PATH"], **told}, timeout=30, check=False
        )
        assert done.returncode == 0
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"], **told}, timeout=30, check=False,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode != 0


def test_what_is_limited_is_what_the_preflight_counts_and_fits_eight_gib() -> None:
    services = _config("one-server")["services"]
    pair = _config("pair")["services"]
    for part, size in MEMORY.items():
        assert int(pair[part]["mem_limit"]) == size, part
        assert part not in services or int(services[part]["mem_limit"]) == size, part
    assert set(ONE_SERVER) == set(MEMORY) & set(services)
    assert sum(MEMORY.values()) + SYSTEM_MEMORY < 7.5 * 2**30
    published = {
        int(port["published"]) for told in services.values() for port in told.get("ports", ())
    }
    assert published | {8123} == {number for part in ONE_SERVER for number in PORTS[part]}
    for told in services.values():
        for port in told.get("ports", ()):
            assert port["host_ip"] == "127.0.0.1", "no store is open to the network"


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
