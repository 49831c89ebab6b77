"""Where water boils, against tables."""

import math

import pytest

from edge_node.control.boiling import BoilSettings, LocalBoiling
from edge_node.simulation.kettle import boiling_point_c


@pytest.mark.parametrize(
    ("altitude_m", "celsius"),
    # Pressure of the standard atmosphere (1013.25, 845.6, 701.1, 540.2 hPa) in steam tables.
    [(0, 100.0), (1500, 95.0), (3000, 90.0), (5000, 83.3)],
)
def test_it_is_what_steam_tables_say(altitude_m: float, celsius: float) -> None:
    assert LocalBoiling(altitude_m).celsius == pytest.approx(celsius, abs=0.15)
    assert LocalBoiling(altitude_m).celsius == pytest.approx(boiling_point_c(altitude_m), abs=0.01)


@pytest.mark.parametrize("altitude_m", [-431.0, 6001.0, math.nan, math.inf])
def test_an_altitude_of_no_brewery_is_refused(altitude_m: float) -> None:
    with pytest.raises(ValueError, match="altitude"):
        LocalBoiling(altitude_m)


@pytest.mark.parametrize("wrong", [{"power": 101.0}, {"power": math.nan}, {"margin_k": -1.0}])
def test_a_boil_that_cannot_work_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BoilSettings(LocalBoiling(0), **wrong)
