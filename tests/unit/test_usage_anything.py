"""Whatever is sent to the routes about use: an answer, or what to change; never a failure."""

from __future__ import annotations

import asyncio
import copy
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.laws.world import batch
from tests.unit.usage_house import happened
from tests.unit.web_house import Built
from upwell.flow import Flow

SCOPE = {"product": ["mail"], "from": "2026-06-01", "to": "2026-06-08", "where": {"plan": "a"}}
FUNNEL: dict[str, Any] = {
    **SCOPE,
    "steps": [
        {"event": "A", "where": {"seats": {"gte": 1, "lt": 9}}},
        {"any": [{"event": "B"}, {"event": "C"}], "optional": True, "label": "or"},
        {"event": "C", "product": "mail"},
    ],
    "window": "14d",
    "order": "ordered",
    "entry": "first",
    "exclude": [{"event": "B", "between": [1, 2], "mode": "drop_actor"}],
    "window_scope": "first",
    "order_tolerance_ms": 5,
    "by": "plan",
    "attribution": "step:2",
    "top": 3,
    "trend": "day",
    "bins": 4,
    "between": 2,
}
RETENTION: dict[str, Any] = {
    **SCOPE,
    "start": {"event": "A"},
    "return": {"any": [{"event": "B"}, {"event": "revenue"}]},
    "grain": "day",
    "cohort": "recurring",
    "counting": "on_or_after",
    "buckets": "exact_24h",
    "measure": "actors",
    "by": "plan",
    "brackets": [1, 7],
    "at_least": 2,
    "reference": "previous",
}
ACTIVITY: dict[str, Any] = {**SCOPE, "grain": "week", "event": "A"}
PATHS: dict[str, Any] = {**SCOPE, "start": "A", "end": "B", "depth": 4, "by": "name", "edges": 9}
ASKED: dict[str, list[dict[str, Any]]] = {
    "funnel": [FUNNEL],
    "retention": [RETENTION],
    "lifecycle": [ACTIVITY],
    "stickiness": [{**ACTIVITY, "at_least": 2}],
    "paths": [PATHS],
    "people": [
        {"of": {"funnel": FUNNEL, "node": "1.0", "target": "2.1"}, "limit": 5, "cursor": "3"},
        {"of": {"funnel": FUNNEL, "bucket": "2026-06-01", "state": "open"}},
        {"of": {"funnel": FUNNEL, "step": 2, "part": {"key": "a", "other": False}}},
        {"of": {"retention": RETENTION, "cohort": "2026-06-01", "k": 1, "stayed": False}},
        {"of": {"lifecycle": ACTIVITY, "kind": "dormant", "start": "2026-06-01"}},
        {"of": {"stickiness": ACTIVITY, "times": 2, "or_more": True}},
        {"of": {"paths": PATHS, "source": "1_A", "target": "2_B"}},
        {"of": {"did": {**SCOPE, "event": "A", "at_least": 2}}},
    ],
}
DEEP: Any = "x"
for _ in range(40):
    DEEP = [{"any": DEEP}]
ANYTHING = st.one_of(
    st.sampled_from((
        None, True, 0, -1, 1, 10**6, 2**31, 10**19, 10**40, 1.5, 1e308, "", " ", "x" * 3_000,
        [], {}, [None], ["mail", "mail"], [1, 2, 3], DEEP, {"a": 1}, "Aa", "signu", "pln", "mial",
        "any", "hour", "day", "year", "month", "strict", "revenue", "page_view", "identify",
        "1900-01-01", "9999-12-31", "0001-01-01", "2026-06-01", "2026-13-01", "2030-01-01",
        "999999w", "0d", "1s", "step:99", "all_steps", "last_touch", "\x00", "name", "product",
        "@value", "seg_none", {"gt": "x"}, {"in": []}, {"exists": True}, {"contains": 3},
        [{"event": "A"}] * 30, [{"event": "A", "between": [2, 1]}], {"event": "A", "any": []},
    )),
    st.text(max_size=5),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """A house to which a few events have come."""
    house = Built(tmp_path_factory.mktemp("house"))
    streams = {"u": "A0 B5 C9", "v": "A1 C2", "w": "B3 A9"}
    came = batch(happened(streams, plan="a", seats=3))
    house.journal.append([came, came])  # the first place is that of the configuration
    flow = Flow(house.journal, house.projection)
    while flow.follow():
        pass
    yield house
    house.close()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a body."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inside:
        yield (*path, key)
        if isinstance(one, dict | list):
            yield from places(one, (*path, key))


@st.composite
def bodies(draw: st.DrawFn, kind: str) -> Any:
    """A question with something else in some of its places, or without them."""
    body = copy.deepcopy(draw(st.sampled_from(ASKED[kind])))
    for _ in range(draw(st.integers(0, 3))):
        every = list(places(body))
        if not every:
            break
        *path, last = draw(st.sampled_from(every))
        inner = body
        for key in path:
            inner = inner[key]
        if draw(st.booleans()):
            inner[last] = copy.deepcopy(draw(ANYTHING))
        else:
            del inner[last]
    return body


@pytest.mark.parametrize("kind", ASKED)
def test_an_answer_or_what_to_change(built: Built, kind: str) -> None:
    headers, seen = built.key("read"), Counter[int]()

    @settings(
        max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(bodies(kind))
    def ask(body: Any) -> None:
        status = asyncio.run(_asked(built, headers, kind, msgspec.json.encode(body)))
        seen[status] += 1

    ask()
    assert seen[200]
    assert seen[400] > 10


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"null", b"NaN", b'{"steps": NaN}', b"{" * 5_000, b"[" * 100_000, b"\xff\xfe"],
)
@pytest.mark.parametrize("kind", ASKED)
def test_what_is_no_question(built: Built, kind: str, text: bytes) -> None:
    assert asyncio.run(_asked(built, built.key("read"), kind, text)) == 400


async def _asked(built: Built, headers: dict[str, str], kind: str, body: bytes) -> int:
    sent = {**headers, "Content-Type": "application/json"}
    began = time.monotonic()
    async with built.client() as client:
        answer = await client.post(f"/v1/{kind}", content=body, headers=sent)
    assert time.monotonic() - began < 20, body[:300]
    if answer.status_code != 200:
        assert 400 <= answer.status_code < 500, (answer.text[:600], body[:1_500])
        error = answer.json()["error"]
        assert set(error) == {"code", "message", "fix", "where"}
        assert error["message"], body[:300]
        assert error["fix"], (error, body[:300])
    return answer.status_code
