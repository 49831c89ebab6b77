"""Simulated breweries with a kettle for each of many scenarios."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.edge_node.failures.conftest import Brewery, open_simulation
from tests.edge_node.failures.vat import Vat

START_C: Final = {"ramp": 83.9}


class Breweries:
    """The vats of one kind of brewery by the scenario that is given each."""

    def __init__(self, brewery: Brewery, kind: str, names: list[str]) -> None:
        self._vats = {
            name: Vat(brewery, name, number, refers=kind != "lone", alone=len(names) == 1)
            for number, name in enumerate(names)
        }

    def vat(self, name: str) -> Vat:
        """The kettle of a scenario, led and ready to heat."""
        vat = self._vats[name]
        vat.lead()
        return vat


def open_brewery(folder: Path, stack: ExitStack, kind: str, names: list[str]) -> Breweries:
    """Start the processes of a kind of brewery with a kettle for each of these scenarios."""
    place = Path(
        tempfile.mkdtemp(prefix=f"{kind}-", dir=folder)
    )  # one each, should they be done again
    brewery = stack.enter_context(
        open_simulation(
            place / "state",
            *(word for name in names for word in ("--kettle", name)),
            *(word for n in names for word in ("--temperature", f"{n}={START_C.get(n, 55)}")),
            *("--clients", str(len(names))),
            *(("--probes", "3") if kind == "lone" else ("--nodes", "3")),
        )
    )
    return Breweries(brewery, kind, names)
