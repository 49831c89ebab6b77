"""PURE: one controller of the configuration at work: its mode, its setpoint, its autotune."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from edge_node.control.autotune import Autotune, AutotuneResult, AutotuneSettings
from edge_node.control.cascade import Cascade
from edge_node.control.fermentation import Fermentation
from edge_node.control.pid import Pid
from edge_node.loop_controllers import boil_of, gains_of, make_controller

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_node.config_outputs import ControllerConfig
    from edge_node.loop_controllers import Heated

OFF: Final = "off"
AUTO: Final = "auto"
MANUAL: Final = "manual"
AUTOTUNE: Final = "autotune"


class Loop:
    """A controller: `step` says what its outputs are to be; nothing while its mode is off.

    `heated` gives the gains where the configuration gives none; `applied` are those that an
    autotune found before, and a person applied.
    """

    def __init__(
        self, config: ControllerConfig, heated: Heated, applied: AutotuneResult | None = None
    ) -> None:
        self.config = config
        self.mode = OFF
        self.setpoint: float | None = None
        self.power = 0.0  # what the mode manual asks for
        self.given_ms = 0  # when the mode was set
        self.tuned: AutotuneResult | None = None
        self.applied = applied if self.tunable else None
        gains = gains_of(config, heated)
        if self.applied is not None:
            gains = self.applied.settings(boil_of(config))
        self._controller = make_controller(config, gains, heated)
        self._autotune: Autotune | None = None
        self._shown: dict[str, float] = {}
        self._ramped: float | None = None  # the setpoint in force on its way to `setpoint`
        self._ramped_ms = 0
        self._process: float | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The ids of what it drives."""
        config = self.config
        return tuple(name for name in (config.heater, config.cooler) if name is not None)

    @property
    def active(self) -> bool:
        """Whether it drives its outputs."""
        return self.mode != OFF

    @property
    def tunable(self) -> bool:
        """Whether it has gains to find."""
        return self.config.kind == "pid"

    def off(self) -> None:
        """Want nothing, and forget what was regulated; the setpoint is kept for people."""
        self.mode = OFF
        self.power = 0.0
        self._controller.reset()
        self._ramped = None
        self._shown = {}

    def set(self, mode: str, now_ms: int, *, setpoint: float | None, power: float | None) -> None:
        """Take a new mode, and a new setpoint or power where one is given."""
        if setpoint is not None:
            self.setpoint = setpoint
        if mode == OFF:
            self.off()
            return
        if mode == MANUAL:
            self.power = power or 0.0
        if mode != self.mode:
            self._ramped = None
        self.mode, self.given_ms = mode, now_ms

    def start_autotune(self, now_ms: int) -> None:
        """Swing around the setpoint; the result waits to be applied."""
        self._autotune = Autotune(AutotuneSettings())
        self.tuned = None
        self.mode, self.given_ms = AUTOTUNE, now_ms

    def apply_autotune(self) -> None:
        """Use the gains that were found."""
        assert self.tuned is not None
        assert isinstance(self._controller, Pid)
        self.applied = self.tuned
        self._controller.configure(self.tuned.settings(boil_of(self.config)))

    def step(
        self,
        now_ms: int,
        *,
        process: float | None,
        inner: float | None,
        achieved: Mapping[str, float],
    ) -> dict[str, float]:
        """What each of its outputs is to be from now on, percent; empty while it is off.

        `process`, `inner`: °C, the kettle's, and that of the exchanger's water or the chamber's
        air. `achieved`: what the outputs really had since the last step.
        """
        self._process = process
        if self.mode == OFF:
            return {}
        controller = self._controller
        given = achieved.get(self.outputs[0])
        if isinstance(controller, Cascade | Fermentation):
            controller.feed(inner)
        if self.mode == MANUAL:
            power = self.power
            if isinstance(controller, Pid | Cascade):
                controller.track(now_ms, process, self.setpoint, power)
        elif self.mode == AUTOTUNE:
            power = self._tune(now_ms, process, given)
        else:
            power = controller.step(now_ms, process, self._aim(now_ms, process), given)
        self._shown = self._shares(power)
        return self._shown

    def state(self) -> dict[str, Any]:
        """As `/v1/state` shows it."""
        inner = self._controller.state()
        if isinstance(self._controller, Pid | Cascade):
            inner = {**inner, "gains": self._source()}
        if self._autotune is not None:
            inner = {**inner, "autotune": self._autotune.state()}
        return {
            "mode": self.mode,
            "setpoint": self.setpoint,
            "process": self._process,
            "power": max(self._shown.values(), default=0.0) if self.active else 0.0,
            "state": inner,
        }

    def _shares(self, power: float) -> dict[str, float]:
        """What `power`, the controller's answer, means to each output."""
        heater, cooler = self.config.heater, self.config.cooler
        if isinstance(self._controller, Fermentation) and self.mode == AUTO:
            powers = self._controller.powers
            both = {heater: powers.heat, cooler: powers.cool}
        elif heater is None:
            both = {cooler: power}
        else:
            both = {heater: power, cooler: 0.0}
        return {name: share for name, share in both.items() if name is not None}

    def _source(self) -> str:
        """Where the gains in force come from."""
        if self.applied is not None:
            return "autotune"
        return "configured" if self.config.pid is not None else "calculated"

    def _tune(self, now_ms: int, process: float | None, given: float | None) -> float:
        assert self._autotune is not None
        power = self._autotune.step(now_ms, process, self.setpoint, given)
        if self._autotune.state()["phase"] != "running":
            self.tuned = self._autotune.result
            self.off()
            return 0.0
        return power

    def stop_autotune(self) -> None:
        """End a run without a result."""
        if self.mode == AUTOTUNE:
            self.off()
        self._autotune = None

    def _aim(self, now_ms: int, process: float | None) -> float | None:
        """The setpoint in force: on its way to the one that was set at `max_rate` at most."""
        rate = self.config.max_rate
        if rate is None or self.setpoint is None:
            return self.setpoint
        if self._ramped is None:
            if process is None:
                return self.setpoint
            self._ramped, self._ramped_ms = process, now_ms
        step = rate / 60_000 * max(0, now_ms - self._ramped_ms)
        self._ramped_ms = now_ms
        low, high = self._ramped - step, self._ramped + step
        self._ramped = min(max(self.setpoint, low), high)
        return self._ramped
