"""PURE: what of a computer would keep the chosen stores from running, before any is started.

Sources: MongoDB's production notes (AVX since 5.0 on x86-64, ARMv8.2-A since 5.0 on arm64),
Cassandra's (`vm.max_map_count`, no swap), Redis's (`vm.overcommit_memory`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MIB: Final = 1 << 20
GIB: Final = 1 << 30

# What each part is given by the compose files, and what it must have at least, in bytes.
MEMORY: Final[Mapping[str, int]] = {
    "home-assistant": 1536 * MIB,
    "bridge": 384 * MIB,
    "redis": 640 * MIB,
    "mongo": 1280 * MIB,
    "cassandra": 2048 * MIB,
    "sentinel": 64 * MIB,
}
# A Sentinel is a matter of several computers.
ONE_SERVER: Final = tuple(part for part in MEMORY if part != "sentinel")
SYSTEM_MEMORY: Final = 512 * MIB
MIN_DISK: Final = 10 * GIB
MAX_MAP_COUNT: Final = 1_048_575
PAGE: Final = 4096


class Level(StrEnum):
    """How bad a finding is: it will not run; it will run badly; it is meant so; it is well."""

    STOP = "stop"
    WARN = "warn"
    NOTE = "note"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `text` is a sentence with what to do about it."""

    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Port:
    """A port a store wants, and whether something listens on it already."""

    part: str
    number: int
    taken: bool


@dataclass(frozen=True, slots=True)
class Machine:
    """What was read of the computer; sizes in bytes, None where it could not be read.

    `machine` as `uname -m` says it, `features` the flags of its processor.
    """

    machine: str
    features: frozenset[str]
    memory: int | None
    memory_free: int | None
    swap: int | None
    page: int | None
    max_map_count: int | None
    overcommit: int | None
    clock_synchronised: bool | None
    disk_free: int | None
    ports: tuple[Port, ...] = ()


def judge(machine: Machine, parts: Iterable[str], *, third: bool | None = None) -> list[Finding]:
    """Everything looked at for these parts (names of MEMORY), the worst first.

    `third`: whether the pair that this computer is of has a third member; None: it is of none.
    """
    chosen = frozenset(parts)
    findings = [
        *_memory(machine, chosen),
        *_processor(machine, chosen),
        *_kernel(machine, chosen),
        _clock(machine),
        *_disk(machine),
        *(_port(port) for port in machine.ports if port.part in chosen),
        *(() if third is None else (_majority(third=third),)),
    ]
    order = list(Level)
    return sorted(findings, key=lambda finding: order.index(finding.level))


def processor_flags(cpuinfo: str) -> frozenset[str]:
    """The flags that every processor of `/proc/cpuinfo` has."""
    found = [
        frozenset(value.split())
        for line in cpuinfo.splitlines()
        for name, _, value in (line.partition(":"),)
        if name.strip() in {"flags", "Features"}
    ]
    return frozenset.intersection(*found) if found else frozenset()


def kib_of(meminfo: str, name: str) -> int | None:
    """A line of `/proc/meminfo`, in bytes."""
    for line in meminfo.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == f"{name}:" and words[1].isdecimal():
            return int(words[1]) * 1024
    return None


def _memory(machine: Machine, parts: frozenset[str]) -> Iterable[Finding]:
    need = SYSTEM_MEMORY + sum(MEMORY[part] for part in parts)
    if machine.memory is None:
        yield Finding(Level.WARN, "How much memory this computer has cannot be read.")
    elif machine.memory < need:
        yield Finding(
            Level.STOP,
            f"{_size(machine.memory)} of memory are too little for {_list(parts)}, which take "
            f"{_size(need)} with the system: leave out Cassandra or MongoDB (the embedded tier "
            "takes its place), or use a bigger computer.",
        )
    elif machine.memory_free is not None and machine.memory_free < need - SYSTEM_MEMORY:
        yield Finding(
            Level.WARN,
            f"Only {_size(machine.memory_free)} of memory are free now, and {_list(parts)} may "
            f"take {_size(need - SYSTEM_MEMORY)}: stop what else runs here.",
        )
    else:
        yield Finding(Level.OK, f"{_size(machine.memory)} of memory are enough.")


def _processor(machine: Machine, parts: frozenset[str]) -> Iterable[Finding]:
    if "mongo" not in parts:
        return
    if machine.machine in {"x86_64", "amd64"}:
        if "avx" not in machine.features:
            yield Finding(
                Level.STOP,
                "This processor has no AVX, without which MongoDB 5 and newer end at once: keep "
                "the warm tier embedded (driver: sqlite), or use another computer.",
            )
        else:
            yield Finding(Level.OK, "The processor has AVX, which MongoDB needs.")
    elif machine.machine in {"aarch64", "arm64"}:
        if not {"atomics", "dcpop"} <= machine.features:
            yield Finding(
                Level.STOP,
                "This processor is older than ARMv8.2-A (a Raspberry Pi 4 is), which MongoDB 5 "
                "and newer need: keep the warm tier embedded (driver: sqlite), or use a Pi 5.",
            )
        else:
            yield Finding(Level.OK, "The processor is ARMv8.2-A, which MongoDB needs.")
    else:
        yield Finding(
            Level.STOP,
            f"MongoDB has no build for {machine.machine}: it takes a 64-bit x86 or ARM system.",
        )


def _kernel(machine: Machine, parts: frozenset[str]) -> Iterable[Finding]:
    if parts & {"mongo", "redis"} and machine.page not in {None, PAGE}:
        yield Finding(
            Level.WARN,
            f"The kernel uses pages of {machine.page} bytes (the Raspberry Pi 5's does); the "
            "images of Redis and MongoDB are built for 4096: kernel=kernel8.img in config.txt.",
        )
    if "cassandra" in parts:
        if machine.max_map_count is not None and machine.max_map_count < MAX_MAP_COUNT:
            yield Finding(
                Level.WARN,
                f"vm.max_map_count is {machine.max_map_count}; Cassandra asks for {MAX_MAP_COUNT}: "
                f"sysctl -w vm.max_map_count={MAX_MAP_COUNT}, and the same in /etc/sysctl.d.",
            )
        if machine.swap:
            yield Finding(
                Level.WARN,
                "Swap is on; a Cassandra that is swapped out looks dead to its peers: swapoff -a, "
                "and take it out of /etc/fstab.",
            )
    if "redis" in parts and machine.overcommit not in {None, 1}:
        yield Finding(
            Level.WARN,
            "vm.overcommit_memory is not 1; Redis may fail to save when memory is short: "
            "sysctl -w vm.overcommit_memory=1, and the same in /etc/sysctl.d.",
        )


def _clock(machine: Machine) -> Finding:
    if machine.clock_synchronised is None:
        return Finding(
            Level.WARN, "Whether the clock is synchronised cannot be read: see to it yourself."
        )
    if not machine.clock_synchronised:
        return Finding(
            Level.STOP,
            "The clock is not synchronised, and Cassandra takes the later of two writes by the "
            "clock: start a time service (systemctl enable --now systemd-timesyncd, or chrony) and "
            "wait a minute.",
        )
    return Finding(Level.OK, "The clock is synchronised.")


def _disk(machine: Machine) -> Iterable[Finding]:
    if machine.disk_free is None:
        yield Finding(Level.WARN, "How much of the disk is free cannot be read.")
    elif machine.disk_free < MIN_DISK:
        yield Finding(
            Level.WARN,
            f"Only {_size(machine.disk_free)} of the disk are free; with less than "
            f"{_size(MIN_DISK)} there is no room for a year of eight probes and its backup.",
        )
    else:
        yield Finding(Level.OK, f"{_size(machine.disk_free)} of the disk are free.")


def _port(port: Port) -> Finding:
    if port.taken:
        return Finding(
            Level.STOP,
            f"Port {port.number}, which {port.part} wants, is taken already: find out by what "
            f"(ss -ltnp 'sport = :{port.number}') and stop it, or choose another port.",
        )
    return Finding(Level.OK, f"Port {port.number} is free for {port.part}.")


def _majority(*, third: bool) -> Finding:
    if third:
        return Finding(
            Level.OK, "Two of the three members keep MongoDB, Cassandra and the Sentinels going."
        )
    return Finding(
        Level.NOTE,
        "The pair has no third member: while either server is away warm and cold wait in the "
        "outbox, answers say that they are partial, and Redis does not fail over. Nothing is lost, "
        "and it is all made up when the server is back. A third computer changes that: THIRD in "
        ".env, third.yaml there, and join.sh again.",
    )


def _list(parts: frozenset[str]) -> str:
    return ", ".join(sorted(parts))


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB"
