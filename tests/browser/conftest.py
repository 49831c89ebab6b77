"""One brewery and one Chromium for all tests of this folder."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from scripts.demo_brewery.brewery import ROOT, Brewery, Vessels
from scripts.demo_brewery.browser import chromium, page
from tests.ports import consecutive_ports

from .card import LiveSubscriptions, Screen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

HERE = Path(__file__).parent
KETTLES = ("--kettle", "mash-tun", "--kettle", "boil-kettle")
PLAN = (
    Vessels(
        name="brewhouse",
        nodes=2,
        arguments=(
            *KETTLES,
            *("--temperature", "mash-tun=66"),
            *("--temperature", "boil-kettle=96"),
        ),
    ),
    Vessels(
        name="cellar",
        nodes=1,
        arguments=(
            *("--kettle", "fermenter"),
            *("--replay", str(ROOT / "tests" / "data" / "fermentation-2012-09-26.csv")),
        ),
    ),
)
# A dashboard made by hand, one view for each situation.
CARD = {"type": "custom:smart-beer-history-card"}
VIEWS: dict[str, list[dict[str, Any]]] = {
    "one": [{**CARD, "kettle": "mash-tun", "hours": 1}],
    "fermenter": [{**CARD, "kettle": "fermenter", "hours": 1}],
    "two": [{**CARD, "kettle": "mash-tun"}, {**CARD, "title": "Beer", "kettle": "fermenter"}],
    "nobody": [{**CARD, "kettle": "no-such-kettle"}],
    "invalid": [{**CARD, "kettle": "mash-tun", "hours": -1}],
    "none": [{"type": "markdown", "content": "no card here"}],
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run this folder's tests in the one event loop that Chromium lives in."""
    for item in items:
        if HERE in item.path.parents and item.path.name != "test_frontend_build.py":
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.browser)
            # The first one starts Home Assistant, nodes and bridge. A test's own limit goes first.
            item.add_marker(pytest.mark.timeout(400))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def brewery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Brewery]:
    """Real nodes, Home Assistant and bridge, with the dashboards of the demo and ours."""
    first = consecutive_ports(4)
    folder = tmp_path_factory.mktemp("brewery")
    async with Brewery(folder=folder, port=first + 3, node_port=first, plan=PLAN) as running:
        async with running.session as ha:
            await ha.websocket(
                {"type": "lovelace/dashboards/create", "url_path": "by-hand", "title": "By hand"}
            )
            views = [{"path": path, "title": path, "cards": cards} for path, cards in VIEWS.items()]
            await ha.websocket(
                {"type": "lovelace/config/save", "url_path": "by-hand", "config": {"views": views}}
            )
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium."""
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def desk(brewery: Brewery, browser: Browser) -> AsyncIterator[Screen]:
    """A page on a desktop that stays open; tests go from view to view in it."""
    async with page(browser) as tab:
        subscriptions = LiveSubscriptions(tab)
        await tab.goto(f"{brewery.url}/by-hand/none")
        screen = Screen(tab, subscriptions)
        await screen.connected()
        yield screen


class Faults:
    """What is wrong with the probes of a simulation."""

    def __init__(self, brewery: Brewery, vessels: str) -> None:
        self._file = brewery.folder / "nodes" / vessels / "faults.json"

    def set(self, **faults: str) -> None:
        """Exactly these faults, `node_id/channel_id` to fault; by rename, as it is being read."""
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(faults))
        draft.replace(self._file)
