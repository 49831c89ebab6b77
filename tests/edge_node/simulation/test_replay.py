"""The recorded fermentation, played again."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.simulation.replay import Track, fermenter_pressure_kpa
from edge_node.simulation.vessels import ReplayedFermenter

LOG = Path(__file__).parents[2] / "data" / "fermentation-2012-09-26.csv"


def test_values_between_rows_are_interpolated_and_the_log_is_a_loop() -> None:
    track = Track([0, 10, 20], [1.0, 2.0, 4.0])
    assert [track.at(t) for t in (0, 5, 10, 15)] == [1.0, 1.5, 2.0, 3.0]
    assert track.at(19.999) == pytest.approx(4.0, abs=0.001)
    assert track.at(25) == 1.5


@given(st.floats(0, 1e7))
def test_a_replayed_value_is_never_outside_what_was_recorded(seconds: float) -> None:
    assert 1.0 <= Track([0, 10, 20], [1.0, 2.0, 4.0]).at(seconds) <= 4.0


@pytest.mark.parametrize("seconds", [[0], [1, 2], [0, 5, 5]])
def test_a_track_that_does_not_rise_from_0_is_refused(seconds: list[float]) -> None:
    with pytest.raises(ValueError, match="track"):
        Track(seconds, [0.0] * len(seconds))


def test_pressure_rises_to_the_valves_and_with_temperature() -> None:
    assert fermenter_pressure_kpa(0, 20) == pytest.approx(0)
    assert fermenter_pressure_kpa(6 * 3600, 20) == pytest.approx(63.2, abs=0.1)
    assert fermenter_pressure_kpa(1e6, 20) == pytest.approx(100)
    assert fermenter_pressure_kpa(1e6, 5) < 95


def test_the_fermenter_plays_beer_and_fridge_at_its_speed() -> None:
    fermenter = ReplayedFermenter(LOG, 10.0, "seed", 1000.0)
    beer = fermenter.thermometer("beer", "b")
    fridge = fermenter.thermometer("fridge", "f")
    assert beer(12, 1000.0) / 16 == pytest.approx(18.96, abs=0.15)
    assert fridge(12, 1000.0) / 16 == pytest.approx(19.94, abs=0.15)
    assert fermenter.temperature(1000.0 + 64983 / 10 - 0.01) == pytest.approx(18.00, abs=0.01)
    assert fermenter.pressure_mv(1000.0) == pytest.approx(500, abs=10)
    assert fermenter.pressure_mv(1000.0 + 3000) > 1000


def test_a_speed_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="speed"):
        ReplayedFermenter(LOG, 0, "seed", 0)
