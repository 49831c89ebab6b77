"""Entities as Home Assistant shows them and as its recorder keeps them, with its delay."""

from datetime import datetime
from typing import Any


class FakeStates:
    """`set` changes a state; the recorder has it once `record` was called, as every few seconds."""

    def __init__(self) -> None:
        self.now: dict[str, dict[str, Any]] = {}
        self.waiting: list[tuple[str, dict[str, Any]]] = []
        self.recorded: dict[str, list[dict[str, Any]]] = {}
        self.listening: list[tuple[set[str], list[dict[str, Any]]]] = []
        self.asked: list[dict[str, Any]] = []
        self.history = True

    def set(self, entity_id: str, state: str, t: float, *, attribute: bool = False) -> None:
        """A new state at `t` seconds, or with `attribute` only one of its attributes."""
        before = self.now.get(entity_id)
        row = {"s": state, "a": {}, "lu": t}
        if attribute:
            assert before is not None
            assert before["s"] == state
            change: dict[str, Any] = {"c": {entity_id: {"+": {"lu": t, "a": {"x": t}}}}}
            shown = {**before, "lu": t}
            row["lc"] = before["lc"]
        else:
            shown = {"s": state, "a": {}, "c": "x", "lc": t}
            new = {"lc": t} if before and before["s"] == state else {"s": state, "lc": t}
            change = {"c": {entity_id: {"+": new}}} if before else {"a": {entity_id: shown}}
        self.now[entity_id] = shown
        self.waiting.append((entity_id, row))
        for entity_ids, events in self.listening:
            if entity_id in entity_ids:
                events.append(change)

    def record(self) -> None:
        """What has changed is in the recorder now."""
        for entity_id, row in self.waiting:
            self.recorded.setdefault(entity_id, []).append(row)
        self.waiting.clear()

    def subscribe(self, command: dict[str, Any]) -> list[dict[str, Any]]:
        """The events of a subscription, to be sent as they are added."""
        wanted = set(command["entity_ids"])
        events: list[dict[str, Any]] = [
            {"a": {key: state for key, state in self.now.items() if key in wanted}}
        ]
        self.listening.append((wanted, events))
        return events

    def history_of(self, command: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
        """The answer of `history/history_during_period`."""
        self.asked.append(command)
        start = datetime.fromisoformat(command["start_time"]).timestamp()
        end = command.get("end_time")
        stop = datetime.fromisoformat(end).timestamp() if end else float("inf")
        return {
            entity_id: rows
            for entity_id in command["entity_ids"]
            if (
                rows := [
                    row for row in self.recorded.get(entity_id, []) if start <= row["lu"] <= stop
                ]
            )
        }
