"""The OpenAPI document, and the running node held against it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from edge_node.api import create_app
from edge_node.api.app import OPERATIONS
from edge_node.tokens import Scope
from tests.edge_node.api.conftest import Served

EXAMPLES = 12
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


async def test_every_route_is_documented_and_every_documented_call_is_routed(
    served: Served,
) -> None:
    document = await served.get("/v1/openapi.json")
    app = create_app(served.node, served.tokens, served.pairing)
    routes = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    documented = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert routes == documented
    assert len(documented) == len(OPERATIONS)


async def test_the_document_says_what_every_call_needs_and_refuses(served: Served) -> None:
    document = await served.get("/v1/openapi.json", token=served.read)
    assert document["openapi"] == "3.1.0"
    assert "boot_id" not in document
    for path, item in document["paths"].items():
        for call in item.values():
            statuses = set(call["responses"])
            assert {"400", "429", "500"} <= statuses
            assert ("401" in statuses) == bool(call["security"]), path
            assert ("413" in statuses) == ("requestBody" in call), path
    parameters = {
        parameter["name"]: parameter["schema"]
        for parameter in document["paths"]["/v1/samples"]["get"]["parameters"]
    }
    assert parameters["limit"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 10_000,
        "default": 1000,
    }
    assert (parameters["wait"]["minimum"], parameters["wait"]["maximum"]) == (0, 30)


async def test_samples_are_as_the_document_says_to_the_last_column(served: Served) -> None:
    served.tick()
    served.tick(None, "bad:crc")
    await served.committed(4)
    document = await served.get("/v1/openapi.json")
    described = document["paths"]["/v1/samples"]["get"]["responses"]["200"]["content"]
    validator = jsonschema_rs.Draft202012Validator(described["application/json"]["schema"])
    page = await served.get("/v1/samples")
    assert validator.is_valid(page)
    page["samples"][0][1] = "yesterday"
    assert not validator.is_valid(page)


def without_tuples(schema: Any) -> Any:
    """The document with looser rows: schemathesis 4.32 reads prefixItems as items, and fails."""
    match schema:
        case {"prefixItems": columns, **rest}:
            return {**rest, "items": {"anyOf": columns}}
        case dict():
            return {key: without_tuples(value) for key, value in schema.items()}
        case list():
            return [without_tuples(value) for value in schema]
        case _:
            return schema


def run_schemathesis(document: dict[str, Any], served: Served) -> Counter[str]:
    """Try every documented call with good and bad input; how many requests each one got."""
    schema = schemathesis.openapi.from_dict(without_tuples(document))
    schema.config.update(base_url=served.url, tls_verify=False)
    counts: Counter[str] = Counter()
    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr] # an Err raises, as it should
        if operation.path == "/v1/events":
            continue  # never ends by itself; has tests of its own
        described = document["paths"][operation.path][operation.method]
        # A token of its own each: one of the calls revokes the token that makes it.
        token = served.tokens.pair(operation.label, "schemathesis", Scope.CONTROL)
        headers = {"Authorization": f"Bearer {token}"} if described["security"] else {}
        attempt = partial(call, headers=headers, counts=counts)
        for mode in schemathesis.GenerationMode:
            if mode.is_negative and not described["parameters"] and "requestBody" not in described:
                continue  # there is nothing in it that could be wrong
            bounded = settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            strategy = operation.as_strategy(generation_mode=mode)

            @bounded
            @given(case=strategy, attempt=st.just(attempt))
            def test(
                case: schemathesis.Case[Any], attempt: Callable[[schemathesis.Case[Any]], None]
            ) -> None:
                attempt(case)

            test()
    return counts


def call(case: schemathesis.Case[Any], *, headers: dict[str, str], counts: Counter[str]) -> None:
    """Send one case and hold the answer against the document."""
    # Good waits are good for half a minute each, and a stream for ten.
    wait = case.query.get("wait")
    if isinstance(wait, (int, float)) and 0 <= wait <= 30:
        case.query["wait"] = wait / 1000
    if case.query.get("stream") == "1":
        case.query["stream"] = "0"
    counts[f"{case.method} {case.path}"] += 1
    response = case.call(headers=headers, verify=False, timeout=30)
    # A body that is too large is refused before anybody looks into it; that check does not know.
    too_large = response.status_code == 413
    checks = [check for check in CHECKS if not (too_large and check is negative_data_rejection)]
    case.validate_response(response, checks=checks)


@pytest.mark.timeout(600)
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
async def test_schemathesis_finds_no_way_to_break_the_node(served: Served) -> None:
    for _ in range(3):
        served.tick()
    await served.committed(6)
    document = await served.get("/v1/openapi.json")
    counts = await asyncio.to_thread(run_schemathesis, document, served)
    assert len(counts) == len(OPERATIONS) - 1
    assert counts["GET /v1/samples"] >= EXAMPLES
    await served.get("/v1/state")
