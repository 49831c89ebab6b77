"""The bridge's HTTP API on real tiers."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient, TestServer

from storage_bridge.api import Context, create_app, handlers
from storage_bridge.model import Last, Sample
from storage_bridge.reader import Reader
from storage_bridge.tiers import embedded

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

SECRET = "the-secret"
BEARER = {"Authorization": f"Bearer {SECRET}"}
T = 1_790_000_000_000
type Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    for channel in ("a/t", "b/t"):
        await tiers.warm.write(
            [Sample(channel, T + n * 1000, n / 4, "ok", None) for n in range(2500)]
        )
    await tiers.hot.write_last({"a/t": Last(T, 1.5, "ok", None, "s1", 9)})
    failing: list[str] = []
    stale: list[str] = []

    async def status() -> dict[str, Any]:
        return {"running": True}

    async def metrics() -> str:
        return "# TYPE x gauge\nx 1\n"

    context = Context(
        reader=Reader(*tiers), tiers=tiers, status=status, metrics=metrics,
        failing=lambda: failing[0] if failing else None,
        stale=lambda: stale[0] if stale else None, secret=SECRET,
    )  # fmt: skip
    async with TestClient(TestServer(create_app(context))) as made:
        made.failing = failing  # type: ignore[attr-defined]
        made.stale = stale  # type: ignore[attr-defined]
        yield made
    await tiers.close()


async def _get(client: Client, path: str, status: int = 200) -> Any:
    async with client.get(path, headers=BEARER) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def test_without_the_secret_nothing_is_told(client: Client) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer \xff"}):
        for path in ("/v1/series", "/v1/status", "/v1/live", "/v1/samples", "/none"):
            async with client.get(path, headers=headers) as response:
                assert response.status == 401
                assert "secret" in (await response.json())["error"]["message"]


async def test_every_series_is_listed_with_its_span(client: Client) -> None:
    reply = await _get(client, "/v1/series")
    assert reply["series"][0] == {"series": "a/t", "first": T, "last": T + 2_499_000}
    assert [row["series"] for row in reply["series"]] == ["a/t", "b/t"]
    assert reply["partial"] == []


async def test_samples_come_exactly_and_page_by_page(client: Client) -> None:
    found = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        reply = await _get(
            client, f"/v1/samples?series=a/t&start={T}&end={T + 2_400_000}&limit=1000{more}"
        )
        found += reply["samples"]
        cursor = reply["next"]
        pages += 1
    assert pages == 3
    assert found == [[T + n * 1000, n / 4, "ok", None] for n in range(2400)]


async def test_a_chart_of_several_series(client: Client) -> None:
    reply = await _get(
        client, f"/v1/history?series=a/t&series=b/t&start={T}&end={T + 2_500_000}&points=50"
    )
    assert set(reply) == {"start", "end", "bucket_ms", "partial", "series"}
    assert set(reply["series"]) == {"a/t", "b/t"}
    points = [p for p in reply["series"]["a/t"] if p[1] is not None]
    assert 0 < len(reply["series"]["a/t"]) <= 50
    assert points[0][1] == 0
    assert max(p[2] for p in points) == 2499 / 4


async def test_the_newest_of_each_series(client: Client) -> None:
    newest = {"a/t": [T, 1.5, "ok", None]}
    assert await _get(client, "/v1/live") == {"samples": newest, "partial": []}
    assert await _get(client, "/v1/live?series=b/t") == {"samples": {}, "partial": []}
    client.stale.append("It is being filled.")  # type: ignore[attr-defined]
    lack = {"tier": "hot", "error": "It is being filled."}
    assert await _get(client, "/v1/live") == {"samples": newest, "partial": [lack]}


async def test_health_and_metrics_are_open(client: Client) -> None:
    async with client.get("/healthz") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})
    client.failing.append("outbox")  # type: ignore[attr-defined]
    async with client.get("/healthz") as response:
        assert (response.status, (await response.json())["part"]) == (503, "outbox")
    async with client.get("/metrics") as response:
        assert "x 1" in await response.text()


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/v1/samples", "series"),
        ("/v1/samples?series=a/t", "start"),
        ("/v1/samples?series=a/t&start=1", "end"),
        ("/v1/samples?series=a/t&start=5&end=5", "before it starts"),
        ("/v1/samples?series=a/t&start=-1&end=5", "start"),
        ("/v1/samples?series=a/t&start=1.5&end=5", "start"),
        ("/v1/samples?series=a/t&start=\u0661&end=5", "start"),
        ("/v1/samples?series=a/t&start=1&end=" + "9" * 5000, "end"),
        ("/v1/samples?series=a/t&series=b/t&start=1&end=5", "2 times"),
        ("/v1/samples?series=a/t&start=1&end=5&limit=0", "limit"),
        ("/v1/samples?series=a/t&start=1&end=5&limit=10001", "limit"),
        ("/v1/samples?series=a/t&start=1&end=5&cursor=", "cursor"),
        ("/v1/samples?series=a/t&start=1&end=5&cursor=zz", "cursor"),
        ("/v1/samples?series=a/t&start=1&end=5&cursor=9", "cursor"),
        ("/v1/samples?series=a/t&start=1&end=5&colour=red", "colour"),
        ("/v1/samples?series=&start=1&end=5", "series"),
        ("/v1/samples?series=%00&start=1&end=5", "series"),
        ("/v1/history?series=a/t&start=1&end=5", "points"),
        ("/v1/history?series=a/t&start=1&end=5&points=10001", "points"),
        ("/v1/history?start=1&end=5&points=10", "series"),
        ("/v1/history?start=1&end=5&points=10" + "&series=a" * 3 + "".join(
            f"&series=a/{n}" for n in range(70)), "at most 64"),
        ("/v1/live?series=" + "x" * 300, "series"),
        ("/v1/series?x=1", "x"),
    ],
)  # fmt: skip
async def test_a_bad_question_is_answered_with_a_reason(
    client: Client, path: str, word: str
) -> None:
    reply = await _get(client, path, 400)
    assert reply["error"]["code"] == "bad_request"
    assert word in reply["error"]["message"]


async def test_wrong_paths_and_methods_are_told_in_json(client: Client) -> None:
    assert (await _get(client, "/v1/none", 404))["error"]["code"] == "not_found"
    async with client.post("/v1/series", headers=BEARER) as response:
        assert response.status == 405
        assert (await response.json())["error"]["code"] == "method_not_allowed"


async def test_sixty_four_long_names_fit_into_one_question(client: Client) -> None:
    names = [quote(f"{n:03}/" + "\u00e9" * 150) for n in range(64)]
    query = "&".join(f"series={name}" for name in names)
    reply = await _get(client, f"/v1/history?{query}&start=1&end=9&points=3")
    assert len(reply["series"]) == 64


async def test_no_garbage_gets_a_5xx(client: Client) -> None:
    chance = random.Random(1)
    values = ["", "0", "-1", "1e9", "NaN", "a/t", "%ff", "%00", "\u20ac", "9" * 20, "[]", "%d8%00"]
    names = ["series", "start", "end", "points", "limit", "cursor", "x", "%ff"]
    for _ in range(150):
        path = chance.choice(["series", "samples", "history", "live", "status", "%2e%2e", "%ff"])
        query = "&".join(
            f"{chance.choice(names)}={chance.choice(values)}" for _ in range(chance.randint(0, 5))
        )
        async with client.get(f"/v1/{path}?{query}", headers=BEARER) as response:
            assert response.status < 500
            await response.json()


async def test_a_store_that_is_away_is_said_to_be(client: Client, tmp_path: Path) -> None:
    context = client.server.app[next(iter(client.server.app))]  # type: ignore[attr-defined]
    await context.tiers.close()
    reply = await _get(client, f"/v1/history?series=a/t&start={T}&end={T + 1000}&points=5")
    assert {lack["tier"] for lack in reply["partial"]} == {"warm", "cold"}
    assert (await _get(client, "/v1/live", 503))["error"]["code"] == "tier_unavailable"
    assert (await _get(client, "/v1/series"))["partial"] != []


@pytest.mark.real_time
async def test_series_are_listed_though_a_tier_hangs(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = client.server.app[next(iter(client.server.app))]  # type: ignore[attr-defined]

    async def hang(*_args: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(handlers, "SERIES_S", 0.5)
    monkeypatch.setattr(context.tiers.cold, "series", hang)
    reply = await _get(client, "/v1/series")
    assert [one["series"] for one in reply["series"]] == ["a/t", "b/t"]
    assert reply["partial"] == [
        {"tier": "cold", "error": "The cold tier did not answer within 0.5 s."}
    ]


async def test_the_spans_of_many_series_are_asked_side_by_side(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = client.server.app[next(iter(client.server.app))]  # type: ignore[attr-defined]
    rows = [Sample(f"c/{n}", T + n, 1.0, "ok", None) for n in range(40)]
    await context.tiers.warm.write(rows)
    span, asking, most = context.tiers.warm.span, 0, 0
    together = asyncio.Event()

    async def slow(series: str) -> Any:
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        if asking == handlers.AT_ONCE:
            together.set()
        await together.wait()  # fewer would wait until the tier is given up
        await asyncio.sleep(0.01)
        asking -= 1
        return await span(series)

    monkeypatch.setattr(context.tiers.warm, "span", slow)
    listed = {one["series"]: one["first"] for one in (await _get(client, "/v1/series"))["series"]}
    assert most == handlers.AT_ONCE
    assert {name: t for name, t in listed.items() if name[0] == "c"} == {
        row.series: row.t for row in rows
    }
