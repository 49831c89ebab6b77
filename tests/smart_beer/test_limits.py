"""Temperature limits: told once for each crossing; unknown is no change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.smart_beer.limits import (
    HIGHEST,
    HYSTERESIS_K,
    LOWEST,
    SIDES,
    Limits,
    LimitsWatch,
)

BOTH = Limits(high=70.0, low=60.0)
values = st.one_of(st.none(), st.integers(550, 750).map(lambda tenths: tenths / 10))


def looked(*temperatures: float | None, limits: Limits = BOTH) -> list[str]:
    watch = LimitsWatch()
    return [side for value in temperatures for side in watch.look(value, limits)]


def test_each_limit_is_crossed_once_and_again_only_after_coming_back() -> None:
    assert looked(65.0, 70.0, 70.1, 75.0, 70.0, 70.1) == ["high"]
    assert looked(65.0, 70.1, 69.7, 70.1) == ["high", "high"]
    assert looked(65.0, 59.9, 55.0, 60.3, 59.9) == ["low", "low"]
    assert looked(65.0, 75.0, 55.0) == ["high", "low"]


def test_what_is_beyond_from_the_start_has_not_been_crossed() -> None:
    assert looked(75.0, 76.0) == []
    assert looked(None, None, 55.0) == []
    assert looked(75.0, 65.0, 75.0) == ["high"]


def test_an_unknown_temperature_neither_raises_nor_clears() -> None:
    assert looked(65.0, None, 65.0) == []
    assert looked(75.0, None, 75.0) == []
    assert looked(65.0, None, 75.0) == ["high"]
    watch = LimitsWatch()
    watch.look(75.0, BOTH)
    watch.look(None, BOTH)
    assert watch.beyond == ("high",)


def test_another_limit_is_another_beginning() -> None:
    watch = LimitsWatch()
    assert watch.look(65.0, BOTH) == ()
    assert watch.look(65.0, Limits(high=64.0, low=60.0)) == ()
    assert list(watch.beyond) == ["high"]
    assert watch.look(65.0, Limits(low=60.0)) == ()
    assert list(watch.beyond) == []
    assert watch.look(59.0, Limits(low=60.0)) == ("low",)


@given(st.lists(values, max_size=60))
def test_it_is_beyond_exactly_from_crossing_to_well_within(
    temperatures: list[float | None],
) -> None:
    watch, known = LimitsWatch(), False
    for value in temperatures:
        before = watch.beyond
        crossed = watch.look(value, BOTH)
        if value is None:
            assert (crossed, watch.beyond) == ((), before)
            continue
        for side, over in (("high", value - 70.0), ("low", 60.0 - value)):
            assert (side in watch.beyond) == (over > 0 or (side in before and over > -HYSTERESIS_K))
            assert (side in crossed) == (known and side not in before and side in watch.beyond)
        known = True


def test_the_end_of_the_range_is_no_limit() -> None:
    assert BOTH.with_side("high", HIGHEST) == Limits(low=60.0)
    assert BOTH.with_side("high", HIGHEST - 0.04) == Limits(low=60.0)  # 302 °F, less a rounding
    assert BOTH.with_side("low", LOWEST) == Limits(high=70.0)
    assert BOTH.with_side("low", HIGHEST).low == HIGHEST
    assert BOTH.with_side("high", 71.5) == Limits(high=71.5, low=60.0)


@given(
    st.builds(
        Limits,
        st.one_of(st.none(), st.floats(LOWEST, HIGHEST)),
        st.one_of(st.none(), st.floats(LOWEST, HIGHEST)),
    )
)
def test_options_keep_them_beside_everything_else(limits: Limits) -> None:
    before = BOTH.into({"other": 1}, "hlt")
    options = limits.into(before, "mash-tun")
    assert Limits.of(options, "mash-tun") == limits
    assert Limits.of(options, "hlt") == BOTH
    assert options["other"] == 1
    assert before == BOTH.into({"other": 1}, "hlt")


def test_kettles_without_limits_leave_nothing_behind() -> None:
    options = Limits().into(BOTH.into({}, "hlt"), "hlt")
    assert options == {"limits": {}}
    assert Limits.of({}, "hlt") == Limits()


@pytest.mark.parametrize("side", SIDES)
def test_each_side_is_its_own(side: str) -> None:
    assert Limits(**{side: 50.0}) == Limits().with_side("high" if side == "high" else "low", 50.0)
