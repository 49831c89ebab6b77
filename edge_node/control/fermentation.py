"""PURE: a fermenter that is heated and cooled, with a compressor that must not be hurried."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from edge_node.control.cascade import Outer, OuterSettings
from edge_node.control.figures import (
    FULL_POWER,
    check_not_negative,
    unlimited_or_usable,
    usable,
)

IDLE, HEAT, COOL = "idle", "heat", "cool"


@dataclass(frozen=True, slots=True)
class FermentationSettings:
    """Bands in K around the setpoint, times in ms. ValueError if unusable.

    Cooling starts `cool_above_k` over the setpoint, heating `heat_below_k` under it, and either
    ends `end_k` before the setpoint is met (what the evaporator or the belt still holds does the
    rest). `change_ms`: neither starts within that time of the other's end. The defaults are those
    of BrewPi's chamber control, with 10 minutes of rest between heat and cold.
    `beer_to_fridge`: the setpoint is the beer's, and the chamber's air is regulated to serve it.
    """

    cool_above_k: float = 0.5
    heat_below_k: float = 0.5
    end_k: float = 0.1
    cool_min_on_ms: int = 180_000
    cool_min_off_ms: int = 300_000
    change_ms: int = 600_000
    beer_to_fridge: OuterSettings | None = None

    def __post_init__(self) -> None:
        check_not_negative("Fermentation", {"end_k": self.end_k})
        if not (self.end_k < self.cool_above_k and self.end_k < self.heat_below_k):
            raise ValueError(
                f"Fermentation: cool_above_k ({self.cool_above_k}) and heat_below_k "
                f"({self.heat_below_k}) must be above end_k ({self.end_k})"
            )
        if not (usable(self.cool_above_k) and usable(self.heat_below_k)):
            raise ValueError("Fermentation: cool_above_k and heat_below_k must be at most 1e6")
        if min(self.cool_min_on_ms, self.cool_min_off_ms, self.change_ms) < 0:
            raise ValueError("Fermentation: no time can be negative")


class Powers(NamedTuple):
    """What the two outputs are asked for, each 0 or 100 %, never both."""

    heat: float
    cool: float


class Fermentation:
    """Heats, cools, or leaves the beer alone.

    When it begins, a compressor is taken to have stopped just now and so has the heater: nobody
    knows what happened before. An unusable input ends heating at once and cooling after the
    compressor's shortest on time; nothing starts on one.
    """

    def __init__(self, settings: FermentationSettings) -> None:
        self._settings = settings
        self._outer = Outer(settings.beer_to_fridge) if settings.beer_to_fridge else None
        self.reset()

    def reset(self) -> None:
        """Idle; the rests after heating and cooling begin with the next step."""
        self._mode = IDLE
        self._since_ms = 0
        self._heated_ms: int | None = None  # until when, if not heating
        self._cooled_ms: int | None = None
        self._last_ms: int | None = None
        self._waiting: str | None = None
        self._fridge: float | None = None
        if self._outer:
            self._outer.reset()

    @property
    def powers(self) -> Powers:
        """What to ask of heater and cooler since the last step."""
        return Powers(
            heat=FULL_POWER if self._mode == HEAT else 0.0,
            cool=FULL_POWER if self._mode == COOL else 0.0,
        )

    def feed(self, fridge: float | None) -> None:
        """The chamber's air (°C) for the next step; needed with `beer_to_fridge` only."""
        self._fridge = fridge

    def step(
        self, now_ms: int, process: float | None, setpoint: float | None, achieved: float | None
    ) -> float:
        """The heater's power; the cooler's is in `powers`. See `Controller.step`.

        What `achieved` says does not matter, as long as it is a figure: a guard of the output may
        delay it further, never hurry it.
        """
        self._begin(now_ms)
        if self._outer:
            air, self._fridge = self._fridge, None
            process, setpoint = air, self._outer.aim(now_ms, process, setpoint, air)
        wanted = IDLE
        if usable(process) and usable(setpoint) and unlimited_or_usable(achieved):
            wanted = self._wish(process - setpoint)
        self._move(now_ms, wanted)
        return self.powers.heat

    def state(self) -> dict[str, Any]:
        """The mode, what is waited for if anything, and both powers, as JSON."""
        shown = {"mode": self._mode, "waiting": self._waiting, **self.powers._asdict()}
        return shown | (self._outer.state() if self._outer else {})

    def _begin(self, now_ms: int) -> None:
        """Start the rests on the first step; if time runs backwards they begin again."""
        if self._last_ms is None or now_ms < self._last_ms:
            self._since_ms = self._heated_ms = self._cooled_ms = now_ms
        self._last_ms = now_ms

    def _wish(self, over: float) -> str:
        """The mode for a process `over` K above the setpoint, times aside."""
        settings = self._settings
        if over >= settings.cool_above_k or (self._mode == COOL and over > settings.end_k):
            return COOL
        if over <= -settings.heat_below_k or (self._mode == HEAT and over < -settings.end_k):
            return HEAT
        return IDLE

    def _move(self, now_ms: int, wanted: str) -> None:
        settings = self._settings
        self._waiting = None
        if self._mode == COOL and wanted != COOL:
            if now_ms - self._since_ms < settings.cool_min_on_ms:
                self._waiting = "cool_min_on"
                return
            self._mode, self._cooled_ms = IDLE, now_ms
        elif self._mode == HEAT and wanted != HEAT:
            self._mode, self._heated_ms = IDLE, now_ms
        if self._mode == IDLE and wanted != IDLE:
            self._waiting = self._rest(now_ms, wanted)
            if self._waiting is None:
                self._mode, self._since_ms = wanted, now_ms

    def _rest(self, now_ms: int, wanted: str) -> str | None:
        """The rest that `wanted` has still to wait for."""
        settings = self._settings
        assert self._heated_ms is not None
        assert self._cooled_ms is not None
        if wanted == COOL and now_ms - self._cooled_ms < settings.cool_min_off_ms:
            return "cool_min_off"
        other = self._heated_ms if wanted == COOL else self._cooled_ms
        return "change" if now_ms - other < settings.change_ms else None
