"""Puts the bridge together and runs it; the only place that constructs its parts."""

import asyncio
import contextlib
import logging
import secrets
import signal
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from . import metrics
from .api import Context, create_app
from .coverage import size
from .data_dir import RUNTIME, DataDirError, DataDirLock, write_runtime
from .feeder import Feeder, HotSink, WarmSink
from .filler import Filler
from .following import Following
from .keeper import DAY_MS, Keeper
from .outbox import READ_SAMPLES, Outbox
from .outbox_letters import DeadLetters
from .reader import Missing, Reader
from .restore import unfinished
from .source import Source
from .supervise import Supervisor
from .tiers import Tiers, tiers_of

if TYPE_CHECKING:
    from .config import BridgeConfig
    from .tiers.base import Role

LOGGER = logging.getLogger(__name__)

LINGER_S: Final = 1.0  # live screens are served by Home Assistant, not from here
# A MongoDB document is a minute: half of one at once costs as much as one sample at a time. So
# much comes in half a minute from 3,000 series.
MINUTES_AT_ONCE: Final = 100_000
OPEN_S: Final = 2.0  # how long a start waits for its stores
DRAIN_S: Final = 5.0  # how long a clean stop lets the tiers take what is committed
STOP_S: Final = 30.0  # a clean stop that takes longer is cut short


def bridge_version() -> str:
    """The installed package's version."""
    try:
        return version("smart-beer")
    except PackageNotFoundError:
        return "unknown"


class Bridge:
    """The running bridge: `start`, then `wait` until it cannot go on, then `stop`."""

    def __init__(self, config: BridgeConfig) -> None:
        self.config = config
        self.secret = secrets.token_urlsafe(32)
        self.supervisor = Supervisor()
        self.tiers: Tiers
        self.keeper: Keeper
        self.outbox: Outbox
        self.source: Source
        self.feeders: dict[str, Feeder]
        self.filler: Filler
        self.following: Following
        self.letters: DeadLetters
        self.port = 0
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Start everything, or stop again and raise.

        Raises DataDirError, OutboxError, OSError, or DriverMissingError for a configured store.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def wait(self) -> None:
        """Never returns; raises OutboxDiedError when nothing can be acknowledged any more."""
        await self.outbox.watch()

    async def stop(self) -> None:
        """Take nothing more in, commit what was, close the files."""
        await self._stack.aclose()

    async def _start(self) -> None:
        config = self.config
        lock = DataDirLock(config.data_dir)
        self._stack.callback(lock.release)
        if (backup := unfinished(config.data_dir)) is not None:
            raise DataDirError(
                f"The restore of {backup} into data_dir {config.data_dir} has not finished: run it "
                "again, the bridge starts after it"
            )
        self.outbox = Outbox(config.outbox_path, max_bytes=config.outbox_max_bytes)
        self._stack.push_async_callback(self.outbox.close)
        self.tiers = await asyncio.to_thread(tiers_of, config.tiers, config.store_path)
        self._stack.push_async_callback(self.tiers.close)
        self.keeper = Keeper(
            self.tiers,
            hot_days=config.tiers.hot_days,
            warm_days=config.tiers.warm_days,
            hours_per_minute=config.tiers.hours_per_minute,
            # An embedded warm tier is in a file of this server's: nobody else can archive it.
            elsewhere=lambda: config.tiers.warm is not None and self.following.leader.elsewhere,
        )
        # A store that is away may take long to say so; samples are taken in meanwhile.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OPEN_S):
                await self.keeper.open_now()
        self._stack.push_async_callback(self.tiers.warm.records.close)
        hot, warm, _ = self.tiers
        self.following = Following(config, self.outbox, self.tiers)
        self.letters = DeadLetters(self.outbox, warm.records)
        holding = hot.settle_s > 0
        self.feeders = {
            "hot": Feeder(HotSink(hot), self.outbox, linger=LINGER_S, holding=holding),
            "warm": Feeder(
                WarmSink(warm, self.following.batches),
                self.outbox,
                linger=LINGER_S if config.tiers.warm is None else config.tiers.warm.flush_s,
                at_once=READ_SAMPLES if config.tiers.warm is None else MINUTES_AT_ONCE,
            ),
        }
        keep_ms = config.tiers.hot_days * DAY_MS
        self.filler = Filler(hot, warm, self.feeders["hot"], keep_ms=keep_ms)
        await self._start_api()
        url = config.api.advertise or f"http://{_host(config.api.bind)}:{self.port}"
        self.source = Source(
            self.outbox,
            url=config.home_assistant.url,
            token=config.home_assistant.token,
            register={"url": url, "secret": self.secret, "version": bridge_version()},
        )
        self._stack.push_async_callback(self.supervisor.close)
        self._stack.push_async_callback(self._drain)
        self.supervisor.start("tiers", self.keeper.watch_tiers)
        for name, feeder in self.feeders.items():
            self.supervisor.start(f"feed {name}", feeder.run)
        self.supervisor.start("fill hot", self.filler.run)
        self.supervisor.start("archive", self.keeper.archive)
        self.supervisor.start("source", self.source.run)
        self.following.start(self.supervisor)
        self.supervisor.start("letters", self.letters.run)
        local = f"http://{_host(config.api.bind)}:{self.port}"
        write_runtime(config.data_dir, local, self.secret)
        runtime = config.data_dir / RUNTIME
        self._stack.callback(runtime.unlink, missing_ok=True)
        LOGGER.info("The bridge runs; its API answers at %s", local)

    async def _start_api(self) -> None:
        app = create_app(
            Context(
                reader=Reader(*self.tiers, lacking=self._lacking),
                tiers=self.tiers,
                status=self.status,
                metrics=self.metrics,
                failing=self.failing,
                stale=self.stale,
                secret=self.secret,
            )
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self.config.api.bind, self.config.api.port).start()
        self.port = runner.addresses[0][1]

    async def status(self) -> dict[str, Any]:
        """What `GET /v1/status` and `smart-beer-bridge status` show."""
        return {
            "version": bridge_version(),
            "running": True,
            "source": self.source.status(),
            "following": self.following.status(),
            "leads": self.following.leader.leads,
            "outbox": self.outbox.status(),
            "letters": self.letters.status(),
            "sinks": {name: feeder.status() for name, feeder in self.feeders.items()},
            "tiers": {**self.keeper.status(), "hot": self.filler.status()},
            "tasks": self.supervisor.status(),
            "coverage": shown_coverage(await self.outbox.ledger()),
            "latency_ms": self.outbox.status()["latency_ms"],
            "alarms": self._alarms(),
        }

    async def metrics(self) -> str:
        """What `GET /metrics` shows."""
        return metrics.render(await self.status(), self.outbox.snapshot.latency)

    def failing(self) -> str | None:
        """The part that keeps samples from being taken in; a store that is away is not one."""
        outbox = self.outbox.status()
        return "outbox" if outbox["full"] or outbox["error"] else None

    def stale(self) -> str | None:
        """Why hot may not have the newest samples, a sentence."""
        if (why := self.feeders["hot"].behind) is not None:
            return _behind("hot", why)
        if not self.filler.whole:
            return "The hot tier is being filled from warm."
        return None

    def _lacking(self) -> list[Missing]:
        roles: tuple[Role, ...] = ("hot", "warm")
        return [
            Missing(tier=role, error=_behind(role, why))
            for role in roles
            if (why := self.feeders[role].behind) is not None
        ]

    async def _drain(self) -> None:
        """Let tiers that work take what is committed; what is left waits for the next start."""
        await self.supervisor.stop("source")
        await self.following.stop(self.supervisor)
        for feeder in self.feeders.values():
            feeder.hurry()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                feeders = self.feeders.values()
                while any(not f.idle and f.problem is None for f in feeders):  # noqa: ASYNC110 - at the end
                    await asyncio.sleep(0.05)

    def _alarms(self) -> list[str]:
        outbox = self.outbox.status()
        found = [self.source.alarm, outbox["error"]]
        if outbox["full"]:
            found.append("The outbox is full: nothing is acknowledged until a tier takes samples")
        found += [
            f"The {name} tier takes no samples: {feeder.problem}"
            for name, feeder in self.feeders.items()
            if feeder.problem
        ]
        found += [
            f"The {role} tier cannot be used: {problem}"
            for role, problem in self.keeper.closed.items()
            if problem and not (role in self.feeders and self.feeders[role].problem)
        ]
        if self.keeper.archive_problem:
            found.append(f"Archiving does not get on: {self.keeper.archive_problem}")
        if self.filler.problem and not self.feeders["hot"].problem:
            found.append(f"The hot tier cannot be filled: {self.filler.problem}")
        if self.letters.problem and not self.feeders["warm"].problem:
            found.append(f"Dead letters cannot be kept in the warm tier: {self.letters.problem}")
        found += [
            f"The task {name} keeps dying ({task['restarts']} times), last of {task['died_of']}"
            for name, task in self.supervisor.status().items()
            if task["unsteady"]
        ]
        return [text for text in found if text]


def shown_coverage(ledger: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """A ledger with `lost`: how many numbers nodes dropped before they were read."""
    return {
        node_id: [{**spool, "lost": size(spool["gaps"])} for spool in spools]
        for node_id, spools in ledger.items()
    }


def _behind(role: Role, why: str) -> str:
    return f"The {role} tier does not hold all yet that was taken in: {why}"


def _host(bind: str) -> str:
    """An address under which this machine reaches what listens on `bind`."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104 - compared, not bound
    return f"[{host}]" if ":" in host else host


async def run(config: BridgeConfig) -> None:
    """Run until SIGTERM or SIGINT; raises what `Bridge.start` and `Bridge.wait` raise."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    bridge = Bridge(config)
    await bridge.start()
    try:
        waits = [asyncio.create_task(bridge.wait()), asyncio.create_task(stop.wait())]
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        if waits[0] in done:
            await waits[0]
        LOGGER.info("Stopping")
    finally:
        async with asyncio.timeout(STOP_S):
            await bridge.stop()
