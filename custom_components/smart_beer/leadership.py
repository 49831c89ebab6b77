"""The leadership of one kettle: renewed on Home Assistant's own loop, asked before every command.

A `KettleLeadership` outlives a reload of the entry: its session, epoch and what it holds wait,
unrenewed, for the new set-up. Nothing but this loop keeps it alive: when the loop stalls, the
leases run out.
"""

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import CoreState, HomeAssistant, callback

from .const import DOMAIN, LOGGER
from .exceptions import SmartBeerError
from .lease import TIMEOUT_MS, Leadership
from .lease_messages import Ask, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .client import SmartBeerClient
    from .lease_messages import Command, Request

TICK_S: Final = 0.25
_TIMEOUT_S: Final = TIMEOUT_MS / 1000
_PAUSE_S: Final = 1.0  # after a fault of ours
# What a node answers that knows nothing of leases, or not of this kettle's: no word of a witness.
_NO_LEASE: Final = frozenset({400, 403, 404, 405})


class KettleLeadership:
    """Contends for one kettle and holds it. What it says is of now: read it, do not keep it."""

    def __init__(
        self,
        hass: HomeAssistant,
        kettle_id: str,
        *,
        members: Sequence[str],
        server_id: str,
        session: str,
    ) -> None:
        """`members`: the ids of all nodes that serve the kettle, paired here or not."""
        self.kettle_id = kettle_id
        self.server_id = server_id
        self._hass = hass
        self._session = session
        self._wanted = tuple(sorted(members))
        self._core = self._make_core()
        self._client: Callable[[str], SmartBeerClient | None] = _nobody
        self._reference: Callable[[], Mapping[str, Any] | None] = _nothing
        self._task: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._listeners: list[Callable[[], None]] = []
        self._shown = self._visible()

    @property
    def leads(self) -> bool:
        """Whether this server holds a majority of the kettle's nodes."""
        return self._core.leads(_now())

    @property
    def may_energise(self) -> bool:
        """Whether no node can still obey an earlier leader; off needs only `leads`."""
        return self._core.may_energise(_now())

    @property
    def energise_in_s(self) -> float | None:
        """Seconds until this leader may switch anything on, 0 for now; None if it does not lead."""
        left = self._core.energise_in(_now())
        return None if left is None else left / 1000

    @property
    def leader(self) -> str | None:
        """The leader's server id; "override" while the person at a node has it; None: nobody."""
        return self._core.leader(_now())

    @property
    def epoch(self) -> int:
        """The number of this server's newest leadership, or attempt at one; 0 before the first."""
        return self._core.epoch

    @property
    def members(self) -> tuple[str, ...]:
        """The ids of the nodes that are asked."""
        return self._core.members

    @property
    def members_agree(self) -> bool:
        """Whether all nodes that were heard list the kettle's nodes alike; else nobody leads."""
        return self._core.members_agree()

    @property
    def twin(self) -> bool:
        """Whether another server leads under this server's id: its disk was copied."""
        return self._core.twin(_now())

    @property
    def held(self) -> dict[str, float]:
        """The nodes whose lease this server holds: seconds left of each, as far as it can know."""
        now = _now()
        return {
            node_id: (self._core.held_until(node_id) - now) / 1000
            for node_id in self._core.members
            if self._core.held(node_id, now)
        }

    def command(self, node_id: str) -> Command | None:
        """What to add to a command to this node, sent at once; None: it must not be sent."""
        if node_id not in self._core.members:
            return None
        return self._core.command(node_id, _now())

    @callback
    def async_add_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` when anything here but the seconds changed; returns what ends that."""
        self._listeners.append(listener)

        @callback
        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end

    @callback
    def async_attach(
        self,
        *,
        members: Iterable[str],
        client: Callable[[str], SmartBeerClient | None],
        reference: Callable[[], Mapping[str, Any] | None],
    ) -> None:
        """Contend and renew from now on, on behalf of the entry that is set up.

        `client`: how to reach a node, None if it cannot be. `reference`: the kettle's temperature
        as its nodes shall know it, None if there is none to trust. Other `members` than before take
        their place once the kettle is released.
        """
        self._wanted = tuple(sorted(members))
        self._client, self._reference = client, reference
        if self._task is None:
            # Of Home Assistant, not of the entry: what it holds is released when that stops.
            self._task = self._hass.async_create_background_task(
                self._run(), name=f"{DOMAIN} lease of {self.kettle_id}"
            )

    @callback
    def async_detach(self) -> None:
        """Hold still: the entry is unloaded, and set up again at once or never.

        What was asked is still answered, within a second; the way to the nodes stays known, for a
        release.
        """
        self._reference = _nothing
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def async_stop(self) -> None:
        """End for good and release the kettle, all nodes at once, a second each at most."""
        self.async_detach()
        for request in self._core.stop(_now()):
            self._send(request)
        self._look()
        if self._asking:
            await asyncio.wait(self._asking)

    async def _run(self) -> None:
        """Supervise the ticks: what fails is logged and tried again, and lapses meanwhile."""
        while True:
            try:
                self._tick()
            except Exception:  # noqa: BLE001  supervised: logged and tried again
                LOGGER.exception(
                    "The lease of kettle %s could not be looked after; tried again", self.kettle_id
                )
                await asyncio.sleep(_PAUSE_S)
            await asyncio.sleep(TICK_S)

    @callback
    def _tick(self) -> None:
        if self._wanted != self._core.members:
            self._regroup()
        for request in self._core.due(_now(), fit=self._hass.state is CoreState.running):
            self._send(request)
        self._look()

    def _regroup(self) -> None:
        """Give the kettle up and begin anew with the nodes that it has now."""
        for request in self._core.stop(_now()):
            self._send(request)
        epoch = self._core.epoch
        self._core = self._make_core()
        self._core.epoch = epoch  # so that the next is above

    def _make_core(self) -> Leadership:
        return Leadership(
            server_id=self.server_id,
            session=self._session,
            members=self._wanted,
            rng=random.Random(),  # noqa: S311  no secret
        )

    @callback
    def _send(self, request: Request) -> None:
        task = self._hass.async_create_background_task(
            self._ask(request), name=f"{DOMAIN} {request.ask} {request.node_id}"
        )
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, request: Request) -> None:
        """One request, and what becomes of it."""
        core = self._core
        reply = await self._exchange(core, request)
        if request.ask is Ask.RELEASE or core is not self._core:
            return
        if reply is None:
            core.failed(request, _now())
        elif core.answered(request, reply, _now()):
            LOGGER.debug("Kettle %s: node %s is held", self.kettle_id, request.node_id)
        self._look()

    async def _exchange(self, core: Leadership, request: Request) -> Reply | None:
        """What the node answered; None for nothing of use."""
        if (client := self._client(request.node_id)) is None:
            return None
        body: dict[str, Any] | None = None
        if request.ask is not Ask.STATUS:
            body = core.body(request, self.kettle_id)
        if body is not None and request.ask is Ask.RENEW:
            reference = self._reference()
            body |= {} if reference is None else {"reference": reference}
        try:
            content = await client.lease(request.ask, self.kettle_id, body, limit=_TIMEOUT_S)
            if content["status"] in _NO_LEASE:
                return None
            return Reply.of(content["status"], content)
        except SmartBeerError as err:
            LOGGER.debug("Kettle %s, %s: %s", self.kettle_id, request.ask, err)
        except (LookupError, TypeError) as err:
            LOGGER.debug("Kettle %s, %s: no reply of a node: %r", self.kettle_id, request.ask, err)
        except Exception:  # noqa: BLE001  as above: what fails here must only cost the lease
            LOGGER.exception(
                "Kettle %s, %s of node %s failed", self.kettle_id, request.ask, request.node_id
            )
        return None

    def _visible(self) -> tuple[object, ...]:
        return (
            self.leads,
            self.may_energise,
            self.leader,
            self.epoch,
            self.members_agree,
            self.twin,
            tuple(self.held),
        )

    @callback
    def _look(self) -> None:
        """Tell the listeners, if anything they could see is another."""
        shown, self._shown = self._shown, self._visible()
        if shown == self._shown:
            return
        if shown[0] != self._shown[0]:
            LOGGER.info(
                "This server %s kettle %s", "leads" if self._shown[0] else "lost", self.kettle_id
            )
        for listener in list(self._listeners):
            listener()


def _now() -> int:
    """Whole milliseconds of a clock that goes on while the machine sleeps, as the nodes' does."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def _nobody(_node_id: str) -> None:
    """No way to a node is known."""


def _nothing() -> None:
    """No reference is known."""
