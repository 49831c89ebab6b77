"""What the contract does not say of a Redis: expiry, publication, users, TLS, faults."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from redis.asyncio import Redis

from scripts.servers import free_port
from storage_bridge.model import HOUR_MS, MINUTE_MS, Last, Sample
from storage_bridge.tiers import redis_client
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.redis_hot import SLACK_S, RedisHot
from storage_bridge.tiers.redis_settings import DAY_MS, RedisSettings
from tests.storage_bridge.servers.certificates import make_certificates
from tests.storage_bridge.servers.redis import HOST, PREFIX, RedisServer

from .contract import A, B, samples

NOW = time.time_ns() // 1_000_000
BASE = NOW - NOW % HOUR_MS - HOUR_MS
LAST = Last(BASE, 1.5, "ok", None, "s1", 7)


@asynccontextmanager
async def opened(settings: RedisSettings) -> AsyncIterator[RedisHot]:
    hot = RedisHot(settings)
    await hot.open()
    try:
        yield hot
    finally:
        await hot.close()


@pytest.fixture
def settings(redis_url: str) -> RedisSettings:
    return RedisSettings(url=redis_url, prefix=f"{PREFIX}{uuid.uuid4().hex}")


@pytest.fixture
async def hot(settings: RedisSettings) -> AsyncIterator[RedisHot]:
    async with opened(settings) as found:
        yield found


@pytest.fixture
async def raw(settings: RedisSettings) -> AsyncIterator[Redis]:
    """The driver alone, on the same server."""
    (host, port), database = settings.address.hosts[0], settings.address.database
    client = Redis(host=host, port=port, db=database, decode_responses=True)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for this test alone."""
    made = RedisServer(tmp_path / "redis")
    made.start()
    try:
        yield made
    finally:
        made.kill()


async def test_a_minute_is_a_hash_that_leaves_by_itself(
    hot: RedisHot, raw: Redis, settings: RedisSettings
) -> None:
    await hot.write(samples(BASE, 90) + samples(BASE, 90, "mash-a/other"))
    key = f"{settings.prefix}:minute:mash-a:{BASE // MINUTE_MS}"
    assert await raw.hlen(key) == 121, "two channels, and the batch"
    assert (await raw.hgetall(key))["mash_temp:1000"] == "20.0625"
    expires = await raw.expiretime(key)
    assert expires == BASE // 1000 + 60 + 3 * DAY_MS // 1000 + SLACK_S
    assert await raw.object("ENCODING", key) == "listpack"


async def test_what_is_older_than_hot_keeps_is_gone_at_once(hot: RedisHot) -> None:
    await hot.write(samples(NOW - 10 * DAY_MS, 3) + samples(BASE, 3))
    assert await hot.count() == 3
    assert await hot.read(A, 0, NOW) == samples(BASE, 3)
    found = await hot.span(A)
    assert found is not None
    assert found.first == BASE
    assert await hot.expire(NOW - 3 * DAY_MS) == 0


async def test_a_batch_that_begins_within_a_minute_stays_with_its_samples(hot: RedisHot) -> None:
    rows = samples(BASE, 60)
    brewing = [row._replace(batch="B1") for row in rows[20:40]]
    ended = [row._replace(batch="B2", quality="suspect:clock") for row in rows[40:]]
    for part in (rows[:10], brewing[10:], brewing[:10], rows[10:20], ended):
        await hot.write(part)
    wanted = [*rows[:20], *brewing, *ended]
    assert await hot.read(A, BASE, BASE + MINUTE_MS) == wanted
    assert (await hot.write(wanted)).new == 0


async def test_two_bridges_that_begin_a_minute_with_other_batches_agree(
    hot: RedisHot, settings: RedisSettings
) -> None:
    rows = samples(BASE, 600)
    brewing = [row._replace(series=B, batch="B1") for row in rows]
    brewing = [row._replace(series="mash-a/second") for row in brewing]
    async with opened(settings) as other:
        for at in range(0, 600, 60):
            await asyncio.gather(hot.write(rows[at : at + 60]), other.write(brewing[at : at + 60]))
    assert await hot.read(A, BASE, NOW) == rows
    assert await hot.read("mash-a/second", BASE, NOW) == brewing


async def test_channels_that_begin_alike_are_not_mixed_up(hot: RedisHot) -> None:
    names = ("n/t", "n/t:1", "n/t:1000", "n/", "n", "n//t", "n/t:", "n:0/t")
    rows = {name: samples(BASE, 3, name) for name in names}
    await hot.write([row for group in rows.values() for row in group])
    for name in names:
        assert await hot.read(name, BASE, NOW) == rows[name], name
    assert await hot.series() == sorted(names)


async def test_what_moved_is_published_once_whoever_moves_it(
    hot: RedisHot, raw: Redis, settings: RedisSettings
) -> None:
    async with raw.pubsub() as listener, opened(settings) as other:
        await listener.subscribe(f"{settings.prefix}:live")
        odd = 'mash-a/"temp" ä'
        for seq in range(8, 11):
            last = {A: LAST._replace(seq=seq), odd: LAST._replace(seq=1)}
            await asyncio.gather(hot.write_last(last), other.write_last(last))
        await raw.publish(f"{settings.prefix}:live", "end")
        told: list[dict[str, Any]] = []
        async with asyncio.timeout(20):
            async for message in listener.listen():
                if message["data"] == "end":
                    break
                if message["type"] == "message":
                    told.append(orjson.loads(message["data"]))
    seqs = [found[A][5] for found in told if A in found]
    assert seqs == [8, 9, 10]
    assert [found[odd] for found in told if odd in found] == [[BASE, 1.5, "ok", None, "s1", 1]]


async def test_a_flushed_server_says_that_it_is_empty_until_it_was_filled(
    server: RedisServer,
) -> None:
    async with opened(RedisSettings(url=server.url)) as hot:
        assert (await hot.standing()).content == "empty"
        token = await hot.begin_fill()
        assert await hot.end_fill(token)
        before = await hot.standing()
        assert before.content == "whole"
        token = await hot.begin_fill()
        with server.client() as client:
            client.flushall()
        assert not await hot.end_fill(token)
        assert (await hot.standing()) == before._replace(content="empty")


async def test_a_fill_that_outlives_its_master_does_not_count(server: RedisServer) -> None:
    """Whoever was promoted has the token, but not for certain all that was written since."""
    async with opened(RedisSettings(url=server.url)) as hot:
        token = await hot.begin_fill()
        with server.client() as client:
            client.replicaof(HOST, free_port())  # nobody is there: it keeps what it has
            client.replicaof("NO", "ONE")
        assert not await hot.end_fill(token)
        assert (await hot.standing()).content == "empty"
        assert await hot.end_fill(await hot.begin_fill())
        assert (await hot.standing()).content == "whole"


async def test_a_server_that_comes_back_with_older_content_is_another_holder(
    server: RedisServer,
) -> None:
    async with opened(RedisSettings(url=server.url)) as hot:
        assert await hot.end_fill(await hot.begin_fill())
        await hot.write(samples(BASE, 10))
        before = await hot.standing()
        with server.client() as client:
            client.save()
        await hot.write(samples(BASE, 20))
        server.kill()
        with pytest.raises(TierUnavailableError, match=f"Redis at {HOST}:{server.port}"):
            await hot.write(samples(BASE, 30))
        server.start()
        after = await hot.standing()
        assert after.content == "tail"
        assert after.holder != before.holder
        assert await hot.count() == 10


async def test_a_replica_that_was_promoted_is_another_holder(
    server: RedisServer, tmp_path: Path
) -> None:
    replica = RedisServer(tmp_path / "replica", {"replicaof": f"{HOST} {server.port}"})
    replica.start()
    try:
        async with opened(RedisSettings(url=server.url)) as hot:
            assert await hot.end_fill(await hot.begin_fill())
            await hot.write(samples(BASE, 10))
            with redis.Redis(HOST, server.port, socket_timeout=30) as client:
                assert client.wait(1, 20_000) == 1
        async with opened(RedisSettings(url=replica.url)) as hot:
            with pytest.raises(TierUnavailableError, match="read only"):
                await hot.write(samples(BASE, 20))
            with replica.client() as client:
                client.replicaof("NO", "ONE")
            assert (await hot.standing()).content == "tail"
            await hot.write(samples(BASE, 20))
            assert await hot.count() == 20
    finally:
        replica.kill()


@pytest.mark.real_time
async def test_a_server_that_hangs_holds_up_nothing_and_is_named(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "SOCKET_S", 0.3)
    async with opened(RedisSettings(url=server.url)) as hot:
        await hot.write(samples(BASE, 3))
        beats = 0
        server.pause()
        try:
            call = asyncio.create_task(hot.write(samples(BASE, 4)))
            while not call.done():
                await asyncio.sleep(0.01)
                beats += 1
            with pytest.raises(TierUnavailableError, match=f"Redis at {HOST}:{server.port}"):
                await call
            assert beats > 5
        finally:
            server.resume()
        await hot.write(samples(BASE, 5))
        assert await hot.count() == 5


async def test_more_calls_than_connections_wait_for_each_other(hot: RedisHot, raw: Redis) -> None:
    rows = samples(BASE, 300)
    await asyncio.gather(*(hot.write([row]) for row in rows))
    assert await hot.read(A, BASE, NOW) == rows
    clients = await raw.client_list()
    ours = [client for client in clients if client["name"] == "smart-beer-bridge"]
    assert len(ours) <= redis_client.CONNECTIONS


async def test_a_server_that_is_not_there_is_a_sentence_and_is_used_once_it_is(
    server: RedisServer,
) -> None:
    server.kill()
    hot = RedisHot(RedisSettings(url=server.url))
    with pytest.raises(TierUnavailableError, match="has not been connected to yet"):
        await hot.write(samples(BASE, 1))
    try:
        with pytest.raises(TierUnavailableError, match=f"Redis at {HOST}:{server.port} cannot"):
            await hot.open()
        server.start()
        await hot.open()
        await hot.write(samples(BASE, 1))
    finally:
        await hot.close()
        await hot.close()


async def test_a_full_server_takes_nothing_more_and_says_why(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("maxmemory", "2mb")
    async with opened(RedisSettings(url=server.url)) as hot:
        rows = [row for n in range(200) for row in samples(BASE, 1000, f"n{n}/t")]
        with pytest.raises(TierUnavailableError, match="maxmemory"):
            await hot.write(rows)
        with server.client() as client:
            client.config_set("maxmemory", "0")
        await hot.write(samples(BASE, 5))


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[RedisServer, RedisSettings]]:
    """A server that speaks TLS only and knows one user, who may do what a bridge does."""
    files = make_certificates(tmp_path / "tls", HOST)
    made = RedisServer(
        tmp_path / "redis",
        {
            "port": 0,
            "tls-port": "{port}",
            "tls-cert-file": files.certificate,
            "tls-key-file": files.key,
            "tls-ca-cert-file": files.authority,
            "tls-auth-clients": "no",
            "user": "default off\n"
            "user bridge on >correct-horse resetchannels ~smart_beer:* &smart_beer:* -@all "
            "+@read +@write +@scripting +@connection +info +publish",
        },
    )
    made.start()
    password = tmp_path / "password"
    password.write_text("correct-horse\n")
    settings = RedisSettings(
        url=f"rediss://{HOST}:{made.port}/0",
        username="bridge",
        password_file=password,
        ca_file=files.authority,
    )
    try:
        yield made, settings
    finally:
        made.kill()


async def test_a_user_of_its_own_over_tls_is_enough(
    guarded: tuple[RedisServer, RedisSettings],
) -> None:
    async with opened(guarded[1]) as hot:
        await hot.write(samples(BASE, 100))
        await hot.write_last({A: LAST})
        assert await hot.end_fill(await hot.begin_fill())
        assert (await hot.standing()).content == "whole"
        assert await hot.newest() == {A: LAST}
        assert await hot.read(A, BASE, NOW) == samples(BASE, 100)
        assert await hot.expire(NOW) > 0


async def test_what_keeps_a_user_out_is_said_without_the_password(
    guarded: tuple[RedisServer, RedisSettings], tmp_path: Path
) -> None:
    _, right = guarded
    wrong = tmp_path / "wrong"
    wrong.write_text("hunter2\n")
    empty = tmp_path / "empty"
    empty.write_text("\n")
    for changes, why in (
        ({"password_file": wrong}, "invalid username-password"),
        ({"password_file": empty}, "empty is empty"),
        ({"password_file": tmp_path / "none"}, "cannot be read"),
        ({"username": None, "password_file": None}, "NOAUTH|Authentication required"),
        ({"ca_file": None}, "certificate|CERTIFICATE"),
        ({"prefix": "elsewhere"}, "permission|NOPERM"),
    ):
        values = {name: getattr(right, name) for name in RedisSettings.__dataclass_fields__}
        hot = RedisHot(RedisSettings(**{**values, **changes}))
        try:
            with pytest.raises(TierUnavailableError, match=why) as caught:
                await _use(hot)
            assert "hunter2" not in str(caught.value)
            assert "correct-horse" not in str(caught.value)
        finally:
            await hot.close()


async def _use(hot: RedisHot) -> None:
    await hot.open()
    await hot.write(samples(BASE, 1))


async def test_keys_of_others_are_left_alone(server: RedisServer) -> None:
    with server.client() as client:
        client.set("theirs", "1")
        async with opened(RedisSettings(url=server.url)) as hot:
            await hot.write(samples(BASE, 100))
            await hot.write_last({A: LAST})
            await hot.expire(NOW)
        keys = {bytes(key).decode() for key in client.scan_iter()}
    assert keys == {"theirs", "smart_beer:series", "smart_beer:last"}


async def test_a_foreign_value_under_our_keys_is_a_sentence(server: RedisServer) -> None:
    with server.client() as client:
        client.set("smart_beer:series", "1")
    async with opened(RedisSettings(url=server.url)) as hot:
        with pytest.raises(TierUnavailableError, match="WRONGTYPE"):
            await hot.write([Sample(A, BASE, 1.0, "ok", None)])
    assert redis.__version__.startswith("8.")
