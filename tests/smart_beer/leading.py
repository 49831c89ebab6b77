"""A leadership that does what a test says, and a kettle with outputs to lead."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from custom_components.smart_beer.lease_messages import Command
from tests.smart_beer.output_stub import controller, output

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_homeassistant_custom_component.common import MockConfigEntry

    from custom_components.smart_beer.kettle import KettleCoordinator
    from tests.smart_beer.edge_stub import EdgeStub

HEALTHY: dict[str, Any] = {
    "actuators": {
        "heater": {"desired": 60, "actual": 0, "limited_by": "interlock"},
        "pump": {"desired": False, "actual": False, "limited_by": None},
    },
    "controllers": {
        "mash": {"mode": "off", "setpoint": None, "process": 20.0, "power": 0.0, "state": {}}
    },
    "interlocks": {"lid": False},
    "stop": False,
}


def with_outputs(stub: EdgeStub) -> EdgeStub:
    """The node with a heater, a pump, a controller and an interlock."""
    stub.described = {
        "actuators": [output("heater", control="power", power_w=3500), output("pump")],
        "controllers": [controller("mash")],
        "interlocks": [{"id": "lid", "name": "Lid", "kettle_id": "mash-tun"}],
    }
    stub.parts = dict(HEALTHY)
    return stub


@dataclass
class FakeLeadership:
    """What a kettle asks of its leadership, as told."""

    leads: bool = False
    leader: str | None = None
    may_energise: bool = True
    energise_in_s: float | None = None
    server_id: str = "server-a"
    epoch: int = 7
    members_agree: bool = True
    twin: bool = False
    held: dict[str, float] = field(default_factory=dict)

    def command(self, node_id: str) -> Command | None:
        """A header, while it leads."""
        return Command(self.server_id, "s", self.epoch, "boot1", 1, 9_000) if self.leads else None

    def async_add_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        """The test tells the kettle itself."""
        return lambda: None


def lead(entry: MockConfigEntry, kettle_id: str = "mash-tun", **said: Any) -> FakeLeadership:
    """Have a kettle's leadership say this from now on."""
    kettle: KettleCoordinator = entry.runtime_data.kettles[kettle_id]
    fake = FakeLeadership(**said)
    kettle.leadership = fake  # type: ignore[assignment]
    kettle._update()
    return fake
