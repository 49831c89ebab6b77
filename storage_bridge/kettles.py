"""Which kettle a series belongs to, as Home Assistant says."""

import asyncio


def stand_in(series: str) -> str:
    """What goes for the kettle of a series that no brewery knows: its node."""
    return series.partition("/")[0] or series


class Kettles:
    """What was learnt; `wanted` is set when somebody asks for what is not known.

    `answers` counts the answers of a brewery that was there.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self.wanted = asyncio.Event()
        self.answers = 0

    def learn(self, reply: object) -> None:
        """Take in what `smart_beer/series` answered."""
        rows = reply.get("series") if isinstance(reply, dict) else None
        if not isinstance(rows, list) or not rows:
            return  # no brewery, or one that has not started yet
        for row in rows:
            if isinstance(row, dict):
                series, kettle_id = row.get("series"), row.get("kettle_id")
                if isinstance(series, str) and isinstance(kettle_id, str) and kettle_id:
                    self._known[series] = kettle_id
        self.answers += 1

    def of(self, series: str) -> str | None:
        """The kettle; None, and it is asked for, while that is not known."""
        kettle_id = self._known.get(series)
        if kettle_id is None:
            self.wanted.set()
        return kettle_id
