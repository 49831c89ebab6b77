"""What the node says of itself: health, identity, state, figures, plain HTTP."""

from __future__ import annotations

import re

import aiohttp
import pytest

from edge_node.api.listener import listen
from edge_node.api.metrics import Family, render
from tests.edge_node.api.conftest import Serve, Served

LINE = re.compile(
    r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)'
)


async def test_health_is_one_word(served: Served) -> None:
    status, content, _ = await served.call("GET", "/healthz", token=None)
    assert (status, content) == (200, {"status": "ok"})


async def test_health_names_the_part_that_fails(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    mono = served.node.clock.mono_ms
    monkeypatch.setattr(served.node.clock, "mono_ms", lambda: 3_600_000 + mono())
    status, content, _ = await served.call("GET", "/healthz", token=None)
    assert status == 503
    assert content["error"]["detail"] == {"part": "sampler"}
    assert "sampler" in content["error"]["message"]


async def test_identity_tells_who_it_is_and_no_more(served: Served) -> None:
    content = await served.get("/v1/identity", token=None)
    assert content.keys() == {
        "api",
        "node_id",
        "name",
        "kettles",
        "model",
        "version",
        "fingerprint",
        "pairing",
        "boot_id",
        "mono_ms",
    }
    assert content["kettles"] == [{"kettle_id": "mash-tun", "kettle_name": "Mash tun"}]
    assert (content["api"], content["node_id"]) == (1, "mash-a")


async def test_the_fingerprint_is_that_of_the_connections_certificate(served: Served) -> None:
    content = await served.get("/v1/identity")  # over a connection that pins it
    assert content["fingerprint"] == served.node.identity.fingerprint


async def test_node_and_state_carry_what_the_node_says(served: Served) -> None:
    served.tick(64.5)
    content = await served.get("/v1/node")
    assert served.node.describe().keys() <= content.keys()
    assert content["channels"][0]["id"] == "mash_temp"
    state = await served.get("/v1/state")
    assert served.node.state().keys() | {"boot_id", "mono_ms"} == state.keys()
    assert state["channels"]["mash_temp"]["value"] == 64.5


async def test_mono_ms_never_goes_back(served: Served) -> None:
    stamps = [(await served.get("/v1/state"))["mono_ms"] for _ in range(5)]
    assert stamps == sorted(stamps)


async def metrics_of(served: Served) -> str:
    pin = aiohttp.Fingerprint(bytes.fromhex(served.node.identity.fingerprint))
    headers = {"Authorization": f"Bearer {served.read}"}
    async with served.session.get(f"{served.url}/metrics", headers=headers, ssl=pin) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return await response.text()


async def test_metrics_are_prometheus_text(served: Served) -> None:
    served.tick(64.5)
    await served.committed(2)
    await served.get("/v1/state")
    text = await metrics_of(served)
    assert text.endswith("\n")
    typed = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match, line
            assert match[1] in typed
    assert 'smart_beer_channel_value{unit="°C",channel="mash_temp",kettle="mash-tun"} 64.5' in text
    assert "smart_beer_spool_last_seq 2" in text
    assert 'smart_beer_api_replies_total{status="200"}' in text


async def test_a_bad_reading_has_no_value_in_the_metrics(served: Served) -> None:
    served.tick(None, "bad:crc")
    text = await metrics_of(served)
    assert "smart_beer_channel_value" not in text
    assert 'smart_beer_channel_good{channel="room",kettle=""} 0' in text


def test_labels_and_help_are_escaped() -> None:
    family = Family("x", "gauge", "a\\b\nc").add(1.5, name='q"u\\o\nte')
    assert render([family]) == (
        "# HELP smart_beer_x a\\\\b\\nc\n"
        "# TYPE smart_beer_x gauge\n"
        'smart_beer_x{name="q\\"u\\\\o\\nte"} 1.5\n'
    )


async def test_plain_http_reads_without_a_token_and_does_nothing_else(serve: Serve) -> None:
    served = await serve(insecure=True)
    url = f"http://127.0.0.1:{served.server.insecure_port}"
    async with served.session.get(f"{url}/v1/node") as response:
        assert response.status == 200
        assert "clients" not in await response.json()
    async with served.session.get(f"{url}/v1/samples") as response:
        assert response.status == 200
    async with served.session.put(f"{url}/v1/clock", json={"utc_ms": 1}) as response:
        assert response.status in {404, 405}
    async with served.session.post(f"{url}/v1/pair", json={}) as response:
        assert response.status in {404, 405}


async def test_a_token_over_plain_http_is_refused_loudly(serve: Serve) -> None:
    served = await serve(insecure=True)
    async with served.session.get(
        f"http://127.0.0.1:{served.server.insecure_port}/v1/node",
        headers={"Authorization": f"Bearer {served.read}"},
    ) as response:
        content = await response.json()
    assert (response.status, content["error"]["code"]) == (400, "token_in_clear")


async def test_plain_http_is_off_by_default_and_logged_when_on(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await serve()).server.insecure_port is None
    assert "insecure_lan" not in caplog.text
    await serve(insecure=True)
    assert "insecure_lan is on" in caplog.text


async def test_a_port_that_is_taken_is_named(served: Served) -> None:
    with pytest.raises(OSError, match=f"port {served.server.port}"):
        listen("127.0.0.1", served.server.port)
