"""PURE: one controller of the configuration at work: its mode, its setpoint, its autotune."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from edge_node.control.autotune import Autotune, AutotuneResult, AutotuneSettings
from edge_node.control.boiling import BoilSettings, LocalBoiling
from edge_node.control.cascade import Cascade, OuterSettings
from edge_node.control.fermentation import Fermentation, FermentationSettings
from edge_node.control.hysteresis import Hysteresis, HysteresisSettings
from edge_node.control.pid import Pid, PidSettings
from edge_node.control.tuning import kettle_gains

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_node.config_outputs import ControllerConfig

OFF: Final = "off"
AUTO: Final = "auto"
MANUAL: Final = "manual"
AUTOTUNE: Final = "autotune"
_KINDS_WITH_GAINS: Final = frozenset({"pid", "cascade"})


class Loop:
    """A controller: `step` says what its outputs are to be; nothing while its mode is off.

    `volume_l` and `element_w` of its kettle give the gains where the configuration gives none.
    """

    def __init__(
        self, config: ControllerConfig, *, volume_l: float, element_w: float, window_s: float
    ) -> None:
        self.config = config
        self.mode = OFF
        self.setpoint: float | None = None
        self.power = 0.0  # what the mode manual asks for
        self.given_ms = 0  # when the mode was set
        self.tuned: AutotuneResult | None = None
        self._boil = BoilSettings(LocalBoiling(config.altitude_m))
        self._gains = self._configured(volume_l, element_w, window_s)
        self._controller = self._make()
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
        """Use the gains that were found, until the node restarts."""
        assert self.tuned is not None
        self._gains = self.tuned.settings(self._boil)
        if isinstance(self._controller, Pid):
            self._controller.configure(self._gains)

    def step(
        self,
        now_ms: int,
        *,
        process: float | None,
        inner: float | None,
        achieved: Mapping[str, float],
    ) -> dict[str, float]:
        """What each of its outputs is to be from now on, percent; empty while it is off.

        `process`, `inner`: °C, the kettle's and, of a cascade, the exchanger's. `achieved`: what
        the outputs really had since the last step.
        """
        self._process = process
        if self.mode == OFF:
            return {}
        heater, cooler = self.config.heater, self.config.cooler
        given = achieved.get(heater) if heater is not None else None
        wanted: dict[str, float] = {}
        cool = 0.0
        if self.mode == MANUAL:
            heat = self.power
            if isinstance(self._controller, Pid | Cascade):
                if isinstance(self._controller, Cascade):
                    self._controller.feed(inner)
                self._controller.track(now_ms, process, self.setpoint, heat)
        elif self.mode == AUTOTUNE:
            heat = self._tune(now_ms, process, given)
        else:
            if isinstance(self._controller, Cascade):
                self._controller.feed(inner)
            heat = self._controller.step(now_ms, process, self._aim(now_ms, process), given)
            if isinstance(self._controller, Fermentation):
                cool = self._controller.powers.cool
        if heater is not None:
            wanted[heater] = heat
        if cooler is not None:
            wanted[cooler] = cool
        self._shown = wanted
        return wanted

    def state(self) -> dict[str, Any]:
        """As `/v1/state` shows it."""
        inner = self._controller.state()
        if self._autotune is not None:
            inner = {**inner, "autotune": self._autotune.state()}
        return {
            "mode": self.mode,
            "setpoint": self.setpoint,
            "process": self._process,
            "power": max(self._shown.values(), default=0.0) if self.active else 0.0,
            "state": inner,
        }

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

    def _configured(self, volume_l: float, element_w: float, window_s: float) -> PidSettings | None:
        config = self.config
        if config.kind not in _KINDS_WITH_GAINS:
            return None
        if config.pid is None:
            return kettle_gains(volume_l, element_w, window_s=window_s, boil=self._boil)
        pid = config.pid
        return PidSettings(pid.kp, pid.ti_s, pid.td_s, boil=self._boil)

    def _make(self) -> Pid | Hysteresis | Cascade | Fermentation:
        config, band = self.config, self.config.band_k
        match config.kind:
            case "hysteresis":
                return Hysteresis(HysteresisSettings(below_k=band))
            case "fermentation":
                # The shortest times on and off are the output's own, kept by the supervisor too.
                settings = FermentationSettings(
                    cool_above_k=band, heat_below_k=band, end_k=min(0.1, band / 2)
                )
                return Fermentation(settings)
            case "cascade":
                assert self._gains is not None
                outer = OuterSettings(above_k=config.inner_max_k, high=config.range[1] + 10)
                return Cascade(outer, self._gains)
            case _:
                assert self._gains is not None
                return Pid(self._gains)
