"""The node as a whole: the only place where its parts are made and joined."""

import asyncio
import contextlib
import ctypes
import fcntl
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from edge_node import identity as identities
from edge_node import service_manager
from edge_node.actuation import Actuation, Report
from edge_node.api import ApiServer
from edge_node.cli_clients import own_host
from edge_node.clock import Clock
from edge_node.config import NodeConfig
from edge_node.discovery import Announcement
from edge_node.hardware import Acquisition
from edge_node.hardware.outputs import Outputs, open_inputs
from edge_node.hardware.outputs.heartbeat import open_heartbeat
from edge_node.node import Node
from edge_node.pairing import PairingWindow
from edge_node.pairing_button import FILE_NAME, PairingButton
from edge_node.sampler import Sampler
from edge_node.spool import Spool
from edge_node.supervise import supervise

_LOGGER = logging.getLogger(__name__)

_CHECK_S: Final = 2.0
_PR_SET_PDEATHSIG: Final = 1


class AppError(Exception):
    """The node cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run, beyond the configuration.

    `pausable`: SIGUSR1 stops sampling and keeps serving; `paused`: so from the start.
    `standing_code`: a pairing code that is always good, for simulated nodes only.
    `parent`: end at once when this process, which started the node, is gone.
    """

    pausable: bool = False
    paused: bool = False
    standing_code: str | None = None
    parent: int | None = None


async def run(config: NodeConfig, outputs: Outputs, options: RunOptions | None = None) -> None:
    """Run the node until SIGTERM or SIGINT; AppError, IdentityError.

    `outputs` are open and at their safe level, as they are again when this returns or raises.
    """
    try:
        await _run(config, outputs, options or RunOptions())
    finally:
        outputs.close()


async def _run(config: NodeConfig, outputs: Outputs, options: RunOptions) -> None:
    if options.parent is not None:
        die_with(options.parent)
    identity = identities.load(config.node_id, config.data_dir)
    identities.make_data_dir(config.data_dir)
    with _only_one(config.data_dir):
        clock = Clock(config.data_dir / "clock.json", trust=config.clock == "trust")
        spool = Spool(
            config.data_dir / "spool.db",
            max_bytes=config.spool_max_bytes,
            kernel_boot=clock.kernel_boot,
        )
        hardware = Acquisition(config)
        node = Node(config, identity, clock, spool, hardware)
        sampler = Sampler(
            config.node_id, clock, hardware, observe=node.observe_clock, deliver=node.deliver
        )
        node.missed_ticks = lambda: sampler.missed
        node.actuation = actuation = _actuation(node, outputs)
        actuation.core.witness = lambda kettle_id, value, mono_ms: hardware.reference(
            value, mono_ms / 1000, kettle_id=kettle_id
        )
        stop = _signals(node, sampler, options)
        try:
            await asyncio.to_thread(actuation.start)
            await spool.open()
            _LOGGER.info("Node %s %s: spool %s", config.node_id, identity.version, spool.spool_id)
            await _run_tasks(node, sampler, hardware, options, stop)
        finally:
            actuation.stop()
            await spool.close()
    _LOGGER.info("Node %s has stopped", config.node_id)


async def _run_tasks(
    node: Node, sampler: Sampler, hardware: Acquisition, options: RunOptions, stop: asyncio.Event
) -> None:
    """Run every long-lived task, each supervised, until `stop`; sampling ends first."""
    jobs = {
        "sampler": partial(_sample, hardware, sampler),
        "api": partial(_serve, node, options.standing_code),
        "check": partial(_check, node),
        "watchdog": partial(_watch, node),
    }
    tasks = [
        asyncio.create_task(supervise(name, job, node.report_task), name=name)
        for name, job in jobs.items()
    ]
    service_manager.notify("READY=1")
    try:
        await stop.wait()
    finally:
        # First of all: what the node was doing may take a while to end.
        if node.actuation is not None:
            node.actuation.stop()
        with contextlib.suppress(OSError):
            service_manager.notify("STOPPING=1")
        for task in tasks:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _actuation(node: Node, outputs: Outputs) -> Actuation:
    actuation = Actuation(
        node.config,
        boot_id=node.boot_id,
        mono_ms=node.mono_ms,
        utc_ms=node.clock.now_ms,
        outputs=outputs,
        inputs=open_inputs(node.config.path),
        heartbeat=open_heartbeat(),
    )
    loop = asyncio.get_running_loop()

    def tell(report: Report) -> None:
        # The loop may be gone already when the process ends.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(node.actuated, report)

    actuation.listener = tell
    return actuation


async def _sample(hardware: Acquisition, sampler: Sampler) -> None:
    await hardware.start()
    try:
        await sampler.run()
    finally:
        await hardware.close()


async def _serve(node: Node, standing_code: str | None) -> None:
    pairing = None
    if standing_code is not None:
        pairing = PairingWindow(node.config.data_dir, standing_code=standing_code)
    server = ApiServer(node, pairing=pairing)
    await server.start()
    _LOGGER.info("Node %s serves on port %d", node.config.node_id, server.port)
    try:
        async with _announced(node, server.port), _pairing_button(node, server.port):
            await asyncio.get_running_loop().create_future()
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def _announced(node: Node, port: int) -> AsyncIterator[None]:
    if not node.config.api.mdns:
        yield
        return
    announcement = Announcement(node, port)
    await announcement.start()
    try:
        yield
    finally:
        await announcement.stop()


@contextlib.asynccontextmanager
async def _pairing_button(node: Node, port: int) -> AsyncIterator[None]:
    config, actuation = node.config, node.actuation
    if actuation is None or "pairing" not in config.buttons:
        yield
        return
    # In memory where the service manager made a folder for that.
    folder = Path(os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0] or config.data_dir)
    button = PairingButton(
        PairingWindow(config.data_dir),
        folder / FILE_NAME,
        host=lambda: own_host(config.api.bind),
        port=port,
        fingerprint=node.identity.fingerprint,
    )
    task = asyncio.create_task(supervise("pairing_button", button.run, node.report_task))
    actuation.core.pair = button.press
    try:
        yield
    finally:
        actuation.core.pair = lambda: None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _check(node: Node) -> None:
    """Keep the alarms right also while nothing is sampled; write gains that the disk refused."""
    while True:
        await asyncio.sleep(_CHECK_S)
        if node.actuation is not None and node.actuation.gains.problem is not None:
            # A disk that hangs holds up nothing but this: every tick refreshes the alarms, too.
            await asyncio.to_thread(node.actuation.gains.keep)
        node.refresh()


async def _watch(node: Node) -> None:
    """Tell the service manager that the node lives; a full disk is no reason to be restarted."""
    interval = service_manager.watchdog_s()
    if interval is None:
        await asyncio.get_running_loop().create_future()
        return
    while True:
        if node.failing() not in {"actuation", "outputs", "sampler"}:
            service_manager.notify("WATCHDOG=1")
        await asyncio.sleep(interval / 3)


def _signals(node: Node, sampler: Sampler, options: RunOptions) -> asyncio.Event:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def pause() -> None:
        _LOGGER.info("Sampling is stopped; the node goes on serving")
        node.paused = sampler.paused = True

    if options.pausable:
        loop.add_signal_handler(signal.SIGUSR1, pause)
    if options.paused:
        pause()
    return stop


@contextlib.contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data folder; its lock file names the process that does."""
    path = data_dir / "run.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise AppError(f"{path} cannot be opened: {err}. Is the data folder this user's?") from err
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise AppError(
                f"The node of {data_dir} runs already, as process {holder or 'unknown'}; "
                "stop that one first."
            ) from err
        # A full disk must not keep the node from starting; the number is for people.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when `parent` is gone; AppError if it is already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise AppError(f"the process {parent} that started this node is gone")
