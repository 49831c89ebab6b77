"""Which alarms stood when, for a storage bridge that may have been away meanwhile."""

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from .brewery_watch import BreweryWatch
from .event import latch_alarm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .coordinator import NodeCoordinator, SmartBeerData
    from .models import NodeInfo
    from .state_models import NodeState

# A page is about 200 bytes an alarm: hours of a restless node, years of a quiet one.
KEPT: Final = 500

type Page = dict[str, Any]


class AlarmBook:
    """Pages, one whenever the alarms of a node are others than before. PURE.

    A page is `{node_id, t, alarms}`: all alarms of the node at `t`, UTC ms here. The newest KEPT of
    all nodes are kept, and the newest of each node.
    """

    def __init__(self) -> None:
        self._pages: deque[Page] = deque(maxlen=KEPT)
        self._newest: dict[str, Page] = {}

    def note(self, node_id: str, alarms: list[dict[str, Any]], t: int) -> Page | None:
        """The page written, None when nothing has changed."""
        newest = self._newest.get(node_id)
        if newest is not None and newest["alarms"] == alarms:
            return None
        page: Page = {"node_id": node_id, "t": t, "alarms": alarms}
        self._pages.append(page)
        self._newest[node_id] = page
        return page

    def pages(self) -> Iterator[tuple[Page, bool]]:
        """All pages kept, oldest first; whether a later one of the same node follows."""
        kept = {id(page) for page in self._pages}
        for page in self._newest.values():
            if id(page) not in kept:
                yield page, False
        for page in self._pages:
            yield page, self._newest[page["node_id"]] is not page


class AlarmsHub:
    """Keeps the book from the first subscription on, and reads it to those who subscribe."""

    def __init__(self, hass: HomeAssistant) -> None:
        self._book = AlarmBook()
        self._listeners: list[Callable[[dict[str, Any]], None]] = []
        self._watch = BreweryWatch(
            hass, select=lambda data: data.nodes.values(), on_change=self._on_change
        )
        self._watching = False

    @callback
    def subscribe(self, send: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Send what was written down, then what happens; returns how to end that."""
        if not self._watching:
            self._watching = True
            self._watch.start()
        for page, past in self._book.pages():
            send({**page, "past": past})
        self._listeners.append(send)
        return lambda: self._listeners.remove(send)

    @callback
    def _on_change(self, data: SmartBeerData) -> None:
        for node in data.nodes.values():
            state = node.state if node.connected else None
            if state is None:
                continue
            now = int(dt_util.utcnow().timestamp() * 1000)
            page = self._book.note(node.node_id, list(_alarms(node, state)), now)
            if page is not None:
                for send in list(self._listeners):
                    send({**page, "past": False})


ALARMS: HassKey[AlarmsHub] = HassKey("smart_beer_alarms")


def _alarms(node: NodeCoordinator, state: NodeState) -> Iterator[dict[str, Any]]:
    """The alarms that stand; one of a node without a clock when it knows since when."""
    for alarm in state.alarms:
        if alarm.since is None:
            continue
        kettle_id = _kettle_of(alarm.alarm_id, node.info, state)
        seen = alarm.acknowledged
        yield {
            "alarm_id": alarm.alarm_id,
            "since": alarm.since,
            "text": alarm.text,
            "kettle_id": kettle_id,
            "batch_id": state.batches.get(kettle_id) if kettle_id else None,
            "acknowledged": seen and {key: seen.get(key) for key in ("by", "note", "t")},
        }


def _kettle_of(alarm_id: str, info: NodeInfo | None, state: NodeState) -> str | None:
    """The kettle that an alarm of a node is about; None: the node, or nobody can tell."""
    for latch in state.latches:
        if latch_alarm(latch) == alarm_id:
            return latch.kettle_id
    if info is None:
        return None
    for channel in info.channels:
        if alarm_id in {f"probe_bad_{channel.channel_id}", f"bus_errors_{channel.channel_id}"}:
            return channel.kettle_id
    return info.kettles[0].kettle_id if len(info.kettles) == 1 else None
