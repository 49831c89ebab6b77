"""PURE: the words in which the supervisor is asked and answers.

Powers are percent (0-100), temperatures °C, times monotonic ms (CLOCK_BOOTTIME of the node).
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["heater", "pump", "valve", "cooler", "contactor"]
Control = Literal["switch", "power"]
Source = Literal["command", "controller"]

FULL: Final = 100.0

TRIP_NAMES: Final = frozenset(
    {
        "over_temperature",
        "stuck_relay",
        "no_rise",
        "too_fast",
        "cross_talk",
        "probes_lost",
        "stop_pressed",
        "safe",
    }
)


@dataclass(frozen=True, slots=True)
class Hold:
    """A fermentation output goes on without a lease for `max_ms`, on the node's own probe."""

    max_ms: int


@dataclass(frozen=True, slots=True)
class OutputRules:
    """What is known of an output beforehand.

    `min_on_ms` delays a wished off of a cooler (a compressor) only. `max_on_ms` bounds one command,
    `max_on_per_hour_ms` the time at full power in any hour (half power counts half). `requires`
    names outputs that must be on, `interlocks` inputs that must be closed. Outputs of one `mutex`
    are never on together; those of one `breaker` never draw more than its rating. `safe` is where a
    pump or valve goes when nobody may command it; heaters, coolers and contactors go off.
    `contactor` is the contactor in series with it. `heats`: kettles other than its own that it
    heats, through a coil, and whose latches and probes concern it. ValueError: a rule that
    contradicts itself.
    """

    id: str
    kettle_id: str
    kind: Kind
    control: Control = "switch"
    power_w: float = 0.0
    min_on_ms: int = 0
    min_off_ms: int = 0
    max_on_ms: int | None = None
    max_on_per_hour_ms: int | None = None
    requires: tuple[str, ...] = ()
    interlocks: tuple[str, ...] = ()
    mutex: str | None = None
    breaker: str | None = None
    safe: float = 0.0
    on_lease_loss: Hold | None = None
    contactor: str | None = None
    heats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.power_w < float("inf"):
            raise ValueError(
                f"output {self.id}: power_w is {self.power_w}, give watts of 0 or more"
            )
        if self.safe not in {0.0, FULL}:
            raise ValueError(f"output {self.id}: safe is {self.safe}, it can be 0 or 100")
        if self.safe and self.kind not in {"pump", "valve"}:
            raise ValueError(f"output {self.id}: the safe level of a {self.kind} is off")
        if self.on_lease_loss and self.kind not in {"heater", "cooler"}:
            raise ValueError(
                f"output {self.id}: only a heater or cooler can hold, not a {self.kind}"
            )

    @property
    def kettles(self) -> tuple[str, ...]:
        """Its own kettle, then those that it heats through a coil."""
        return (self.kettle_id, *self.heats)

    @property
    def needs(self) -> tuple[str, ...]:
        """The outputs that must be on before it: the contactor in series with it is one."""
        return self.requires if self.contactor is None else (*self.requires, self.contactor)


@dataclass(frozen=True, slots=True)
class KettleRules:
    """What is known of a kettle beforehand; K, litres, watts, °C.

    `element_w` is the power of all its heaters together and `boil_c` where its water boils.
    `over_temperature_k` above `high_limit` latches. `rise_off_k` in two minutes with its heaters
    off latches; None where something else heats it too (a coil, an element on another node).
    """

    kettle_id: str
    high_limit: float
    volume_l: float
    element_w: float
    disagree_limit: float = 2.0
    reference_required: bool = False
    over_temperature_k: float = 3.0
    rise_off_k: float | None = 0.5
    boil_c: float = 100.0

    def __post_init__(self) -> None:
        if not (0 < self.volume_l < float("inf") and 0 <= self.element_w < float("inf")):
            raise ValueError(
                f"kettle {self.kettle_id}: give a volume above 0 l and an element of 0 W or more"
            )
        if not (self.high_limit < float("inf") and self.disagree_limit > 0):
            raise ValueError(f"kettle {self.kettle_id}: give a high limit and a limit above 0 K")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the holder, or a controller it set going, wants of an output.

    `given_ms` is when the command behind it was obeyed (for a controller: the one that set its
    mode), `until_ms` when it ends. Out of range or not a number is off; so is a `switch` between.
    """

    power: float
    until_ms: int | None
    source: Source
    given_ms: int


@dataclass(frozen=True, slots=True)
class ProbeValue:
    """What one of the kettle's temperature probes on this node says, and since when.

    `process`: it measures what is regulated; others only count for limits and trips.
    """

    value: float | None
    quality: str
    mono_ms: int
    series: str
    process: bool = True


@dataclass(frozen=True, slots=True)
class Reference:
    """The kettle's fused temperature from its leader, and the series of the good probes in it.

    `value` is None where these contradict each other, so that no number can be told.
    """

    value: float | None
    mono_ms: int
    probes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything the supervisor may know at `now`; what is missing means no.

    `leases`: a lease runs for this kettle. `lapsed`: kettles whose lease ended since the last tick,
    even if another was granted since. `override`: the physical button stands in for the lease.
    `interlocks`: closed, open, or None for unknown. `stop_pressed`: None for unknown.
    """

    now: int
    desired: Mapping[str, Wish] = field(default_factory=dict)
    leases: Mapping[str, bool] = field(default_factory=dict)
    own: Mapping[str, tuple[ProbeValue, ...]] = field(default_factory=dict)
    reference: Mapping[str, Reference | None] = field(default_factory=dict)
    interlocks: Mapping[str, bool | None] = field(default_factory=dict)
    stop_pressed: bool | None = False
    override: Mapping[str, bool] = field(default_factory=dict)
    lapsed: AbstractSet[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """What an output is to be now: `limited_by` is the permit between `desired` and `actual`.

    `kettle`: the one that permit is about, if the output heats it and it is not its own.
    """

    actual: float
    limited_by: str | None
    desired: float
    kettle: str | None = None


@dataclass(frozen=True, slots=True)
class Trip:
    """A latch of a kettle, as it is set, shown and kept on disk; `text` is a sentence."""

    kettle_id: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a latch stays: a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class ProcessValue:
    """What regulation goes by: the `reference`, or the node's `own` probe; `mono_ms` is when."""

    value: float
    source: Literal["reference", "own"]
    mono_ms: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of one tick.

    `outputs` lists first what is off: written in this order, a breaker or mutex is never shared for
    a moment. `tripped` are the latches set in this tick: `latches` (all of them) must be on disk
    before one is reported. `cleared`: outputs whose wish died with the lease; whoever keeps the
    wishes drops them. `barred`: outputs that a standing latch or the stop concerns, wanted or not;
    what would have them on is given up. `outliers`: own probes that are now `suspect:outlier`, by
    kettle. `contactors`: closed or not; they are in `outputs` too.
    """

    outputs: Mapping[str, Decision]
    tripped: tuple[Trip, ...]
    latches: frozenset[Trip]
    process: Mapping[str, ProcessValue | None]
    contactors: Mapping[str, bool]
    cleared: frozenset[str]
    barred: frozenset[str]
    outliers: Mapping[str, frozenset[str]]
