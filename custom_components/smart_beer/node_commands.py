"""Commands to one node: the node's own answer, or an error in the user's language.

Errors are ServiceValidationError where the caller asked for what cannot be, HomeAssistantError
where the node or the way to it failed; `command_errors` has their keys.
"""

import asyncio
import time
import uuid
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from homeassistant.exceptions import HomeAssistantError

from .command_errors import error, limited, not_leading, refused
from .command_log import CommandLog
from .command_queue import CommandQueue, SupersededError
from .exceptions import NodeResponseError, SmartBeerError
from .models import ActuatorState, Answer, ControllerState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .coordinator import NodeCoordinator
    from .lease_messages import Command

LIMIT_S: Final = 2.0  # for one command, as long as it lives by the node's clock
PATIENCE_S: Final = 10.0  # how long one waits for those before it
_ON: Final = "on"
_RESEND_S: Final = 0.02  # a command that one for something else has overtaken goes again


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """One command. `about`: what it concerns; a later one about the same takes its place.

    `body` is asked for when it is sent. `on`: it is to switch something on. `at_once`: it switches
    something off, and does not wait.
    """

    method: str
    path: str
    kettle_id: str
    output: str
    about: frozenset[str]
    body: Callable[[], Mapping[str, Any]]
    on: bool = False
    at_once: bool = False


class NodeCommands:
    """What can be told to one node.

    Commands go one after another, but for what switches off: that goes at once, and what was still
    waiting to switch the same output on is dropped. Leadership is looked at right before each is
    sent. Nothing is repeated; after a failure the node's state is asked for.
    """

    def __init__(self, node: NodeCoordinator) -> None:
        self._node = node
        self.log = CommandLog()
        self._queue = CommandQueue()
        self._orders = 0
        self._newest: dict[str, int] = {}  # what it is about -> the newest order given
        self._ending: Counter[str] = Counter()  # what is being switched off right now

    async def output(
        self,
        actuator_id: str,
        *,
        on: bool | None = None,
        power: float | None = None,
        max_on_s: float | None = None,
    ) -> Answer:
        """Switch an output (`on`), or give it a `power` (0-100 %): exactly one of the two.

        `max_on_s`: it goes off after so many seconds; None: the longest that the output may. Raises
        `limited_<permit>` when it was to be on and stays off for more than seconds.
        """
        if (on is None) == (power is None):
            raise ValueError("say either on or power")
        info = self._node.info
        output = None if info is None else info.actuator(actuator_id)
        if info is None or output is None:
            raise error("unknown_output", node=self._name, output=actuator_id)
        content: dict[str, Any] = {"power": power} if on is None else {"state": on}
        if energises := _energises(content):
            content["max_on_s"] = output.max_on_s if max_on_s is None else max_on_s
        raw, mark = await self._send(
            _Order(
                method="PUT",
                path=f"/v1/actuators/{actuator_id}",
                kettle_id=output.kettle_id,
                output=output.name,
                about=frozenset({f"output/{actuator_id}"}),
                body=lambda: content,
                on=energises,
                at_once=not energises,
            )
        )
        answer = self._answer(raw)
        state = ActuatorState(answer.desired, answer.actual, answer.limited_by)
        self._node.live.async_answered(mark, actuators={actuator_id: state})
        if energises and (failed := limited(answer, output.name)):
            raise failed
        return answer

    async def controller(
        self,
        controller_id: str,
        *,
        mode: str | None = None,
        setpoint: float | None = None,
        power: float | None = None,
        autotune: str | None = None,
    ) -> Answer:
        """Set the `mode` (off, auto, manual) or run the `autotune` (start, stop, apply).

        `power` (0-100 %) makes the mode manual. `setpoint` (°C) alone keeps the mode that the
        controller has when its turn comes; it ends an autotune in auto. Raises as `output`.
        """
        info = self._node.info
        controller = None if info is None else info.controller(controller_id)
        if info is None or controller is None:
            raise error("unknown_output", node=self._name, output=controller_id)
        given = {"mode": mode, "setpoint": setpoint, "power": power, "autotune": autotune}
        content = {key: value for key, value in given.items() if value is not None}
        if mode is None and power is not None:
            content["mode"] = "manual"
        on = _energises(content)
        off = "mode" in content or autotune == "stop"
        about = frozenset(
            {f"controller/{controller_id}", *(f"output/{one}" for one in controller.outputs)}
        )
        body: Callable[[], Mapping[str, Any]] = lambda: content  # noqa: E731  it may be another
        if not {"mode", "autotune"} & content.keys():
            body = partial(self._keeping, controller_id, about, content)
            about = frozenset({f"setpoint/{controller_id}"})
        raw, mark = await self._send(
            _Order(
                method="PUT",
                path=f"/v1/controllers/{controller_id}",
                kettle_id=controller.kettle_id,
                output=controller.name,
                about=about,
                body=body,
                on=on,
                at_once=off and not on,
            )
        )
        answer = self._answer(raw)
        self._learn(controller_id, answer, mark)
        if on and (failed := limited(answer, controller.name)):
            raise failed
        return answer

    async def clear(self, kettle_id: str, latch: str) -> Answer:
        """Clear a latch; `cause_lasts` while what tripped it is still so."""
        raw = await self._tell(
            "POST", "/v1/safety/clear", kettle_id, {"latch": latch}, output=latch
        )
        return self._answer(raw)

    async def batch(self, kettle_id: str, batch_id: str | None) -> None:
        """Name the batch in the kettle on this node; None ends it."""
        await self._tell("PUT", "/v1/batch", kettle_id, {"batch_id": batch_id}, output="")

    async def acknowledge(self, kettle_id: str, alarm_id: str, *, by: str, note: str = "") -> None:
        """Note on the node who has seen an alarm."""
        content = {"by": by, "note": note}
        path = f"/v1/alarms/{alarm_id}/ack"
        await self._tell("POST", path, kettle_id, content, output=alarm_id)

    async def safe(self, kettle_id: str | None = None) -> None:
        """All heat of the node (of one kettle) off now and latched; any server may say so."""
        self._queue.drop(frozenset({_ON if kettle_id is None else f"{_ON}/{kettle_id}"}))
        try:
            await self._node.client.safe(kettle_id, limit=LIMIT_S)
        except SmartBeerError as err:
            self._node.live.async_look_soon()
            failed = self._refused(err, kettle_id or "", "")
            self.log.failed(_utc_ms(), "PUT /v1/safe", failed.translation_key)
            raise failed from err
        self.log.obeyed(_utc_ms(), "PUT /v1/safe", {})
        await self._node.live.async_look()

    @property
    def _name(self) -> str:
        info = self._node.info
        return self._node.title if info is None else info.name

    def _answer(self, raw: Mapping[str, Any]) -> Answer:
        try:
            return Answer.parse(raw)
        except ValueError as err:
            self._node.live.async_look_soon()
            raise error("node_unreachable", node=self._name, error=str(err)) from err

    def _keeping(
        self, controller_id: str, about: frozenset[str], content: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The content with the mode, and what belongs to it, that the controller has now."""
        state = self._node.live.state
        now = None if state is None else state.controllers.get(controller_id)
        if now is None or now.mode == "off" or any(self._ending[one] for one in about):
            return {**content, "mode": "off"}
        if now.mode == "manual":
            return {"power": now.power or 0.0, **content, "mode": "manual"}
        return {**content, "mode": "auto"}

    def _learn(self, controller_id: str, answer: Answer, mark: int) -> None:
        """Show what the answer to a controller's command says of it and of its output."""
        output_id, shown = answer.raw.get("output"), answer.raw.get("controller")
        if not isinstance(output_id, str) or not isinstance(shown, dict):
            self._node.live.async_look_soon()
            return
        state = ActuatorState(answer.desired, answer.actual, answer.limited_by)
        try:
            controllers = {controller_id: ControllerState.parse(shown)}
        except ValueError:
            self._node.live.async_look_soon()
            return
        self._node.live.async_answered(mark, actuators={output_id: state}, controllers=controllers)

    async def _tell(
        self, method: str, path: str, kettle_id: str, content: Mapping[str, Any], *, output: str
    ) -> dict[str, Any]:
        """A command that switches nothing; its effect is looked at when it returns."""
        raw, _ = await self._send(
            _Order(
                method=method,
                path=path,
                kettle_id=kettle_id,
                output=output,
                about=frozenset({f"{path}/{kettle_id}"}),
                body=lambda: {**content, "kettle_id": kettle_id},
            )
        )
        await self._node.live.async_look()
        return raw

    async def _send(self, order: _Order) -> tuple[dict[str, Any], int]:
        """As `_ordered`; what became of it is noted."""
        call = f"{order.method} {order.path}"
        try:
            raw, mark = await self._ordered(order)
        except HomeAssistantError as err:
            self.log.failed(_utc_ms(), call, err.translation_key)
            raise
        self.log.obeyed(_utc_ms(), call, raw)
        return raw, mark

    async def _ordered(self, order: _Order) -> tuple[dict[str, Any], int]:
        """The node's reply to an order, and the mark of when it was sent; in turn, or at once."""
        self._orders += 1
        number = self._orders
        self._newest.update(dict.fromkeys(order.about, number))
        try:
            if order.at_once:
                return await self._off(order, number)
            # What switches off drops it by what it is about, a safe stop by its kettle.
            on = order.about | {_ON, f"{_ON}/{order.kettle_id}"}
            marks = on if order.on else frozenset()
            return await self._queue.in_turn(
                marks, lambda: self._exchange(order, number), patience=PATIENCE_S
            )
        except SupersededError as err:
            raise error("superseded", output=order.output) from err
        except TimeoutError as err:
            raise error("command_expired", node=self._name) from err
        except SmartBeerError as err:
            self._node.live.async_look_soon()
            raise self._refused(err, order.kettle_id, order.output) from err

    async def _off(self, order: _Order, number: int) -> tuple[dict[str, Any], int]:
        self._queue.drop(order.about)
        self._ending.update(order.about)
        try:
            return await self._exchange(order, number)
        finally:
            self._ending.subtract(order.about)

    async def _exchange(self, order: _Order, number: int) -> tuple[dict[str, Any], int]:
        """Send; once more with a new `seq` where a later command about something else was faster.

        The same `cmd_id` goes with it: whatever happens on the way, it is obeyed at most once.
        """
        cmd_id = uuid.uuid4().hex
        end = time.monotonic() + LIMIT_S
        while True:
            wanted = order.body()
            header = self._header(order.kettle_id, energises=_energises(wanted))
            content = {**wanted, **asdict(header), "cmd_id": cmd_id}
            mark = self._node.live.mark()
            left = max(0.1, end - time.monotonic())
            try:
                raw = await self._node.client.command(order.method, order.path, content, limit=left)
            except NodeResponseError as err:
                late = time.monotonic() + _RESEND_S > end
                if err.code != "stale_seq" or late or not self._is_newest(order, number):
                    raise
                await asyncio.sleep(_RESEND_S)
            else:
                return raw, mark

    def _is_newest(self, order: _Order, number: int) -> bool:
        return all(self._newest[about] == number for about in order.about)

    def _header(self, kettle_id: str, *, energises: bool) -> Command:
        """The leader's header, if this server may send such a command now."""
        kettle = self._node.config_entry.runtime_data.kettles.get(kettle_id)
        leadership = None if kettle is None else kettle.leadership
        name = kettle_id if kettle is None else kettle.kettle_name
        if leadership is None or not leadership.leads:
            raise not_leading(name, None if leadership is None else leadership.leader)
        if energises and self._node.problem is not None:
            raise error("node_problem", node=self._name)
        wait = leadership.energise_in_s
        if energises and not leadership.may_energise and wait is not None:
            raise error("not_yet", kettle=name, seconds=f"{wait:.0f}")
        header = leadership.command(self._node.node_id)
        if header is None:
            raise error("not_held", kettle=name, node=self._name)
        return header

    def _refused(self, err: SmartBeerError, kettle_id: str, output: str) -> HomeAssistantError:
        kettle = self._node.config_entry.runtime_data.kettles.get(kettle_id)
        name = kettle_id if kettle is None else kettle.kettle_name
        return refused(self._node.hass, err, node=self._name, kettle=name, output=output)


def _utc_ms() -> int:
    """Now, for people."""
    return int(time.time() * 1000)


def _energises(content: Mapping[str, Any]) -> bool:
    """Whether a command with this content may switch something on."""
    if content.get("mode") == "auto" or content.get("autotune") == "start":
        return True
    return content.get("mode") != "off" and (
        content.get("state") is True or bool(content.get("power"))
    )
