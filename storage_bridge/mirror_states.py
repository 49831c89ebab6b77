"""States of Home Assistant's entities as it sends them, and what is stored of them. Pure.

`s` is the state, `lc` when it last changed, `lu` when it or an attribute did (seconds); live ones
leave out `lu` where it equals `lc`, recorded ones leave out `lc`.
"""

from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from .model import T_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NODE_ID: Final = "ha"  # in the place of a node's id: series are `ha/<entity_id>`


class Item(NamedTuple):
    """What an entity became: a number at its last update, anything else when it changed to it.

    `t` is UTC ms, `value` None for what is no number.
    """

    entity_id: str
    t: int
    state: str
    value: float | None


class LiveStates:
    """Follows a `subscribe_entities` subscription, whose changes tell what is different only."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[str, float, float]] = {}

    def take(self, event: object) -> list[Item]:
        """What an event says; raises ValueError and its like for what is none."""
        if not isinstance(event, dict):
            raise TypeError("the event is no object")
        found: list[Item] = []
        for entity_id, state in event.get("a", {}).items():
            changed = state["lc"]
            self._states[entity_id] = (state["s"], changed, state.get("lu", changed))
            found.append(self._item(entity_id))
        for entity_id, change in event.get("c", {}).items():
            new = change.get("+", {})
            state, changed, updated = self._states[entity_id]
            changed = new.get("lc", changed)
            updated = new.get("lu", new.get("lc", updated))
            self._states[entity_id] = (new.get("s", state), changed, updated)
            found.append(self._item(entity_id))
        return found

    def _item(self, entity_id: str) -> Item:
        state, changed, updated = self._states[entity_id]
        return item_of(entity_id, state, changed, updated)


def recorded(entity_id: str, rows: Iterable[dict[str, Any]]) -> list[Item]:
    """What the rows of `history/history_during_period` say; raises ValueError and its like."""
    return [
        item_of(entity_id, row["s"], row.get("lc", row["lu"]), row["lu"])
        for row in rows
        if row["s"]  # an empty one says that the entity was removed
    ]


def item_of(entity_id: str, state: str, changed: float, updated: float) -> Item:
    """One state; raises ValueError for what cannot be stored."""
    value = number_of(state)
    t = round((changed if value is None else updated) * 1000)
    if not 0 <= t < T_MAX:
        raise ValueError(f"{entity_id}: {t} is no time")
    return Item(entity_id, t, state, value)


def number_of(state: str) -> float | None:
    """The number that a state is; None for words, also for `nan` and `inf`."""
    if not state.isascii() or "_" in state:
        return None
    try:
        value = float(state)
    except ValueError:
        return None
    return value if isfinite(value) else None


def message(spool_id: str, after: int, items: Sequence[Item]) -> bytes:
    """Items, numbers all, as the outbox takes samples of a node; their seq follow on `after`."""
    series: dict[str, int] = {}
    samples = [
        [
            after + place,
            item.t,
            series.setdefault(f"{NODE_ID}/{item.entity_id}", len(series)),
            item.value,
            "ok",
            None,
        ]
        for place, item in enumerate(items, 1)
    ]
    event = {
        "node_id": NODE_ID,
        "spool_id": spool_id,
        "series": list(series),
        "batches": [],
        "samples": samples,
        "next": after + len(samples),
        "gap": None,
        "holes": [],
    }
    return orjson.dumps({"type": "event", "event": event})
