"""Many ask at once while the ledger moves on: what is kept is what is counted anew."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given

from tests.laws.test_revenue_answers import FIRST, LAST, NOW, RATES, Level, Told, deliveries
from tests.laws.test_sums import examples
from upwell.access import SYSTEM
from upwell.period import to_date
from upwell.projection import Projection
from upwell.query import Answer, Desk, Question
from upwell.query.revenue.ledgers import Ledgers

QUESTIONS = tuple(
    Question(metric=metric, by=by, start=to_date(FIRST), end=to_date(LAST), grain="month")
    for metric in ("mrr", "net_new_mrr", "customers", "nrr")
    for by in (None, "product", "plan")
)


@pytest.fixture(scope="module")
def projection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Projection]:
    found = Projection(tmp_path_factory.mktemp("shelf"), memory="256MB")
    yield found
    found.close()


@given(told=deliveries)
@examples(15)
def test_what_many_asked_at_once_is_what_one_counts_anew(
    projection: Projection, told: list[list[Level]]
) -> None:
    house = Told(projection)
    house.desk.ledgers = Ledgers(lambda _: house.book, projection, lambda: RATES, patience=1)
    over, failed = threading.Event(), list[BaseException]()

    def ask(first: int) -> None:
        try:
            while not over.is_set():
                for question in QUESTIONS[first:] + QUESTIONS[:first]:
                    house.desk.answer(question, SYSTEM, NOW)
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    threads = [threading.Thread(target=ask, args=(n * 5,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for seq, fresh in enumerate(told, 1):
        house.tell(fresh, seq)
    over.set()
    for thread in threads:
        thread.join()
    assert not failed
    assert _all(house.desk) == _all(Desk(projection, lambda: RATES, lambda _: house.book))


def _all(desk: Desk) -> list[Answer]:
    return [desk.answer(question, SYSTEM, NOW) for question in QUESTIONS]
