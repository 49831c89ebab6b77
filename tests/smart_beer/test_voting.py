"""One value out of several probes."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from custom_components.smart_beer.voting import Probe, fuse

LIMIT = 2.0
MAX_AGE = 10.0
QUALITIES = st.sampled_from(["ok", "ok", "ok", "suspect:frozen", "bad:crc", "offline"])
VALUES = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(-50, 150))


def probe(name: str, value: float | None, quality: str = "ok", age: float = 0.5) -> Probe:
    return Probe(series=f"{name}/temperature", value=value, quality=quality, age=age)


def probes_of(*values: float) -> list[Probe]:
    return [probe(f"n{index}", value) for index, value in enumerate(values)]


any_probes = st.lists(
    st.builds(
        Probe,
        series=st.text("abcdef", min_size=1),
        value=VALUES,
        quality=QUALITIES,
        age=st.floats(0, 20),
    ),
    max_size=6,
    unique_by=lambda one: one.series,
)


def test_three_that_agree_give_their_median() -> None:
    fused = fuse(probes_of(65.0, 65.4, 65.1), limit=LIMIT, max_age=MAX_AGE)
    assert fused.value == 65.1
    assert len(fused.probes) == 3
    assert fused.left_out == {}


def test_an_outlier_among_three_is_named_and_does_not_count() -> None:
    fused = fuse(probes_of(65.0, 65.4, 85.0), limit=LIMIT, max_age=MAX_AGE)
    assert fused.value == 65.2
    assert fused.left_out == {"n2/temperature": "outlier"}


def test_two_that_disagree_are_both_left_out_and_show_no_number() -> None:
    fused = fuse(probes_of(65.0, 67.5), limit=LIMIT, max_age=MAX_AGE)
    assert fused.value is None
    assert set(fused.left_out.values()) == {"disagree"}
    assert fused.probes == ()


def test_two_within_the_limit_give_their_mean() -> None:
    assert fuse(probes_of(65.0, 66.0), limit=LIMIT, max_age=MAX_AGE).value == 65.5


def test_a_lone_good_probe_is_believed() -> None:
    fused = fuse(
        [probe("a", 65.0), probe("b", None, "bad:crc"), probe("c", 60.0, age=30)],
        limit=LIMIT,
        max_age=MAX_AGE,
    )
    assert fused.value == 65.0
    assert fused.left_out == {"b/temperature": "bad:crc", "c/temperature": "stale"}


def test_a_suspect_probe_does_not_count_though_it_has_a_value() -> None:
    fused = fuse([probe("a", 65.0, "suspect:frozen")], limit=LIMIT, max_age=MAX_AGE)
    assert fused.value is None
    assert fused.left_out == {"a/temperature": "suspect:frozen"}


def test_no_majority_no_number() -> None:
    fused = fuse(probes_of(20.0, 20.1, 80.0, 80.1), limit=LIMIT, max_age=MAX_AGE)
    assert fused.value is None
    assert set(fused.left_out.values()) == {"disagree"}


def test_nothing_gives_nothing() -> None:
    fused = fuse([], limit=LIMIT, max_age=MAX_AGE)
    assert (fused.value, fused.probes, fused.left_out) == (None, (), {})


@given(any_probes)
def test_a_value_comes_only_from_good_fresh_finite_probes(probes: list[Probe]) -> None:
    fused = fuse(probes, limit=LIMIT, max_age=MAX_AGE)
    used = [one for one in probes if one.series in fused.probes]
    if fused.value is None:
        assert not used
        return
    assert used
    for one in used:
        assert one.quality == "ok"
        assert one.value is not None
        assert math.isfinite(one.value)
        assert one.age <= MAX_AGE
    values = [one.value for one in used if one.value is not None]
    assert min(values) <= fused.value <= max(values)
    assert max(values) - min(values) <= 2 * LIMIT


@given(any_probes)
def test_every_probe_is_either_used_or_left_out_with_a_reason(probes: list[Probe]) -> None:
    fused = fuse(probes, limit=LIMIT, max_age=MAX_AGE)
    assert set(fused.probes) | fused.left_out.keys() == {one.series for one in probes}
    assert not set(fused.probes) & fused.left_out.keys()
    assert all(fused.left_out.values())


@given(st.permutations(probes_of(64.0, 65.0, 65.5, 80.0)))
def test_the_order_of_probes_does_not_matter(probes: list[Probe]) -> None:
    assert fuse(probes, limit=LIMIT, max_age=MAX_AGE) == fuse(
        probes_of(64.0, 65.0, 65.5, 80.0), limit=LIMIT, max_age=MAX_AGE
    )


@given(st.lists(st.floats(-50, 150), min_size=2, max_size=6))
def test_one_liar_among_a_majority_cannot_move_the_value_beyond_them(values: list[float]) -> None:
    honest = sorted(values)
    if any(high - low > LIMIT / 10 for low, high in pairwise(honest)):
        honest = [honest[0]] * len(honest)
    fused = fuse([*probes_of(*honest), probe("liar", 500.0)], limit=LIMIT, max_age=MAX_AGE)
    assert fused.value is not None
    assert honest[0] <= fused.value <= honest[-1]
    assert fused.left_out["liar/temperature"] == "outlier"
