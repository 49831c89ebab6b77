"""Two-point control."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.control.hysteresis import Hysteresis, HysteresisSettings

anything = st.one_of(st.none(), st.floats())


def test_it_heats_below_the_band_and_rests_above_it() -> None:
    control = Hysteresis(HysteresisSettings(below_k=1.0, above_k=0.5, power=80.0))
    course = [(66.2, 0), (65.1, 0), (65.0, 80), (65.9, 80), (66.4, 80), (66.5, 0), (65.5, 0)]
    assert [control.step(0, process, 66.0, None) for process, _ in course] == [p for _, p in course]


def test_cooling_is_the_mirror_image() -> None:
    control = Hysteresis(HysteresisSettings(below_k=0.5, above_k=1.0, cooling=True))
    course = [(18.5, 0), (19.0, 100), (17.6, 100), (17.5, 0), (18.9, 0)]
    assert [control.step(0, process, 18.0, None) for process, _ in course] == [p for _, p in course]


@pytest.mark.parametrize("bad", [None, math.nan, math.inf, -math.inf])
def test_it_is_off_on_anything_unusable_and_stays_off_within_the_band(bad: float | None) -> None:
    control = Hysteresis(HysteresisSettings(below_k=1.0))
    for place in ((bad, 66.0), (65.5, bad)):
        assert control.step(0, 60.0, 66.0, None) == 100
        assert control.step(1, place[0], place[1], None) == 0
        assert control.step(2, 65.5, 66.0, None) == 0
        assert control.step(3, 65.0, 66.0, None) == 100


@given(st.lists(st.tuples(anything, anything, anything)), st.booleans())
def test_whatever_comes_in_it_is_on_or_off(
    steps: list[tuple[float | None, float | None, float | None]], cooling: bool
) -> None:
    control = Hysteresis(HysteresisSettings(cooling=cooling))
    for now, step in enumerate(steps):
        power = control.step(now, *step)
        assert power in {0.0, 100.0}
        if any(value is not None and not math.isfinite(value) for value in step):
            assert power == 0
        assert json.loads(json.dumps(control.state()))["on"] is (power > 0)


@pytest.mark.parametrize(
    "wrong", [{"below_k": -1.0}, {"below_k": 0.0}, {"above_k": math.nan}, {"power": 0.0}]
)
def test_bands_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        HysteresisSettings(**wrong)  # type: ignore[arg-type]  # the field's own types
