"""The compose files, as compose itself reads them."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.servers import free_port
from storage_bridge.config import parse
from storage_bridge.preflight import MEMORY, ONE_SERVER, SYSTEM_MEMORY
from storage_bridge.preflight_machine import PORTS
from storage_bridge.tiers.mongo_settings import parse_url as mongo_hosts

COMPOSE = Path(__file__).parents[2] / "ha_config" / "compose"
BRIDGE_IMAGE = COMPOSE.parent / "container" / "bridge.Dockerfile"
BIN = Path(sys.executable).parent
MEMBERS = {
    "HERE": "10.9.0.1",
    "SERVER_A": "10.9.0.1",
    "SERVER_B": "10.9.0.2",
    "THIRD": "10.9.0.3",
}
FILES = ("lite", "one-server", "pair", "third")
# As .env.example leaves it where there is no third member.
TWO_MEMBERS = {**MEMBERS, "THIRD": "", "CASSANDRA_OPTIONS": "", "CASSANDRA_SEEDS": ""}


def _compose(name: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            BIN / "docker-compose", "-f", COMPOSE / f"{name}.yaml", "--profile", "tools",
            "config", "--format", "json",
        ],
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
    )  # fmt: skip


def _config(name: str, environment: dict[str, str] = MEMBERS) -> Any:
    done = _compose(name, environment)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", FILES)
def test_compose_takes_the_file_and_every_service_is_limited(name: str) -> None:
    for service, told in _config(name)["services"].items():
        assert int(told["mem_limit"]) > 0, service
        if service in {"home-assistant", "redis", "mongo", "cassandra", "sentinel"}:
            assert told["healthcheck"]["test"], service
            assert told["restart"] == "unless-stopped", service
            assert any(volume["target"].startswith(("/data", "/config", "/var/lib"))
                       for volume in told["volumes"]), service  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_what_runs_for_years_is_pinned_keeps_its_output_short_and_may_end_in_peace(
    name: str,
) -> None:
    services = _config(name)["services"]
    for service, told in services.items():
        assert told["logging"]["driver"] == "json-file", service
        assert set(told["logging"]["options"]) == {"max-size", "max-file"}, service
        if "build" in told:
            assert told["pull_policy"] == "never", "an image of ours is not asked of a registry"
        else:
            assert re.fullmatch(r"[a-z./-]+:\d+\.\d+", told["image"]), service
    # At first ten seconds; a store that is killed then has not written what it holds.
    grace = {"home-assistant": "1m0s", "redis": "30s", "mongo": "1m0s", "cassandra": "2m0s"}
    for service in set(grace) & set(services):
        assert services[service]["stop_grace_period"] == grace[service]
    for service in {"mongo", "cassandra"} & set(services):
        assert services[service]["ulimits"]["nofile"] >= 64_000


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("pair", {"HERE"}),
        ("pair", {"SERVER_A"}),
        ("pair", {"SERVER_B"}),
        ("third", {"HERE"}),
        ("third", {"SERVER_A"}),
        ("third", {"SERVER_B"}),
        ("third", {"THIRD"}),
    ],
)
def test_without_an_address_nothing_starts(name: str, missing: set[str]) -> None:
    done = _compose(name, {key: "" if key in missing else told for key, told in MEMBERS.items()})
    assert done.stdout == ""  # this build of compose ends with 0 whatever it says
    assert "missing in .env" in done.stderr


def test_a_pair_starts_without_a_third_member_and_says_what_that_means() -> None:
    two, three = _config("pair", TWO_MEMBERS), _config("pair")
    assert "third" not in json.dumps(two["services"]["bridge"])
    command = two["services"]["preflight"].pop("command")
    assert "--third=" in command
    with_third = three["services"]["preflight"].pop("command")
    assert f"--third={MEMBERS['THIRD']}" in with_third
    assert two == three, "nothing else depends on it: a third may come, and nobody has to be told"
    done = subprocess.run(
        [BIN / "smart-beer-bridge", *command, "--ports-in-use"],
        text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert "note  The pair has no third member" in done.stdout, done.stderr


def test_who_joins_later_fetches_what_it_keeps() -> None:
    # A Cassandra that is a seed of its own starts empty and says that it has everything.
    seeds = {
        name: _config(name)["services"]["cassandra"]["environment"]["CASSANDRA_SEEDS"].split(",")
        for name in ("pair", "third")
    }
    assert seeds["pair"] == seeds["third"] == [MEMBERS["SERVER_A"], MEMBERS["SERVER_B"]]
    back = {
        **TWO_MEMBERS,
        "CASSANDRA_OPTIONS": "-Dcassandra.replace_address_first_boot=10.9.0.1",
        "CASSANDRA_SEEDS": "10.9.0.2",
    }
    told = _config("pair", back)["services"]["cassandra"]["environment"]
    assert told["JVM_EXTRA_OPTS"] == back["CASSANDRA_OPTIONS"]
    assert told["CASSANDRA_SEEDS"] == "10.9.0.2"


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
    # Two of three are a majority: whatever has one is found through these.
    assert {hosts[one] for one in members} == {MEMBERS["SERVER_A"], MEMBERS["SERVER_B"]}
    assert parsed.tiers.cold.replication == {"brewery": 3}


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
def test_a_service_without_rights_is_given_its_folders_first(name: str, tmp_path: Path) -> None:
    # A folder of the host that is not there is made by the engine, for root.
    services = _config(name)["services"]
    (user,) = re.findall(r"^USER (\S+)$", BRIDGE_IMAGE.read_text(), re.MULTILINE)
    folders = services["bridge"]["volumes"]
    assert [one["target"] for one in folders] == ["/data", "/backup"]
    givers = [
        services[other]
        for other, want in services["bridge"]["depends_on"].items()
        if want["condition"] == "service_completed_successfully"
        and services[other]["volumes"] == folders
    ]
    (giver,) = givers
    assert giver["user"] == "0:0"
    shell, option, command = giver["entrypoint"]
    assert f"chown -R {user} /data &&" in command
    assert f"chown {user} " in command, "a folder of others is not taken from them"
    mine = command.replace(user, f"{os.getuid()}:{os.getgid()}")
    for one in folders:
        (tmp_path / one["target"][1:]).mkdir()
        mine = mine.replace(one["target"], f"{tmp_path}{one['target']}")
    subprocess.run([shell, option, mine], check=True, timeout=30)
    for one in folders:
        assert (tmp_path / one["target"][1:]).stat().st_mode & 0o777 == 0o700
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
    port = str(free_port(own))  # nobody else gets it when nothing listens there any more
    with socket.create_server((own, int(port))):
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
