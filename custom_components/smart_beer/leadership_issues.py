"""Repair issues about who leads: two servers of one id, nodes that disagree on their kettle."""

from typing import TYPE_CHECKING

from homeassistant.core import HomeAssistant, callback

from .brewery_watch import BreweryWatch
from .repairs import async_clear, async_raise

if TYPE_CHECKING:
    from .coordinator import SmartBeerConfigEntry, SmartBeerData
    from .kettle import KettleCoordinator


class LeadershipIssues:
    """Raises and takes back these issues as the kettles' leaderships tell."""

    def __init__(self, hass: HomeAssistant, entry: SmartBeerConfigEntry) -> None:
        self._hass = hass
        self._entry = entry
        self._shown: dict[tuple[str, str | None], dict[str, str]] = {}
        self._watch = BreweryWatch(
            hass, select=lambda data: data.kettles.values(), on_change=self._look
        )

    @callback
    def async_start(self) -> None:
        """Look from now on, until the entry is unloaded."""
        self._watch.start()
        self._entry.async_on_unload(self._stop)

    @callback
    def _stop(self) -> None:
        """What is not looked after any more is not shown either."""
        self._watch.stop()
        self._show({})

    @callback
    def _look(self, data: SmartBeerData) -> None:
        found: dict[tuple[str, str | None], dict[str, str]] = {}
        twins: list[str] = []
        server_id = ""
        for kettle_id, kettle in sorted(data.kettles.items()):
            if (leadership := kettle.leadership) is None:
                continue
            if leadership.twin:
                twins.append(kettle.kettle_name)
                server_id = leadership.server_id
            if not leadership.members_agree:
                found["members_differ", kettle_id] = {
                    "kettle": kettle.kettle_name,
                    "groups": _groups(kettle),
                }
        if twins:
            found["server_id_twice", None] = {"kettles": ", ".join(twins), "server_id": server_id}
        self._show(found)

    @callback
    def _show(self, found: dict[tuple[str, str | None], dict[str, str]]) -> None:
        for key, subject in self._shown.keys() - found.keys():
            async_clear(self._hass, self._entry, key, subject)
        for (key, subject), placeholders in found.items():
            if self._shown.get((key, subject)) != placeholders:
                async_raise(self._hass, self._entry, key, subject, **placeholders)
        self._shown = found


def _groups(kettle: KettleCoordinator) -> str:
    """What each node of a kettle says that belongs to it, a line each."""
    lines = []
    for node in sorted(kettle.nodes, key=lambda node: node.node_id):
        groups = [
            info.group
            for info in (node.info.kettles if node.info else ())
            if info.kettle_id == kettle.kettle_id
        ]
        said = ", ".join(sorted(groups[0])) if groups else "?"
        lines.append(f"- {node.node_id}: {said}")
    return "\n".join(lines)
