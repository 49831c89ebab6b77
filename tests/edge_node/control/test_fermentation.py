"""Heat and cold for a fermenter, and a compressor's rights."""

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.control.cascade import OuterSettings
from edge_node.control.fermentation import Fermentation, FermentationSettings, Powers

SETTINGS = FermentationSettings()
MINUTE_MS = 60_000
RESTED = 10 * MINUTE_MS  # after the start nothing has to wait any more


def _rested() -> Fermentation:
    control = Fermentation(SETTINGS)
    control.step(0, 18.0, 18.0, None)
    control.step(RESTED, 18.0, 18.0, None)
    return control


def _mode(control: Fermentation, now: int, over: float) -> str:
    heat = control.step(now, 18.0 + over, 18.0, None)
    assert heat == control.powers.heat
    return str(control.state()["mode"])


def test_within_the_band_nothing_happens() -> None:
    control = _rested()
    assert [_mode(control, RESTED + 1, over) for over in (0.4, -0.4, 0.0)] == ["idle"] * 3


def test_it_cools_from_the_band_to_just_above_the_setpoint() -> None:
    control = _rested()
    times = [RESTED + n * MINUTE_MS for n in range(1, 6)]
    overs = [0.5, 0.3, 0.11, 0.11, 0.09]
    modes = [_mode(control, now, over) for now, over in zip(times, overs, strict=True)]
    assert modes == ["cool"] * 4 + ["idle"]


def test_it_heats_from_the_band_to_just_below_the_setpoint() -> None:
    control = _rested()
    modes = [_mode(control, RESTED + 1 + n, -over) for n, over in enumerate((0.5, 0.2, 0.09))]
    assert modes == ["heat", "heat", "idle"]


def test_a_compressor_runs_three_minutes_and_rests_five() -> None:
    control = _rested()
    begin = RESTED + 1
    assert _mode(control, begin, 1.0) == "cool"
    assert _mode(control, begin + 3 * MINUTE_MS - 1, 0.0) == "cool"
    assert control.state()["waiting"] == "cool_min_on"
    end = begin + 3 * MINUTE_MS
    assert _mode(control, end, 0.0) == "idle"
    assert _mode(control, end + 5 * MINUTE_MS - 1, 2.0) == "idle"
    assert control.state()["waiting"] == "cool_min_off"
    assert _mode(control, end + 5 * MINUTE_MS, 2.0) == "cool"


def test_heat_waits_ten_minutes_for_the_cold_to_have_gone_and_the_other_way_round() -> None:
    control = _rested()
    begin = RESTED + 1
    assert _mode(control, begin, 1.0) == "cool"
    end = begin + 3 * MINUTE_MS
    assert _mode(control, end, -1.0) == "idle"
    assert _mode(control, end + 10 * MINUTE_MS - 1, -1.0) == "idle"
    assert control.state()["waiting"] == "change"
    warm = end + 10 * MINUTE_MS
    assert _mode(control, warm, -1.0) == "heat"
    assert _mode(control, warm + 1, 1.0) == "idle"
    assert _mode(control, warm + 10 * MINUTE_MS, 1.0) == "idle"
    assert _mode(control, warm + 10 * MINUTE_MS + 1, 1.0) == "cool"


def test_after_a_start_a_compressor_rests_first() -> None:
    control = Fermentation(FermentationSettings(change_ms=0))
    assert _mode(control, 0, 5.0) == "idle"
    assert _mode(control, 5 * MINUTE_MS - 1, 5.0) == "idle"
    assert _mode(control, 5 * MINUTE_MS, 5.0) == "cool"


@pytest.mark.parametrize("bad", [None, math.nan, math.inf])
def test_a_lost_probe_ends_heat_at_once_and_cold_after_its_shortest_time(
    bad: float | None,
) -> None:
    control = _rested()
    assert _mode(control, RESTED + 1, -1.0) == "heat"
    assert control.step(RESTED + 2, bad, 18.0, None) == 0
    control = _rested()
    assert _mode(control, RESTED + 1, 1.0) == "cool"
    control.step(RESTED + 2, bad, 18.0, None)
    assert control.powers == Powers(heat=0, cool=100)
    control.step(RESTED + 1 + 3 * MINUTE_MS, bad, 18.0, None)
    assert control.powers == Powers(heat=0, cool=0)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 5 * MINUTE_MS),
            st.one_of(st.none(), st.floats(), st.floats(15, 21)),
            st.one_of(st.none(), st.floats(), st.just(18.0)),
        ),
        max_size=60,
    ),
    st.booleans(),
)
def test_no_time_is_ever_violated_and_never_are_both_on(
    steps: list[tuple[int, float | None, float | None]], cascaded: bool
) -> None:
    outer = OuterSettings(kp=5, low=-1, high=30, below_k=15, above_k=10) if cascaded else None
    control = Fermentation(FermentationSettings(beer_to_fridge=outer))
    now, seen = 0, [(0, "idle")]
    for passed, process, setpoint in steps:
        now += passed
        control.feed(process)
        heat = control.step(now, process, setpoint, None)
        powers = control.powers
        assert heat == powers.heat
        assert powers in {Powers(0, 0), Powers(100, 0), Powers(0, 100)}
        mode = json.loads(json.dumps(control.state(), allow_nan=False))["mode"]
        if mode != seen[-1][1]:
            seen.append((now, mode))
    ends: dict[str, int] = {}
    for (begin, mode), (end, _) in pairwise(seen):
        if mode == "cool":
            assert end - begin >= SETTINGS.cool_min_on_ms
            assert begin - ends.get("cool", -MINUTE_MS * 60) >= SETTINGS.cool_min_off_ms
            assert begin - ends.get("heat", -MINUTE_MS * 60) >= SETTINGS.change_ms
        if mode == "heat":
            assert begin - ends.get("cool", -MINUTE_MS * 60) >= SETTINGS.change_ms
        ends[mode] = end


def test_warm_beer_makes_the_chamber_colder_than_the_beer_shall_be() -> None:
    outer = OuterSettings(kp=5, low=-1, high=30, below_k=15, above_k=10)
    control = Fermentation(FermentationSettings(beer_to_fridge=outer))
    for now, beer in ((0, 20.0), (RESTED, 20.0)):
        control.feed(12.0)
        control.step(now, beer, 18.0, None)
    # 2 K too warm, 10 K colder air: 8 °C; the air is at 12.
    assert control.state()["inner_setpoint"] == pytest.approx(8.0)
    assert control.powers.cool == 100
    control.feed(None)
    control.step(RESTED + 10 * MINUTE_MS, 20.0, 18.0, None)
    assert control.powers.cool == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"end_k": 0.5},
        {"end_k": -0.1},
        {"cool_above_k": 0.1},
        {"heat_below_k": math.nan},
        {"cool_above_k": math.inf},
        {"change_ms": -1},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Fermentation"):
        FermentationSettings(**wrong)  # type: ignore[arg-type]  # the field's own types
