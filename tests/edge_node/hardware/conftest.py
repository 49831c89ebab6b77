"""A node's hardware on a simulated brewery, read by the production drivers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_node import config
from edge_node.hardware import Acquisition
from edge_node.simulation.world import BreweryPlan, KettlePlan, NodePlan, SimulatedBrewery

LOG = Path(__file__).parents[2] / "data" / "fermentation-2012-09-26.csv"
PLAN = BreweryPlan(
    kettles=(KettlePlan("mash", start_c=60.0), KettlePlan("fermenter", replay=LOG)),
    nodes=(NodePlan("mash-1", ("mash",), probes=8), NodePlan("cellar-1", ("fermenter",))),
    time_scale=0.02,
)

MakeAcquisition = Callable[..., Awaitable[Acquisition]]


def node_config(folder: Path, channels: list[dict[str, Any]], **parts: Any) -> config.NodeConfig:
    kettles = sorted({channel["kettle"] for channel in channels if "kettle" in channel})
    text = yaml.safe_dump(
        {
            "node": {"id": "node-1", "data_dir": str(folder / "data")},
            "kettles": [{"id": kettle} for kettle in kettles],
            "channels": channels,
            **parts,
        },
        allow_unicode=True,
    )
    path = folder / "node.yaml"
    path.write_text(text)
    return config.load(path)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """How long a tick waits for an answer; generous, so that a busy machine is no dead probe."""

    def set_to(seconds: float) -> None:
        monkeypatch.setattr("edge_node.hardware.w1._GRACE_S", seconds)
        monkeypatch.setattr("edge_node.hardware.simple._TIMEOUT_S", seconds)

    set_to(10.0)
    return set_to


@pytest.fixture
def brewery(tmp_path: Path) -> Iterator[SimulatedBrewery]:
    brewery = SimulatedBrewery(PLAN, tmp_path)
    brewery.start()
    yield brewery
    brewery.stop()


@pytest.fixture
async def acquire(tmp_path: Path) -> AsyncIterator[MakeAcquisition]:
    """A started acquisition of these channels, with these other parts of the configuration."""
    started: list[Acquisition] = []

    async def make(channels: list[dict[str, Any]], **parts: Any) -> Acquisition:
        acquisition = Acquisition(node_config(tmp_path, channels, **parts))
        # Simulated conversions are quick; the time to wait for late probes must be, too.
        if any(channel["driver"] == "w1" for channel in channels):
            acquisition.lead_s = 0.05
        await acquisition.start()
        started.append(acquisition)
        return acquisition

    yield make
    for acquisition in started:
        await acquisition.close()


@pytest.fixture
def on_node(brewery: SimulatedBrewery, acquire: MakeAcquisition) -> MakeAcquisition:
    """The acquisition of a node of the simulated brewery."""

    async def make(node_id: str) -> Acquisition:
        return await acquire(
            brewery.channels(node_id),
            w1={"root": str(brewery.w1_root(node_id))},
            iio={"root": str(brewery.iio_root(node_id))},
        )

    return make
