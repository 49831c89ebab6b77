"""The kettle model against physics."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.simulation.kettle import (
    HEAT_CAPACITY,
    LATENT_HEAT,
    Kettle,
    KettleParameters,
    Probe,
    boiling_point_c,
    quantise,
    vapour_pressure_kpa,
)

IDEAL = KettleParameters(vessel_j_per_k=0, loss_w_per_k=0, evaporation=0)


def test_20_litres_from_20_to_65_at_3500_w_take_17_9_minutes() -> None:
    kettle = Kettle(IDEAL, 20.0)
    seconds = 0
    while kettle.temperature_c < 65.0:
        kettle.step(1.0, 3500.0)
        seconds += 1
    assert seconds / 60 == pytest.approx(17.9, abs=0.1)


@given(power=st.floats(0, 6000), seconds=st.floats(0, 900), start=st.floats(1, 40))
def test_without_losses_all_energy_is_in_the_water(
    power: float, seconds: float, start: float
) -> None:
    kettle = Kettle(
        KettleParameters(
            water_kg=40, efficiency=0.9, vessel_j_per_k=0, loss_w_per_k=0, evaporation=0
        ),
        start,
    )
    kettle.step(seconds, power)
    gained = 40 * HEAT_CAPACITY * (kettle.temperature_c - start)
    assert gained == pytest.approx(power * 0.9 * seconds, abs=1.0, rel=1e-9)


def test_a_boil_takes_its_power_away_as_steam() -> None:
    kettle = Kettle(IDEAL, boiling_point_c(0))
    kettle.step(3600, 3500)
    assert kettle.temperature_c == pytest.approx(boiling_point_c(0))
    assert kettle.evaporated_kg == pytest.approx(3500 * 3600 / LATENT_HEAT, rel=1e-6)
    assert kettle.water_kg == pytest.approx(20 - kettle.evaporated_kg)


@pytest.mark.parametrize(
    ("altitude", "boiling"), [(0, 100.0), (650, 97.8), (1600, 94.7), (3600, 87.9)]
)
def test_water_boils_where_tables_say(altitude: float, boiling: float) -> None:
    assert boiling_point_c(altitude) == pytest.approx(boiling, abs=0.35)


@pytest.mark.parametrize(("celsius", "kpa"), [(20, 2.34), (65, 25.0), (100, 101.3)])
def test_vapour_pressure_is_that_of_steam_tables(celsius: float, kpa: float) -> None:
    assert vapour_pressure_kpa(celsius) == pytest.approx(kpa, rel=0.01)


def test_a_hot_kettle_cools_toward_its_room_and_not_below() -> None:
    kettle = Kettle(KettleParameters(evaporation=0), 65.0)
    kettle.step(3600, 0)
    assert 20 < kettle.temperature_c < 65
    kettle.step(3_600_00, 0)
    assert kettle.temperature_c == pytest.approx(20.0, abs=0.01)


def test_an_open_kettle_at_mash_temperature_loses_some_water() -> None:
    kettle = Kettle(KettleParameters(), 65.0)
    kettle.step(3600, 600)
    assert 0.1 < kettle.evaporated_kg < 1.0


@given(st.floats(0, 20_000), st.floats(0, 10_000), st.booleans())
def test_no_run_makes_water_or_boils_above_the_boiling_point(
    power: float, seconds: float, pump: bool
) -> None:
    kettle = Kettle(KettleParameters(water_kg=5), 90.0)
    kettle.step(seconds, power, pump=pump)
    assert 0.0999 <= kettle.water_kg <= 5
    assert kettle.water_kg + kettle.evaporated_kg == pytest.approx(5)
    if kettle.water_kg > 0.11:
        assert kettle.temperature_c <= kettle.boiling_c + 1e-6


def test_negative_power_and_time_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Kettle(IDEAL, 20).step(1, -1)
    with pytest.raises(ValueError, match="negative"):
        Kettle(IDEAL, 20).step(-1, 1)
    with pytest.raises(ValueError, match="efficiency"):
        KettleParameters(efficiency=1.5)


def test_a_probe_is_63_percent_there_after_its_lag_and_quicker_in_a_flow() -> None:
    still = Probe(20.0, Random(1), lag_s=6.0, bias_k=0, noise_k=0)
    still.step(6.0, 120.0)
    assert still.convert() / 16 == pytest.approx(20 + 63.2, abs=0.1)
    pumped = Probe(20.0, Random(1), lag_s=6.0, bias_k=0, noise_k=0)
    pumped.step(6.0, 120.0, pump=True)
    assert pumped.convert() > still.convert()


@given(st.floats(-55, 125), st.sampled_from([9, 10, 11, 12]))
def test_quantising_rounds_to_the_step_of_the_resolution(celsius: float, bits: int) -> None:
    step = 2 ** (12 - bits)
    code = quantise(celsius, bits)
    assert code % step == 0
    assert abs(code / 16 - celsius) <= step / 32
