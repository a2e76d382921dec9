"""A real server under requests made up from its own schema: no 5xx, shapes as promised."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
)

from tests.unit.web_house import Built


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Built, str]]:
    """The house on a real socket, by the server that runs in production."""
    built = Built(tmp_path_factory.mktemp("house"))
    config = uvicorn.Config(built.site, port=0, log_level="error", proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield built, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
    built.close()


def test_no_request_breaks_the_server(served: tuple[Built, str]) -> None:
    built, url = served
    schema = schemathesis.openapi.from_url(f"{url}/schema")
    headers = built.key("admin")
    checks = [not_a_server_error, response_schema_conformance, content_type_conformance]
    tried: Counter[str] = Counter()
    answered: Counter[int] = Counter()

    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        for mode in GenerationMode:
            cases = found.ok().as_strategy(generation_mode=mode)

            @settings(
                max_examples=8,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=cases)
            def ask(case: Case[Any]) -> None:
                answer = case.call(headers=headers)
                tried[f"{case.method} {case.path}"] += 1
                answered[answer.status_code] += 1
                case.validate_response(answer, checks=checks)

            with suppress(Unsatisfiable):  # nothing can be wrong about a route without parameters
                ask()
    assert len(tried) >= 25
    assert answered[200] > 20
    assert answered[400] > 20
    assert all(status < 500 for status in answered)
