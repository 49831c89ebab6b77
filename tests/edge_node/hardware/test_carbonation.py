"""Volumes of CO2 against published vectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.hardware.carbonation import PSI_PER_KPA, co2_volumes


# Temperatures in °F and gauge pressures in psi, volumes by the same fit.
@pytest.mark.parametrize(
    ("fahrenheit", "psi", "volumes"),
    [(38, 11.246, 2.503), (40, 11.19, 2.406), (34, 11.17, 2.693), (68, 27.65, 2.423)],
)
def test_volumes_of_a_settled_vessel(fahrenheit: float, psi: float, volumes: float) -> None:
    found = co2_volumes((fahrenheit - 32) * 5 / 9, psi / PSI_PER_KPA)
    assert found == pytest.approx(volumes, abs=0.001)


def test_one_bar_is_14_5038_psi() -> None:
    assert pytest.approx(14.5038, abs=0.0001) == 100 * PSI_PER_KPA


@given(st.floats(-2, 30), st.floats(0, 300), st.floats(0.1, 10))
def test_more_pressure_or_less_heat_is_more_gas(celsius: float, kpa: float, more: float) -> None:
    assert co2_volumes(celsius, kpa + more) > co2_volumes(celsius, kpa)
    assert co2_volumes(celsius - more, kpa) > co2_volumes(celsius, kpa)
