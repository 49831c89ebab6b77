"""Values, axes and legends in the units that the user's Home Assistant shows."""

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scripts.demo_brewery.brewery import Brewery
    from scripts.demo_brewery.home_assistant import Session

    from .card import Card, Screen

AXES = """(card) => card.plot.chart.axes.slice(1)
  .filter((axis) => axis.show !== false).map((axis) => axis.label)"""


async def _axes(card: Card, *labels: str) -> None:
    """Wait until the chart's axes have these units: those of some kinds come before the others'."""
    same = f"(c, labels) => c.plot && JSON.stringify(({AXES})(c)) === JSON.stringify(labels)"
    await card.until(same, labels)


async def _newest(card: Card, line: int) -> float:
    return [value for _, value in await card.points(line) if value is not None][-1]


@asynccontextmanager
async def _system(ha: Session, name: str) -> AsyncIterator[None]:
    async def update(system: str) -> None:
        await ha.websocket(
            {"type": "config/core/update", "unit_system": system, "update_units": True}
        )

    await update(name)
    try:
        yield
    finally:
        await update("metric")


async def _fused(ha: Session, kettle: str, key: str) -> str:
    entities: list[dict[str, Any]] = await ha.websocket({"type": "config/entity_registry/list"})
    found = [
        one["entity_id"]
        for one in entities
        if one["platform"] == "smart_beer"
        and one["translation_key"] == key
        and kettle in one["unique_id"]
        and one["disabled_by"] is None
    ]
    assert len(found) == 1, found
    return str(found[0])


@asynccontextmanager
async def _entity_unit(ha: Session, entity_id: str, unit: str) -> AsyncIterator[None]:
    async def choose(options: dict[str, str] | None) -> None:
        await ha.websocket(
            {
                "type": "config/entity_registry/update",
                "entity_id": entity_id,
                "options_domain": "sensor",
                "options": options,
            }
        )

    await choose({"unit_of_measurement": unit})
    try:
        yield
    finally:
        await choose(None)


async def test_another_unit_system_converts_chart_axis_and_legend(
    brewery: Brewery, desk: Screen
) -> None:
    card = await desk.card("/by-hand/fermenter")
    await _axes(card, "°C", "bar", "vol")
    kinds = await card.evaluate("(c) => c.series.map((one) => one.kind)")
    beer = kinds.index("temperature")
    celsius = await _newest(card, beer)
    assert 0 < celsius < 30
    async with brewery.session as ha, _system(ha, "us_customary"):
        # The card on the screen follows by itself.
        await _axes(card, "°F", "psi", "vol")
        fahrenheit = celsius * 1.8 + 32
        assert abs(await _newest(card, beer) - fahrenheit) < 2
        low, high = await card.evaluate(
            "(c) => { const s = c.plot.chart.scales['°F']; return [s.min, s.max]; }"
        )
        assert low < fahrenheit < high
        legend = await card.text("legend")
        assert "°F" in legend
        assert "°C" not in legend
        # Pressure is in whatever the tile beside it shows.
        state = await ha.get(f"/api/states/{await _fused(ha, 'fermenter', 'pressure')}")
        assert state["attributes"]["unit_of_measurement"] == "psi"
    await _axes(card, "°C", "bar", "vol")


async def test_an_entitys_own_unit_is_that_of_its_chart(brewery: Brewery, desk: Screen) -> None:
    card = await desk.card("/by-hand/fermenter")
    await _axes(card, "°C", "bar", "vol")
    kinds = await card.evaluate("(c) => c.series.map((one) => one.kind)")
    pressure = kinds.index("pressure")
    bar = await _newest(card, pressure)
    async with brewery.session as ha:
        entity_id = await _fused(ha, "fermenter", "pressure")
        async with _entity_unit(ha, entity_id, "psi"):
            await _axes(card, "°C", "psi", "vol")
            assert abs(await _newest(card, pressure) - bar * 14.5038) < 1
            legend = await card.text("legend")
            assert "psi" in legend
            assert "bar" not in legend
        await _axes(card, "°C", "bar", "vol")
        entity_id = await _fused(ha, "mash-tun", "temperature")
        async with _entity_unit(ha, entity_id, "°F"):
            mash = await desk.card("/by-hand/one")
            await mash.until("(c) => c.plot?.chart.axes[1].label === '°F'")
            assert 100 < await _newest(mash, 0) < 170
            other = await desk.card("/by-hand/fermenter")
            assert (await other.evaluate(AXES))[0] == "°C"
