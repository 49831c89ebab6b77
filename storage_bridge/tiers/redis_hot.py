"""The hot tier in Redis 7 or newer: a hash for each minute of a node, which expires as a whole."""

import time
import uuid
from itertools import batched
from typing import TYPE_CHECKING, Any, Final, override

from storage_bridge.model import MINUTE_MS, Last, Sample

from .base import HotTier, Role, Span, Standing, Written
from .redis_client import Command, RedisClient
from .redis_codec import decode_last, encode_last, fields, grouped, samples_of, split
from .redis_scripts import CHANNELS, END_FILL, MOVE_LAST, READ, WRITE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from .redis_codec import Minute
    from .redis_settings import RedisSettings

# Replicas follow within seconds; a minute is what an operator may set as the longest lag.
SETTLE_S: Final = 60.0
SLACK_S: Final = 2 * 3600  # `expire` runs each hour; keys leave by themselves where no bridge runs
MARKERS: Final = (
    32  # of a cluster, over whose servers they spread: each of them can come back empty
)
_FIELDS: Final = 1000  # in one call: Lua passes on at most some thousand arguments
_MINUTES: Final = 120  # read at once
_KEYS: Final = 500
_LISTED_S: Final = 60.0  # what a list holds is told to the server again after that long


class RedisHot(HotTier):
    """Samples, and `last` with a publication of what moved on the channel `<prefix>:live`.

    `<prefix>:minute:<node>:<number>` are the minutes, listed by `<prefix>:minutes:<node>`;
    `<prefix>:series` are the series ever written, `<prefix>:last` the newest samples,
    `<prefix>:filled` says for which server's process the content was filled.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._client = RedisClient(settings)
        self._prefix = settings.prefix
        self._keep_s = settings.keep_ms // 1000
        self._listed: set[Minute | str] = set()
        self._listed_since = 0.0
        self._markers = (
            [f"{self._prefix}:filled:{n}" for n in range(MARKERS)]
            if self._client.sharded
            else [f"{self._prefix}:filled"]
        )

    @property
    @override
    def role(self) -> Role:
        return "hot"

    @property
    @override
    def shares_rows(self) -> bool:
        return False

    @property
    @override
    def settle_s(self) -> float:
        return SETTLE_S

    @override
    async def open(self) -> None:
        await self._client.open()

    @override
    async def close(self) -> None:
        await self._client.close()

    @override
    async def write(self, samples: Sequence[Sample]) -> Written:
        groups = grouped(samples)
        if not groups:
            return Written(0, 0)
        parts = [
            (minute, list(part))
            for minute, group in groups.items()
            for part in batched(group, _FIELDS, strict=False)
        ]
        listed = self._listed_now()
        lists, new = self._lists(listed, groups, samples)
        # The lists first: what is listed and not there is harmless, the opposite is not.
        replies = await self._run(
            [*lists, *(self._put(*part, part[1][0].batch or "") for part in parts)]
        )
        listed |= new
        del replies[: len(lists)]
        # Minutes whose batch another writer, or an earlier write, chose: once more, told so.
        again = [
            (at, self._put(*parts[at], reply.decode()))
            for at, reply in enumerate(replies)
            if isinstance(reply, bytes)
        ]
        if again:
            for (at, _), reply in zip(
                again, await self._run([command for _, command in again]), strict=True
            ):
                replies[at] = reply
        added = sum(reply for reply in replies if isinstance(reply, int))
        return Written(added, len(samples) - added)

    @override
    async def read(
        self, series: str, start: int, end: int, limit: int | None = None
    ) -> list[Sample]:
        if start >= end:
            return []
        node, _ = split(series)
        minutes = await self._minutes(node, start // MINUTE_MS, (end - 1) // MINUTE_MS)
        rows: list[Sample] = []
        for part in batched(minutes, _MINUTES, strict=False):
            found = [
                sample
                for number, reply in zip(
                    part, await self._run([self._get(series, n) for n in part]), strict=True
                )
                for sample in samples_of(series, number, reply, start, end)
            ]
            rows += sorted(found)
            if limit is not None and len(rows) >= limit:
                break
        return rows[:limit]

    @override
    async def series(self) -> list[str]:
        [names] = await self._run([("SMEMBERS", self._key("series"))])
        sought: dict[str, dict[bytes, str]] = {}
        for name in map(bytes.decode, names):
            node, channel = split(name)
            sought.setdefault(node, {})[channel.encode()] = name
        found: list[str] = []
        at, size = 0, 1  # nearly all are in their node's newest minute
        while sought:
            left: dict[str, dict[bytes, str]] = {}
            for nodes in batched(sought, max(1, _KEYS // size), strict=False):
                for node, channels, more in await self._channels(nodes, at, size):
                    missing = sought[node]
                    found += [missing.pop(name) for name in missing.keys() & channels]
                    if missing and more:
                        left[node] = missing
            sought = left
            at, size = at + size, min(size * 8, _KEYS)
        return sorted(found)

    @override
    async def span(self, series: str) -> Span | None:
        first = await self._edge(series, newest=False)
        last = await self._edge(series, newest=True)
        return None if first is None or last is None else Span(first.t, last.t)

    @override
    async def count(self) -> int:
        count = 0
        for node in await self._nodes():
            count += await self._count(node, await self._minutes(node))
        return count

    @override
    async def standing(self) -> Standing:
        holder = await self._client.holder()
        held = await self._run([("HGET", marker, "holder") for marker in self._markers])
        if all(name == holder.encode() for name in held):
            return Standing(holder, "whole")
        self._listed = set()  # the lists may have lost it as well
        if any(name is None for name in held):
            return Standing(holder, "empty")
        # One of a cluster's servers may have come back with nothing: that cannot be told apart.
        return Standing(holder, "empty" if self._client.sharded else "tail")

    @override
    async def begin_fill(self) -> str:
        token = f"{uuid.uuid4().hex} {await self._client.holder()}"
        await self._run([("HSET", marker, token, "1") for marker in self._markers])
        return token

    @override
    async def end_fill(self, token: str) -> bool:
        holder = token.partition(" ")[2]
        done = await self._run(
            [("EVAL", END_FILL, 1, marker, token, holder) for marker in self._markers]
        )
        return all(done)

    @override
    async def newest(self) -> dict[str, Last]:
        [found] = await self._run([("HGETALL", self._key("last"))])
        return {name.decode(): decode_last(found[name]) for name in sorted(found)}

    @override
    async def write_last(self, last: Mapping[str, Last]) -> int:
        encoded = [(series, encode_last(series, newest)) for series, newest in last.items()]
        moved = 0
        for part in batched(encoded, _KEYS, strict=False):
            told = [text for pair in part for text in pair]
            [count] = await self._run(
                [("EVAL", MOVE_LAST, 1, self._key("last"), self._key("live"), *told)]
            )
            moved += count
        return moved

    @override
    async def expire(self, before: int) -> int:
        gone = 0
        for node in await self._nodes():
            minutes = await self._minutes(node, 0, before // MINUTE_MS - 1)
            for part in batched(minutes, _KEYS, strict=False):
                gone += await self._count(node, part)
                await self._run([("UNLINK", self._minute(node, number)) for number in part])
                await self._run([("ZREM", self._key("minutes", node), *part)])
        return gone

    async def _edge(self, series: str, *, newest: bool) -> Sample | None:
        """The oldest or newest sample, nearly always in the node's oldest or newest minute."""
        minutes = await self._minutes(split(series)[0])
        if newest:
            minutes.reverse()
        at, size = 0, 1
        while at < len(minutes):
            part = minutes[at : at + size]
            replies = await self._run([self._get(series, number) for number in part])
            for number, reply in zip(part, replies, strict=True):
                found = samples_of(series, number, reply, 0, (number + 1) * MINUTE_MS)
                if found:
                    return max(found) if newest else min(found)
            at, size = at + size, min(size * 8, _KEYS)
        return None

    async def _channels(
        self, nodes: Sequence[str], at: int, size: int
    ) -> list[tuple[str, set[bytes], bool]]:
        """By node the channels in the `size` minutes before its newest `at`; if there are more."""
        listed = await self._run(
            [("ZRANGE", self._key("minutes", node), at, at + size - 1, "REV") for node in nodes]
        )
        minutes = [
            (node, int(number))
            for node, numbers in zip(nodes, listed, strict=True)
            for number in numbers
        ]
        replies = await self._run(
            [("EVAL", CHANNELS, 1, self._minute(*minute)) for minute in minutes]
        )
        found: dict[str, set[bytes]] = {node: set() for node in nodes}
        for (node, _), reply in zip(minutes, replies, strict=True):
            found[node].update(reply.split(b"\xff")[:-1])
        return [
            (node, found[node], len(numbers) == size)
            for node, numbers in zip(nodes, listed, strict=True)
        ]

    async def _nodes(self) -> list[str]:
        [names] = await self._run([("SMEMBERS", self._key("series"))])
        return sorted({split(name.decode())[0] for name in names})

    async def _minutes(self, node: str, first: int = 0, last: int | None = None) -> list[int]:
        """The node's minutes that may hold samples, oldest first; both ends belong to them."""
        [found] = await self._run(
            [
                (
                    "ZRANGEBYSCORE",
                    self._key("minutes", node),
                    first,
                    "+inf" if last is None else last,
                )
            ]
        )
        return [int(number) for number in found]

    async def _count(self, node: str, minutes: Iterable[int]) -> int:
        count = 0
        for part in batched(minutes, _KEYS, strict=False):
            sizes = await self._run([("HLEN", self._minute(node, number)) for number in part])
            count += sum(max(0, size - 1) for size in sizes)  # one field is the minute's batch
        return count

    def _listed_now(self) -> set[Minute | str]:
        """Which minutes and series the server has just been told; not for long, it may forget."""
        now = time.monotonic()
        if now - self._listed_since > _LISTED_S:
            self._listed, self._listed_since = set(), now
        return self._listed

    def _lists(
        self, listed: set[Minute | str], groups: Collection[Minute], samples: Iterable[Sample]
    ) -> tuple[list[Command], set[Minute | str]]:
        """What must be told before these samples can be found, as commands and as such."""
        minutes = [minute for minute in groups if minute not in listed]
        names = {sample[0] for sample in samples} - listed
        by_node: dict[str, list[int]] = {}
        for node, number in minutes:
            by_node.setdefault(node, []).extend((number, number))
        commands: list[Command] = [
            ("ZADD", self._key("minutes", node), *both) for node, both in by_node.items()
        ]
        if names:
            commands.append(("SADD", self._key("series"), *names))
        return commands, {*minutes, *names}

    def _put(self, minute: Minute, samples: Sequence[Sample], batch: str) -> Command:
        node, number = minute
        expires = (number + 1) * 60 + self._keep_s + SLACK_S
        encoded = fields(number, samples, batch)
        return ("EVAL", WRITE, 1, self._minute(node, number), batch, expires, encoded)

    def _get(self, series: str, number: int) -> Command:
        node, channel = split(series)
        return ("EVAL", READ, 1, self._minute(node, number), f"{channel}:")

    def _key(self, *parts: str) -> str:
        return ":".join((self._prefix, *parts))

    def _minute(self, node: str, number: int) -> str:
        return f"{self._prefix}:minute:{node}:{number}"

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        return await self._client.run(commands)
