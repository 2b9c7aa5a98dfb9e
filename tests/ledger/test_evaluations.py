"""Answers to golden prompts in the ledger: each counts once, and is found again."""

from typing import Any

import pytest

from pointsman.events.schema import Evaluation, Event
from pointsman.ledger.asking import ask, ask_evaluations
from pointsman.ledger.contract import Keeping, Store, Taken
from pointsman.ledger.evaluations import Evaluated
from tests.ledger.conftest import Place
from tests.ledger.events import DAY_MS, NOW_MS, batch, request


def evaluation(number: int = 0, **fields: Any) -> Evaluation:
    """Right, a hundred milliseconds, for a millionth."""
    values: dict[str, Any] = {
        "id": f"e-{number}", "at_ms": NOW_MS + number, "suite": "desk", "content": "abc",
        "backend": "small", "model": "auto", "task": "Coding", "prompt": f"p{number}",
        "score": 1.0, "latency_us": 100_000, "cost_nano": 1_000, "currency": "USD",
        "fingerprint": "fp",
    }  # fmt: skip
    return Evaluation(**(values | fields))


def take(store: Store, *events: Event, spool: str = "spool-evaluate-1") -> Taken:
    (taken,) = store.ingest([batch(events, spool=spool)], NOW_MS)
    return taken


def found(store: Store, limit: int = 100, since_ms: int = 0, **by: str) -> list[Evaluated]:
    return ask_evaluations(store, by, since_ms, limit).evaluations


def test_what_is_kept_is_what_was_sent(store: Store) -> None:
    """The newest first; a score of nothing stays nothing."""
    assert take(store, evaluation(), evaluation(1, score=None, missing="TimedOut")).evaluations == 2
    second, first = found(store)

    assert (first.id, first.score, first.missing, first.latency_us) == ("e-0", 1.0, "", 100_000)
    assert (second.score, second.missing, second.fingerprint) == (None, "TimedOut", "fp")


def test_the_same_answer_sent_again_counts_once(store: Store) -> None:
    """By another spool, and within one batch: the first counts."""
    taken = take(store, evaluation(), evaluation(0, score=0.0), evaluation(1))
    again = take(store, evaluation(0, score=0.5), evaluation(2), spool="spool-evaluate-2")

    assert (taken.evaluations, taken.known) == (2, 1)
    assert (again.evaluations, again.known) == (1, 1)
    assert [one.score for one in found(store) if one.id == "e-0"] == [1.0]


def test_they_are_asked_for_by_name_and_time(store: Store) -> None:
    """Bounded, and it is said if there are more."""
    take(
        store,
        *(evaluation(i) for i in range(5)),
        evaluation(5, backend="large"),
        evaluation(6, suite="other", content="def"),
        evaluation(7, task="Chat"),
    )

    assert [one.id for one in found(store, suite="desk", backend="large")] == ["e-5"]
    assert [one.id for one in found(store, content="def")] == ["e-6"]
    assert [one.id for one in found(store, task="Chat")] == ["e-7"]
    assert [one.id for one in found(store, since_ms=NOW_MS + 6)] == ["e-7", "e-6"]
    two = ask_evaluations(store, {"suite": "desk", "task": "Coding"}, 0, 2)
    assert ([one.id for one in two.evaluations], two.more) == (["e-5", "e-4"], True)
    assert not ask_evaluations(store, {}, 0, 8).more


def test_they_are_in_no_sum_of_requests(store: Store) -> None:
    """Nobody asked them."""
    take(store, request(1), evaluation())
    (total,) = ask(store, NOW_MS - DAY_MS, NOW_MS + DAY_MS).totals

    assert (total.requests, total.cost_nano) == (1, 1_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""}, {"suite": ""}, {"prompt": "x" * 254}, {"fingerprint": "x" * 254},
        {"score": 1.1}, {"score": -0.1}, {"score": None}, {"missing": "Refused"},
        {"latency_us": -1}, {"run": 10**13}, {"cost_nano": 10**16},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_alone(store: Store, wrong: dict[str, Any]) -> None:
    """Those beside it are kept."""
    taken = take(store, evaluation(**wrong), evaluation(1))

    assert (taken.evaluations, taken.refused) == (1, {"OutOfRange": 1})


def test_they_stay_as_long_as_sums(store: Store) -> None:
    """400 days: a baseline is older than a request."""
    take(store, evaluation(0, at_ms=NOW_MS - 399 * DAY_MS),
         evaluation(1, at_ms=NOW_MS - 401 * DAY_MS))  # fmt: skip
    kept = store.keep(
        Keeping(
            now_ms=NOW_MS, events_ms=NOW_MS - 30 * DAY_MS, rollups_ms=NOW_MS - 400 * DAY_MS,
            pending_ms=NOW_MS - DAY_MS,
        )
    )  # fmt: skip

    assert kept.removed["evaluations"] == 1
    assert [one.id for one in found(store)] == ["e-0"]


def test_an_older_program_goes_on_without_them(place: Place) -> None:
    """Version 6 does not know them; the rest stays."""
    store = place.store()
    store.open()
    take(store, request(1), evaluation())
    store.close()
    older = place.store()
    older.open(6)
    older.close()
    again = place.store()
    again.open()

    assert found(again) == []
    assert take(again, evaluation(), spool="spool-evaluate-9").evaluations == 1
