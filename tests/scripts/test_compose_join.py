"""join.sh and join.js, which make the stores of a pair one and take in a third that comes later."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .programs import put_program

COMPOSE = Path(__file__).parents[2] / "ha_config" / "compose"

JOIN = """
const fs = require("fs"), vm = require("vm");
const scene = JSON.parse(process.argv[1]), calls = [];
let user = scene.user, joined = scene.joined, inside = !user, polls = 0, hosts = scene.known;
function fail(name) { const error = new Error(name); error.codeName = name; throw error; }
const world = {
  process: { env: { MEMBERS: scene.members } },
  require: () => ({ readFileSync: () => "word\\n" }),
  print: (text) => console.error(text),
  sleep: () => {},
  rs: {
    status() { if (!inside) fail("Unauthorized"); if (!joined) fail("NotYetInitialized"); },
    initiate(config) {
      if (!inside) fail("Unauthorized");
      joined = true;
      hosts = config.members.map((one) => one.host);
      calls.push(["initiate", config]);
    },
    conf() {
      if (!inside || !user) fail("Unauthorized");
      return { members: hosts.map((host, id) => ({ _id: id, host: host })) };
    },
    add(member) {
      if (polls < 3) fail("NotWritablePrimary");
      calls.push(["add", member]);
    },
  },
  db: {
    hello: () => ({ isWritablePrimary: joined && scene.leads && ++polls > 2 }),
    getSiblingDB: (name) => ({
      auth(who, word) {
        if (!user) fail("AuthenticationFailed");
        inside = true;
        calls.push(["auth", name, who, word]);
      },
      createUser(made) {
        if (polls < 3) fail("NotWritablePrimary");
        user = true;
        calls.push(["user", name, made]);
      },
    }),
  },
};
vm.runInNewContext(fs.readFileSync(process.argv[2], "utf8"), world);
console.log(JSON.stringify(calls));
"""
THREE = "10.9.0.1:27017,10.9.0.2:27017,10.9.0.3:27017"
TWO = THREE.rpartition(",")[0]
USER = ["user", "admin", {"user": "smart_beer", "pwd": "word", "roles": ["root"]}]
ENTERED = ["auth", "admin", "smart_beer", "word"]


def _join(
    *, user: bool, joined: bool, leads: bool = True, members: str = THREE, known: str = THREE
) -> subprocess.CompletedProcess[str]:
    scene = {
        "user": user, "joined": joined, "leads": leads,
        "members": members, "known": known.split(","),
    }  # fmt: skip
    return subprocess.run(
        ["node", "-e", JOIN, json.dumps(scene), COMPOSE / "mongo" / "join.js"],
        text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("user", "joined", "expected"),
    [
        (False, False, ["initiate", "user", "auth"]),
        (False, True, ["user", "auth"]),  # it ended in the middle
        (True, False, ["auth", "initiate"]),  # the image had made the user
        (True, True, ["auth"]),
    ],
)
def test_a_replica_set_and_its_user_are_made_once(
    user: bool, joined: bool, expected: list[str]
) -> None:
    done = _join(user=user, joined=joined)
    assert done.returncode == 0, done.stderr
    calls = json.loads(done.stdout)
    assert [call[0] for call in calls] == expected
    for call in calls:
        assert call[0] != "user" or call == USER
        assert call[0] != "auth" or call == ENTERED
        if call[0] == "initiate":
            members = call[1]["members"]
            assert [one["host"] for one in members] == THREE.split(",")
            assert members[0]["priority"] == max(one["priority"] for one in members)


def test_two_members_are_a_set_and_a_third_that_comes_later_is_taken_in() -> None:
    made = json.loads(_join(user=False, joined=False, members=TWO, known="").stdout)
    (config,) = [call[1] for call in made if call[0] == "initiate"]
    assert [one["host"] for one in config["members"]] == TWO.split(",")
    assert json.loads(_join(user=True, joined=True, members=TWO, known=TWO).stdout) == [ENTERED]
    later = json.loads(_join(user=True, joined=True, known=TWO).stdout)
    # It never leads where another can: it runs no bridge.
    assert later == [ENTERED, ["add", {"host": THREE.split(",")[2], "priority": 0.5}]]


def test_a_member_that_never_leads_is_named() -> None:
    done = _join(user=False, joined=False, leads=False)
    assert done.returncode != 0
    assert "10.9.0.1:27017 does not lead its replica set" in done.stderr


DOCKER = """#!/usr/bin/env bash
echo "$*" >>"$STATE/commands"
case $* in
  *get-master-addr-by-name*) printf '%s\\n6379\\n' "$MASTER" ;;
  *" ROLE") echo "$OTHER" ;;
  *"nodetool status")
    echo x >>"$STATE/asked"
    for n in $(seq "$(wc -l <"$STATE/asked")"); do
      if [ "$n" -le "$SEEN" ]; then echo "UN  10.9.0.$n  100 KiB  16  ?  rack1"; fi
    done
    echo "DN  10.9.0.9  100 KiB  16  ?  rack1"
    if [ "$SEEN" = 0 ]; then exit 1; fi
    ;;
esac
"""
SERVERS = {"SERVER_A": "10.9.0.1", "SERVER_B": "10.9.0.2"}


def _join_pair(
    folder: Path,
    here: str,
    *,
    master: str = "10.9.0.1",
    other: str = "slave",
    third: str = "10.9.0.3",
    seen: int = 3,
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    put_program(folder / "bin", "docker", DOCKER)
    shutil.copy(COMPOSE / "join.sh", folder)
    told = {"HERE": here, **SERVERS, "THIRD": third}
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in told.items()))
    done = subprocess.run(
        [folder / "join.sh"],
        text=True, capture_output=True, timeout=60, check=False,
        env={
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "STATE": str(folder),
            "MASTER": master, "OTHER": other, "SEEN": str(seen), "PAUSE": "0",
        },
    )  # fmt: skip
    commands = folder / "commands"
    return done, commands.read_text().splitlines() if commands.exists() else []


@pytest.mark.parametrize(
    ("master", "other", "follows"),
    [
        ("10.9.0.1", "master", "10.9.0.2 6379 REPLICAOF 10.9.0.1 6379"),
        ("10.9.0.1", "slave", None),
        # The Sentinels have changed the roles, and A has come back without having been told.
        ("10.9.0.2", "master", "10.9.0.1 6379 REPLICAOF 10.9.0.2 6379"),
        ("10.9.0.2", "slave", None),
    ],
)
def test_a_pair_is_joined_as_its_sentinels_see_it(
    tmp_path: Path, master: str, other: str, follows: str | None
) -> None:
    done, commands = _join_pair(tmp_path, "10.9.0.1", master=master, other=other)
    assert done.returncode == 0, done.stderr
    told = [one.partition("ask.sh ")[2] for one in commands if "REPLICAOF" in one]
    assert told == ([] if follows is None else [follows])
    (joined,) = [one for one in commands if "join.js" in one]
    assert "MEMBERS=10.9.0.1:27017,10.9.0.2:27017,10.9.0.3:27017" in joined
    roles = next(n for n, one in enumerate(commands) if "cassandra-roles" in one)
    assert "repair --full system_auth" in commands[roles + 1]


def test_a_pair_of_two_is_joined_and_told_what_waits(tmp_path: Path) -> None:
    done, commands = _join_pair(tmp_path, "10.9.0.1", third="", seen=2)
    assert done.returncode == 0, done.stderr
    (joined,) = [one for one in commands if "join.js" in one]
    assert "MEMBERS=10.9.0.1:27017,10.9.0.2:27017 " in joined
    assert "There is no third member" in done.stdout


@pytest.mark.parametrize(("third", "wanted"), [("10.9.0.3", 3), ("", 2)])
def test_roles_are_made_when_the_members_have_found_each_other(
    tmp_path: Path, third: str, wanted: int
) -> None:
    _, commands = _join_pair(tmp_path, "10.9.0.1", third=third)
    made = next(n for n, one in enumerate(commands) if "cassandra-roles" in one)
    asked = [one for one in commands[:made] if "nodetool status" in one]
    assert len(asked) == wanted, "each time it sees one more"


@pytest.mark.parametrize("seen", [0, 1])
def test_a_cassandra_that_sees_nobody_is_said_before_it_has_roles(
    tmp_path: Path, seen: int
) -> None:
    done, commands = _join_pair(tmp_path, "10.9.0.1", third="", seen=seen)
    assert done.returncode == 1
    assert f"Cassandra sees {seen} of 2 members" in done.stderr
    assert not [one for one in commands if "cassandra-roles" in one]


def test_a_pair_is_joined_on_server_a_alone(tmp_path: Path) -> None:
    done, commands = _join_pair(tmp_path, "10.9.0.2")
    assert done.returncode == 1
    assert "run it on server A (10.9.0.1)" in done.stderr
    assert commands == []
