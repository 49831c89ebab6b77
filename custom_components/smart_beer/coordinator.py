"""One coordinator per node: a supervised loop follows its samples and alone writes its data."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, override

from homeassistant.config_entries import ConfigEntry, ConfigEntryState, ConfigSubentry
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .backoff import Backoff
from .client import SmartBeerClient
from .const import CONF_FINGERPRINT, CONF_NODE_ID, DOMAIN, LOGGER
from .exceptions import (
    NodeAuthError,
    OtherSpoolError,
    SmartBeerError,
    StreamUnsupportedError,
)
from .feed import SampleFeed
from .lease_messages import OVERRIDE
from .node_checks import NodeChecks, OtherNodeError
from .node_clock import ClockSteps, async_tell_time
from .node_commands import NodeCommands
from .node_live import NodeLive
from .readings import Reading, Readings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .kettle import KettleCoordinator
    from .models import NodeInfo, NodeState, SamplesPage
    from .node_cache import Layout, NodeCache

type SmartBeerConfigEntry = ConfigEntry[SmartBeerData]

STREAM_WAIT_S = 5.0  # nothing for this and a request timeout longer: the node is gone
POLL_WAIT_S = 25.0
CHECK_S = 1.0  # how often readings are looked over for age
REFRESH_S = 30.0  # how often description and health are asked for
REFRESH_CLOCKLESS_S = 3.0  # the same while the node serves no samples for want of the time
FIRST_WAIT_S = 1.0  # after a first failure, then doubling
LONGEST_WAIT_S = 60.0
WAKE_FLOOR_S = 1.0  # no announcement shortens a wait below this: anyone can send one
EMPTY_PAUSE_S = 1.0  # what a node that ends a call at once and empty is waited for
PROBLEM_WAIT_S = 30.0  # nobody mends a problem faster; five wrong tokens a minute are one too many
# Rows missed while away that are still read in one go, so that the newest minute has no hole.
CATCH_UP_ROWS = 1000


@dataclass(kw_only=True)
class SmartBeerData:
    """What runs for the brewery: nodes by subentry id, kettles by kettle id."""

    cache: NodeCache
    nodes: dict[str, NodeCoordinator] = field(default_factory=dict)
    kettles: dict[str, KettleCoordinator] = field(default_factory=dict)

    @property
    def led_first(self) -> KettleCoordinator | None:
        """The first kettle, by id, that a server leads; its leader is the brewery's."""
        kettles = (kettle for _, kettle in sorted(self.kettles.items()))
        return next((one for one in kettles if one.data.leader not in {None, OVERRIDE}), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeData:
    """What a node's entities show. `readings` are by channel id, those too old `bad:stale`."""

    connected: bool
    problem: str | None
    info: NodeInfo | None
    state: NodeState | None
    readings: Mapping[str, Reading]

    @property
    def sources(self) -> tuple[object, ...]:
        """All but the readings: while these objects are the same, how the node is is the same."""
        return self.connected, self.problem, self.info, self.state


class _RestartedError(SmartBeerError):
    """The node is a new process: what was read of it before has to be read again."""


class NodeCoordinator(DataUpdateCoordinator[NodeData]):
    """Follows one node. No method here waits for it; `async_start` begins, `async_stop` ends.

    `connected`: the node answers and is the one it should be. `problem`: what keeps it from being
    used and needs a person: `auth`, `fingerprint`, `other_node`, `api_version`, `kettles_changed`
    (connected, its raw channels shown, but feeding no kettle until someone accepts), or None.
    """

    config_entry: SmartBeerConfigEntry

    def __init__(
        self,
        hass: HomeAssistant,
        entry: SmartBeerConfigEntry,
        subentry: ConfigSubentry,
        *,
        cache: NodeCache,
        on_change: Callable[[], None],
    ) -> None:
        """`on_change` is called when the node's kettles, channels, name or version are others."""
        self.subentry_id = subentry.subentry_id
        self.node_id: str = subentry.data[CONF_NODE_ID]
        self.title = subentry.title
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=f"node {self.node_id}",
            update_interval=None,
        )
        self.feed = SampleFeed()
        self.connected = False
        record = cache.get(self.node_id)
        self.info: NodeInfo | None = record.info if record else None
        self._checks = NodeChecks(hass, entry, self.node_id, cache)
        self._on_change = on_change
        self._readings = Readings(self.node_id)
        self._backoff = Backoff(first=FIRST_WAIT_S, cap=LONGEST_WAIT_S)
        self._streams = True
        self._cursor = ("", 0)  # spool id and seq of the next page
        self._steps = ClockSteps()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._address = _address(subentry)
        self.client = self._make_client(subentry)
        self.live = NodeLive(
            hass, entry, self.node_id, client=lambda: self.client, publish=self._publish
        )
        self.commands = NodeCommands(self)
        self.data = self._snapshot()

    @callback
    def async_start(self) -> None:
        """Start following the node, until `async_stop` or the entry's unload."""
        self._task = self.config_entry.async_create_background_task(
            self.hass, self._run(), name=f"{DOMAIN} node {self.node_id}"
        )

    async def async_stop(self) -> None:
        """Stop following the node."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    @callback
    def async_wake(self) -> None:
        """Try again now, when the node is waited for: it may have announced itself."""
        self._wake.set()

    async def async_take_over(self, subentry: ConfigSubentry) -> None:
        """Go on at the address and with the token that the subentry holds now."""
        self.title = subentry.title
        if (address := _address(subentry)) == self._address:
            return
        await self.async_stop()
        self._address = address
        self.client = self._make_client(subentry)
        self._backoff.reset()
        entry = self.config_entry
        if entry.state is not ConfigEntryState.LOADED:
            return  # unloaded by now
        if entry.runtime_data.nodes.get(self.subentry_id) is self:  # else it was set up anew
            self.async_start()

    @property
    def state(self) -> NodeState | None:
        """The newest that is known of the node's state."""
        return self.live.state

    @property
    def problem(self) -> str | None:
        """What keeps the node from being used and needs a person, or None."""
        return self._checks.problem

    @property
    def layout(self) -> Layout:
        """The kettles of the node and whose its channels are, as last agreed to."""
        return self._checks.layout

    def reading(self, channel_id: str) -> Reading | None:
        """The newest reading of a channel, its age always up to date."""
        return self._readings.get(channel_id)

    @callback
    def async_accept_kettles(self) -> None:
        """Take the kettles the node serves now for right; a person has looked at them."""
        if self.info is not None and self.problem == "kettles_changed":
            self._checks.async_accept(self.info)
            self._on_change()
            self._publish()

    async def async_removed(self) -> None:
        """Stop, forget the node and give its token back; the node may be away for good."""
        await self.async_stop()
        self._checks.async_forget()
        try:
            await self.client.unpair()
        except SmartBeerError as err:
            LOGGER.warning(
                "Node %s was removed, but could not be told: %s. Take this brewery's token from it "
                "there, with `smart-beer-edge clients`",
                self.node_id,
                err,
            )

    @override
    async def _async_update_data(self) -> NodeData:
        """A refresh asked for by hand: the loop reads, this only wakes it."""
        self.async_wake()
        return self.data

    async def _run(self) -> None:
        """Supervise: whatever ends a session is shown, and after a wait it is tried again."""
        while True:
            person = False
            try:
                await self._session()
            except (_RestartedError, OtherSpoolError) as err:
                LOGGER.debug("Reading node %s anew: %s", self.node_id, err)
            except SmartBeerError as err:
                person = self._lost(err)
            except Exception as err:  # noqa: BLE001  supervised: shown, logged and tried again
                LOGGER.exception("Following node %s failed; it is tried again", self.node_id)
                self._lost(SmartBeerError(f"unexpected {type(err).__name__}: {err}"))
            await self._pause(self._backoff.next(at_least=PROBLEM_WAIT_S if person else 0.0))

    async def _pause(self, seconds: float) -> None:
        """Wait; a wake cuts it short."""
        self._wake.clear()
        await asyncio.sleep(min(seconds, WAKE_FLOOR_S))
        try:
            async with asyncio.timeout(max(0.0, seconds - WAKE_FLOOR_S)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _session(self) -> None:
        """Read what the node is, then follow it until something breaks."""
        info = await self._refresh()
        spool_id, seq = self._cursor
        missed = info.spool.last_seq - seq
        if spool_id != info.spool.spool_id or not 0 <= missed <= CATCH_UP_ROWS:
            self._cursor = (info.spool.spool_id, info.spool.last_seq)
        self._streams = True  # it may have been updated
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow())
                group.create_task(self._watch())
                group.create_task(self.live.async_listen())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _refresh(self) -> NodeInfo:
        """Ask for description and health, and judge them."""
        info = await self.client.node()
        if info.node_id != self.node_id:
            raise OtherNodeError(
                f"node {info.node_id} answers at {self.client.host}:{self.client.port}",
                found=info.node_id,
            )
        mark = self.live.mark()
        state = await self.client.state()
        if not info.clock.known:
            await async_tell_time(self.client, self.node_id)
            self._readings.take_state(state.channels, time.monotonic())
        changed = self._checks.async_passed(info, stepped_ms=self._steps.stepped_ms(info))
        self._checks.async_disk(state)
        self.live.take(state, mark)
        self.info, self.connected = info, True
        if changed:
            self._on_change()
        self._publish()
        return info

    async def _follow(self) -> None:
        """Take pages for ever: streamed where the node can, else polled."""
        while True:
            took = False
            spool_id, after = self._cursor
            if not self._streams:
                took = self._take(
                    await self.client.samples(after=after, spool_id=spool_id, wait=POLL_WAIT_S)
                )
            else:
                stream = self.client.stream(after=after, spool_id=spool_id, wait=STREAM_WAIT_S)
                try:
                    async with aclosing(stream):
                        async for page in stream:
                            took = self._take(page) or took
                except StreamUnsupportedError as err:
                    LOGGER.debug("Polling node %s: %s", self.node_id, err)
                    self._streams = False
                    continue
            if not took:
                await asyncio.sleep(EMPTY_PAUSE_S)

    async def _watch(self) -> None:
        """Let readings grow old, and ask for description and health now and then."""
        asked = time.monotonic()
        while True:
            await asyncio.sleep(CHECK_S)
            if self._readings.expire(time.monotonic()):
                self._publish()
            clockless = self.info is not None and not self.info.clock.known
            if time.monotonic() - asked >= (REFRESH_CLOCKLESS_S if clockless else REFRESH_S):
                await self._refresh()
                asked = time.monotonic()

    def _take(self, page: SamplesPage) -> bool:
        """Take a page; whether it held anything. SmartBeerError when it is none of this process."""
        if self.info is not None and page.boot_id != self.info.boot_id:
            raise _RestartedError("it was restarted")
        self._cursor = (page.spool_id, page.next)
        for series in page.series:
            # Whatever it is that goes wrong there, it must not become another node's history;
            # the cursor has moved, so that such rows do not end every session to come.
            if not series.startswith(f"{self.node_id}/"):
                raise OtherNodeError(
                    f"node {self.node_id} serves samples of {series}", found=series.split("/")[0]
                )
        now = time.monotonic()
        self.feed.append(page)
        self._readings.take_page(page, now)
        self._steps.hear(page)
        self._backoff.reset()
        self._publish()
        return bool(page.samples)

    def _lost(self, err: SmartBeerError) -> bool:
        """Show that the node cannot be followed, logged once; whether that needs a person."""
        before = self.problem
        person = self._checks.async_failed(err)
        self.connected = False
        if isinstance(err, NodeAuthError):
            # One reauth of the entry can be open at a time: another node's has to wait its turn.
            self.config_entry.async_start_reauth(
                self.hass,
                context={"title_placeholders": {"name": self.title}},
                data={"subentry_id": self.subentry_id},
            )
        self.data = self._snapshot()
        if self.last_update_success:
            self.async_set_update_error(err)
        elif self.problem != before:
            LOGGER.error("Node %s: %s", self.node_id, err)
            self.async_update_listeners()
        return person

    def _publish(self) -> None:
        """Tell the listeners, if anything they could see is another."""
        data = self._snapshot()
        if data == self.data and self.last_update_success:
            return
        if not self.last_update_success:
            LOGGER.info("Node %s answers again", self.node_id)
        self.async_set_updated_data(data)

    def _snapshot(self) -> NodeData:
        return NodeData(
            connected=self.connected,
            problem=self.problem,
            info=self.info,
            state=self.state,
            readings=self._readings.current(),
        )

    def _make_client(self, subentry: ConfigSubentry) -> SmartBeerClient:
        return SmartBeerClient(
            async_get_clientsession(self.hass),
            host=subentry.data[CONF_HOST],
            port=subentry.data[CONF_PORT],
            fingerprint=subentry.data[CONF_FINGERPRINT],
            token=subentry.data[CONF_TOKEN],
        )


def _address(subentry: ConfigSubentry) -> tuple[object, ...]:
    """What a client is made of."""
    return tuple(subentry.data[key] for key in (CONF_HOST, CONF_PORT, CONF_FINGERPRINT, CONF_TOKEN))
