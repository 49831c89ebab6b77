"""Carries out commands: each judged on its arrival, obeyed at most once, and answered with what is.

Every method returns the answer, or why not (`Refused`), for the API to say. KeyError: no such
output, controller or kettle.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from edge_node import commands
from edge_node.commands import Answer, ControllerOrder, Header
from edge_node.lease import Refused, Replay
from edge_node.secret_file import SecretFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge_node.actuation import Actuation
    from edge_node.kettle_records import Record
    from edge_node.loop import Loop

LOGGER = logging.getLogger(__name__)

# A client gives up sooner; a disk that is slower than this is broken.
WRITE_TIMEOUT_S: Final = 5.0
_NOT_AFTER_MS: Final = 2_000  # how far beyond its newest stamp a server dates its commands

NOT_STORED: Final = Refused(503, "not_stored", {"reason": "the disk takes no writes"})


class Commander:
    """Commands for the kettles of one node; on the event loop only."""

    def __init__(self, actuation: Actuation) -> None:
        self._actuation = actuation
        self._core = actuation.core
        self._durable = {kettle_id: asyncio.Lock() for kettle_id in actuation.leases}
        # One thread, so that writes keep their order.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="kettle-records")

    def close(self) -> None:
        """Let go of the disk's thread; a write that hangs is not waited for."""
        self._disk.shutdown(wait=False, cancel_futures=True)

    async def output(
        self,
        output_id: str,
        header: Header,
        *,
        state: bool | None,
        power: float | None,
        max_on_s: float | None,
    ) -> Answer | Refused:
        """Switch an output, or give it a power; what that has tripped is on disk on return."""
        core = self._core
        config = core.actuators[output_id]
        order = commands.read_output(config, state=state, power=power, max_on_s=max_on_s)
        on = commands.switches_on(state, power)

        def act() -> Answer:
            assert not isinstance(order, Refused)
            core.wish(output_id, order.power, order.for_ms)
            self._actuation.look()
            return {**core.output_state(output_id), "seq": header.seq}

        checks = (
            lambda: commands.latched(on, core.latch_names(output_id)),
            lambda: order if isinstance(order, Refused) else None,
        )
        return await self._obey(core.kettle_of(output_id), header, checks, act)

    async def controller(
        self,
        controller_id: str,
        header: Header,
        order: ControllerOrder,
        reference: dict[str, Any] | None,
    ) -> Answer | Refused:
        """Set a controller's mode, setpoint or power, or run its autotune.

        Gains that are applied are on disk when this returns.
        """
        answer = await self._controller(controller_id, header, order, reference)
        if order.autotune != "apply" or isinstance(answer, Refused):
            return answer
        if await self._on_disk(self._actuation.gains.keep):
            return answer
        # They are in use and would be forgotten, which is safe, but not what is told.
        kettle_id = self._core.loops[controller_id].config.kettle_id
        with self._actuation.lock:
            self._actuation.leases.remember(kettle_id, header.cmd_id, NOT_STORED)
        return NOT_STORED

    async def _controller(
        self,
        controller_id: str,
        header: Header,
        order: ControllerOrder,
        reference: dict[str, Any] | None,
    ) -> Answer | Refused:
        core = self._core
        loop = core.loops[controller_id]
        kettle_id = loop.config.kettle_id
        latched = {name for output in loop.outputs for name in core.latch_names(output)}

        def act() -> Answer:
            if reference is not None:
                core.refer(kettle_id, reference, header.not_after - _NOT_AFTER_MS)
            core.regulate_by(controller_id, order)
            self._actuation.look(regulate=True)
            shown = loop.state()
            output_id = loop.outputs[0]
            return {
                **core.output_state(output_id),
                "output": output_id,
                "controller": shown,
                "seq": header.seq,
            }

        checks = (
            lambda: self._leads_all(loop, header) if order.heats else None,
            lambda: commands.latched(order.heats, latched),
            lambda: commands.read_controller(
                loop.config,
                standing=loop.setpoint,
                tunable=loop.tunable,
                tuned=loop.tuned is not None,
                order=order,
            ),
        )
        return await self._obey(kettle_id, header, checks, act)

    def _leads_all(self, loop: Loop, header: Header) -> Refused | None:
        """403 unless the same server holds the kettles of what the loop drives, too."""
        for kettle_id in sorted(self._core.kettles_of(loop)):
            holder = self._actuation.leases.holder(kettle_id)
            if holder is None or (holder.server_id, holder.session) != (
                header.server_id,
                header.session,
            ):
                whose = self._actuation.leases.status(kettle_id)
                detail = {key: whose[key] for key in ("holder", "epoch", "kettle_id")}
                return Refused(403, "not_leader", detail)
        return None

    async def clear(self, kettle_id: str, header: Header, latch: str) -> Answer | Refused:
        """Clear a latch whose cause is gone; it is off the disk when this returns."""
        core, actuation = self._core, self._actuation

        def check() -> Refused | None:
            reason = core.clear(kettle_id, latch)
            if reason is None:
                return None
            return Refused(423, "safety_latched", {"reason": latch, "cause": reason})

        def act() -> Answer:
            LOGGER.warning("The latch %s of kettle %s was cleared", latch, kettle_id)
            actuation.look()
            return {"desired": False, "actual": False, "limited_by": None, "seq": header.seq}

        async with self._durable[kettle_id]:
            answer = self._judge(kettle_id, header, (check,), act)
            if isinstance(answer, Refused):
                return answer
            if await self._on_disk(self._actuation.keep_latches):
                return answer
            # It would be set again after a restart, which is safe, but not what is told.
            with actuation.lock:
                actuation.leases.remember(kettle_id, header.cmd_id, NOT_STORED)
            return NOT_STORED

    async def safe(self, kettle_id: str | None) -> tuple[list[str], bool]:
        """All heat off at once; the kettles it was for, and whether their latches are on disk."""
        named = self._actuation.safe(kettle_id)
        return named, await self._on_disk(self._actuation.keep_latches)

    async def batch(self, kettle_id: str, header: Header, batch: str | None) -> Answer | Refused:
        """Stamp this batch into the kettle's samples from now on."""
        answer = {"desired": batch, "actual": batch, "limited_by": None, "seq": header.seq}
        return await self._keep(
            kettle_id, header, lambda record: replace(record, batch=batch), answer
        )

    async def program(
        self, kettle_id: str, header: Header, program: str, revision: int
    ) -> Answer | Refused:
        """Keep the leader's brew state for whoever leads next."""
        answer = {"desired": revision, "actual": revision, "limited_by": None, "seq": header.seq}
        return await self._keep(
            kettle_id,
            header,
            lambda record: replace(record, program=program, revision=revision, epoch=header.epoch),
            answer,
        )

    async def acknowledge(
        self, kettle_id: str, header: Header, ack: dict[str, Any]
    ) -> Answer | Refused:
        """Keep who has seen an alarm, with the batch of that moment."""
        answer = {"desired": True, "actual": True, "limited_by": None, "seq": header.seq}
        return await self._keep(
            kettle_id,
            header,
            lambda record: record.acknowledged({**ack, "batch": record.batch}),
            answer,
        )

    async def _obey(
        self,
        kettle_id: str,
        header: Header,
        checks: Iterable[Callable[[], Refused | None]],
        act: Callable[[], Answer],
    ) -> Answer | Refused:
        """Judge a command; a trip that the look at it found is on disk before it is answered."""
        with self._actuation.lock:
            standing = self._core.latches
            answer = self._judge(kettle_id, header, checks, act)
            tripped = self._core.latches != standing
        if tripped:
            await self._on_disk(self._actuation.keep_latches)
        return answer

    def _judge(
        self,
        kettle_id: str,
        header: Header,
        checks: Iterable[Callable[[], Refused | None]],
        act: Callable[[], Answer],
    ) -> Answer | Refused:
        with self._actuation.lock:
            answer = commands.judge(
                self._admit(kettle_id, header),
                checks,
                act,
                lambda stored: self._actuation.leases.remember(kettle_id, header.cmd_id, stored),
            )
        self._count(answer)
        return answer

    async def _keep(
        self,
        kettle_id: str,
        header: Header,
        change: Callable[[Record], Record],
        answer: Answer,
    ) -> Answer | Refused:
        """Judge, then write, then answer; a duplicate meanwhile waits for the answer."""
        async with self._durable[kettle_id]:
            with self._actuation.lock:
                admitted = self._admit(kettle_id, header)
            if admitted is not None:
                stored = commands.judge(admitted, (), lambda: answer, lambda _: None)
                self._count(stored)
                return stored
            records = self._actuation.records
            record = change(records[kettle_id])
            done: Answer | Refused = answer
            try:
                async with asyncio.timeout(WRITE_TIMEOUT_S):
                    await asyncio.get_running_loop().run_in_executor(
                        self._disk, records.write, kettle_id, record
                    )
            except (SecretFileError, TimeoutError) as err:
                LOGGER.error("Kettle %s: a command cannot be kept: %r", kettle_id, err)  # noqa: TRY400
                done = NOT_STORED
            with self._actuation.lock:
                self._actuation.leases.remember(kettle_id, header.cmd_id, done)
            self._count(done)
            return done

    def _admit(self, kettle_id: str, header: Header) -> Refused | Replay | None:
        return self._actuation.leases.admit(
            kettle_id,
            server_id=header.server_id,
            session=header.session,
            epoch=header.epoch,
            boot_id=header.boot_id,
            seq=header.seq,
            not_after=header.not_after,
            cmd_id=header.cmd_id,
        )

    async def _on_disk(self, keep: Callable[[], bool]) -> bool:
        """Whether `keep` brought there what it is for, in time."""
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                return await asyncio.to_thread(keep)
        except TimeoutError:
            LOGGER.error("A command is not on disk: it does not answer")  # noqa: TRY400
            return False

    def _count(self, answer: Answer | Refused) -> None:
        code = answer.code if isinstance(answer, Refused) else "obeyed"
        self._actuation.counts[f"command_{code}"] += 1
