"""What keeps stores from running is said before they are started."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_bridge import cli, preflight_machine
from storage_bridge.preflight import (
    GIB,
    MAX_MAP_COUNT,
    MEMORY,
    MIB,
    SYSTEM_MEMORY,
    Level,
    Machine,
    Port,
    judge,
    kib_of,
    processor_flags,
)

EVERYTHING = tuple(MEMORY)
MINI_PC = Machine(
    machine="x86_64",
    features=frozenset({"sse4_2", "avx"}),
    memory=int(7.6 * GIB),
    memory_free=7 * GIB,
    swap=0,
    page=4096,
    max_map_count=MAX_MAP_COUNT,
    overcommit=1,
    clock_synchronised=True,
    disk_free=200 * GIB,
)


def _said(machine: Machine, *parts: str) -> dict[Level, str]:
    found: dict[Level, str] = {}
    for finding in judge(machine, parts or EVERYTHING):
        found[finding.level] = found.get(finding.level, "") + finding.text + "\n"
    return found


def test_everything_fits_on_a_mini_pc_of_eight_gib() -> None:
    assert set(_said(MINI_PC)) == {Level.OK}


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"features": frozenset({"sse4_2"})}, Level.STOP, "AVX"),
        ({"machine": "riscv64"}, Level.STOP, "no build for riscv64"),
        ({"memory": 4 * GIB}, Level.STOP, "too little"),
        ({"memory": None}, Level.WARN, "cannot be read"),
        ({"memory_free": 1 * GIB}, Level.WARN, "free now"),
        ({"clock_synchronised": False}, Level.STOP, "not synchronised"),
        ({"clock_synchronised": None}, Level.WARN, "cannot be read"),
        ({"swap": GIB}, Level.WARN, "Swap is on"),
        ({"page": 16384}, Level.WARN, "16384"),
        ({"max_map_count": 65530}, Level.WARN, "65530"),
        ({"overcommit": 0}, Level.WARN, "vm.overcommit_memory"),
        ({"disk_free": 2 * GIB}, Level.WARN, "2.0 GiB of the disk"),
        ({"disk_free": None}, Level.WARN, "cannot be read"),
        ({"ports": (Port("redis", 6379, taken=True),)}, Level.STOP, "Port 6379"),
    ],
)
def test_one_thing_that_is_wrong_is_the_one_that_is_said(
    changes: dict[str, object], level: Level, words: str
) -> None:
    said = _said(replace(MINI_PC, **changes))  # type: ignore[arg-type]
    assert set(said) == {level, Level.OK}
    assert words in said[level]
    assert judge(replace(MINI_PC, **changes), EVERYTHING)[0].level is level  # type: ignore[arg-type]


PI_4 = "fp asimd evtstrm crc32 cpuid"
PI_5 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop"


@pytest.mark.parametrize(("features", "runs"), [(PI_4, False), (PI_5, True)])
def test_mongodb_runs_on_a_raspberry_pi_5_and_not_on_a_4(features: str, runs: bool) -> None:
    pi = replace(MINI_PC, machine="aarch64", features=frozenset(features.split()))
    said = _said(pi, "bridge", "mongo")
    assert (Level.STOP not in said) is runs
    assert Level.STOP not in _said(pi, "bridge", "redis"), "Redis does not need it"


@given(st.sets(st.sampled_from(EVERYTHING)), st.integers(256 * MIB, 16 * GIB))
def test_memory_is_judged_by_what_is_chosen(parts: set[str], memory: int) -> None:
    said = _said(replace(MINI_PC, memory=memory, memory_free=memory), *(parts or {"bridge"}))
    need = SYSTEM_MEMORY + sum(MEMORY[part] for part in parts or {"bridge"})
    assert ("too little" in said.get(Level.STOP, "")) is (memory < need)


def test_only_what_every_processor_has_counts() -> None:
    text = "processor\t: 0\nflags\t\t: fpu avx sse\n\nprocessor\t: 1\nflags\t\t: fpu sse\n"
    assert processor_flags(text) == {"fpu", "sse"}
    assert processor_flags("no flags here") == frozenset()


def test_meminfo_is_read_by_name() -> None:
    text = "MemTotal:        8000 kB\nMemAvailable:    100 kB\nHugePages_Total:       0\n"
    assert kib_of(text, "MemTotal") == 8_192_000
    assert kib_of(text, "MemAvailable") == 102_400
    assert kib_of(text, "Swap") is None


def test_this_computer_is_read(tmp_path: Path) -> None:
    machine = preflight_machine.read(EVERYTHING, folder=tmp_path / "not" / "there" / "yet")
    assert machine.memory is not None
    assert machine.memory > 0
    assert machine.features
    assert machine.disk_free is not None
    assert {port.part for port in machine.ports} == set(EVERYTHING)


def test_a_member_of_a_pair_needs_the_ports_of_its_peers_too(tmp_path: Path) -> None:
    def numbers(*parts: str, pair: bool) -> set[tuple[str, int]]:
        machine = preflight_machine.read(parts, folder=tmp_path, pair=pair)
        return {(port.part, port.number) for port in machine.ports}

    alone, paired = numbers(*EVERYTHING, pair=False), numbers(*EVERYTHING, pair=True)
    assert paired - alone == {("cassandra", 7000), ("cassandra", 7199)}
    assert alone < paired
    assert numbers("sentinel", pair=True) == {("sentinel", 26379)}


def test_a_port_that_something_listens_on_is_taken() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert preflight_machine.taken(port)
    assert not preflight_machine.taken(port)


def test_a_port_of_another_address_is_taken_for_a_member_of_a_pair() -> None:
    # Cassandra listens on the address that its peers know.
    with socket.create_server(("127.0.0.9", 0)) as server:
        port = server.getsockname()[1]
        assert not preflight_machine.taken(port)
        assert preflight_machine.taken(port, every_address=True)
    assert not preflight_machine.taken(port, every_address=True)


def test_the_command_says_it_and_ends_by_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.main(
        ["preflight", "--parts", "bridge", "--ports-in-use", "--data-dir", str(tmp_path)]
    )
    lines = capsys.readouterr().out.splitlines()
    assert any("memory" in line for line in lines)
    assert code == any(line.startswith("STOP") for line in lines)


@pytest.mark.parametrize(("options", "sentinel"), [([], False), (["--pair"], True)])
def test_a_sentinel_is_a_part_of_a_pair_alone(
    options: list[str], sentinel: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["preflight", "--data-dir", str(tmp_path), *options])
    out = capsys.readouterr().out
    assert ("26379" in out) is sentinel
    assert ("7000" in out) is sentinel
    assert "27017" in out


@pytest.mark.parametrize(
    ("options", "said", "silent"),
    [
        (["--pair", "--third="], "note  The pair has no third member", "Two of the three"),
        (["--pair"], "note  The pair has no third member", "Two of the three"),
        (["--pair", "--third", "10.9.0.3"], "ok  Two of the three", "no third member"),
        ([], "memory", "third"),
        (["--third", "10.9.0.3"], "memory", "three"),
    ],
)
def test_what_a_pair_does_without_a_third_member_is_said_and_stops_nothing(
    options: list[str], said: str, silent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.main(["preflight", "--parts", "bridge", "--ports-in-use", *options])
    out = capsys.readouterr().out
    assert said in out
    assert silent not in out
    assert code == ("STOP" in out)


def test_what_is_meant_so_comes_before_what_is_well_and_after_what_is_not() -> None:
    levels = [one.level for one in judge(replace(MINI_PC, swap=GIB), EVERYTHING, third=False)]
    assert levels == sorted(levels, key=list(Level).index)
    assert levels.count(Level.NOTE) == 1
    assert {Level.WARN, Level.OK} < set(levels)
