"""Labels that a predictor is fitted on, from either store: what counts, what does not, how many."""

import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from pointsman.api.predicting import Choice, Rated
from pointsman.events.schema import Event, Text
from pointsman.ledger.asking import ask_labels
from pointsman.ledger.contract import Store
from pointsman.ledger.labels import MOST_READ, Labels, asked, most_failed
from pointsman.ledger.rows import FAILED
from tests.ledger.events import DAY_MS, NOW_MS, batch, feedback, request
from tests.ledger.test_service import ledger


def ingest(store: Store, *events: Event | bytes) -> None:
    """From a spool's beginning."""
    store.ingest([batch(events)], NOW_MS)


def found(store: Store, *, days: int = 7, each: int = 100, policy: str = "support") -> Labels:
    """Of the last days."""
    return ask_labels(store, policy, NOW_MS - days * DAY_MS, NOW_MS, each)


def qualities(store: Store) -> dict[str, float]:
    """By decision."""
    return {one.decision: one.quality for one in found(store).labels}


def test_ratings_verdicts_and_broken_answers_are_labels(store: Store) -> None:
    """A score counts before a thumb, a rating before a verdict, the last before the first."""
    ingest(
        store,
        *[request(number) for number in range(1, 9)],
        request(9, outcome="NoDone"),
        request(10, outcome="NoDone"),
        request(11, outcome="ConnectRefused"),
        request(12),
        feedback(1, score=0.25),
        feedback(2, good=True),
        feedback(3, good=False),
        feedback(4, verdict="underpowered"),
        feedback(5, verdict="overprovisioned"),
        feedback(6, score=0.9, id="f-6a", at_ms=NOW_MS - 5),
        feedback(6, score=0.1, id="f-6b", at_ms=NOW_MS - 4),
        feedback(7, score=0.5, id="f-7a"),
        feedback(7, verdict="failed", id="f-7b"),
        feedback(8, comment="hm"),
        feedback(10, score=1.0),
        feedback(12, signal="Retry"),
    )
    assert qualities(store) == {
        "d-1": 0.25, "d-2": 1.0, "d-3": 0.0, "d-4": 0.0, "d-5": 1.0, "d-6": 0.1, "d-7": 0.5,
        "d-9": 0.0, "d-10": 1.0,
    }  # fmt: skip
    sources = {one.decision: one.source for one in found(store).labels}
    assert (sources["d-9"], sources["d-10"]) == ("Failure", "Rating")


@pytest.mark.parametrize(("rated", "labels"), [(40, 17), (400, 200), (0, 0)])
def test_of_failures_as_large_a_part_counts_as_of_answers(
    store: Store, rated: int, labels: int
) -> None:
    """A third of all broke off, whoever rates: of those who rate nothing, no model is bad."""
    whole, broken = range(1, 401), range(1001, 1201)
    ingest(store, *map(request, whole), *(request(n, outcome="NoDone") for n in broken),
           *(feedback(number, score=1.0) for number in whole[:rated]))  # fmt: skip
    told = found(store, each=1_000).labels
    assert Counter(one.source for one in told) == Counter(Rating=rated, Failure=labels)


def test_who_gives_no_whole_answer_is_known_without_a_rating(store: Store) -> None:
    """Also on the day on which that begins: each day, backend and task for itself."""
    before, whole = NOW_MS - DAY_MS, range(1, 201)
    ingest(store, *(request(number, at_ms=before) for number in whole), request(201),
           *(request(number, task="chat") for number in range(202, 402)),
           *(request(number, outcome="NoDone") for number in range(1001, 1051)))  # fmt: skip
    assert len(found(store).labels) == 21


def test_as_many_failures_are_looked_at_as_it_takes(store: Store) -> None:
    """A tenth counts, and three are wanted: more than the newest three are looked at."""
    whole, broken = range(1, 401), range(1001, 1201)
    ingest(store, *(request(number, at_ms=NOW_MS - 10_000) for number in whole),
           *(request(number, outcome="NoDone", at_ms=NOW_MS - number) for number in broken),
           *(feedback(number) for number in whole[:40]))  # fmt: skip
    assert [one.decision for one in found(store, each=3).labels] == ["d-1007", "d-1011", "d-1"]
    assert most_failed({("small", "coding"): 1e-9}, 3) == MOST_READ


def test_a_label_has_what_was_found_of_its_request(store: Store) -> None:
    """And its text, where that was kept, and as long as it may be."""
    kept = Text(how="Full", prompt="system: Be kind.\nuser: Why?\nassistant: So.\nuser: And now?",
                keep_s=3600)  # fmt: skip
    choice = Choice(
        mode="Apply", backend="small", candidates=(Rated(backend="small", quality=0.5),)
    )
    ingest(
        store,
        request(1, complexity="Complex", domain="Law", language="en", context_tokens=70,
                tools=True, text=kept, choice=choice),
        request(2, text=Text(how="Hash", prompt="ab" * 32, keep_s=3600)),
        feedback(1), feedback(2),
    )  # fmt: skip
    label = {one.decision: one for one in found(store).labels}["d-1"]
    assert (label.backend, label.task, label.complexity, label.domain) == (
        "small", "coding", "Complex", "Law",
    )  # fmt: skip
    assert (label.language, label.context_tokens, label.tools, label.images) == (
        "en", 70, True, False,
    )  # fmt: skip
    assert (label.output_tokens, label.duration_us, label.text) == (50, 100_000, "And now?")
    later = ask_labels(store, "support", NOW_MS - DAY_MS, NOW_MS + 3_600_001, 10)
    assert [one.text for one in later.labels] == ["", ""]
    assert [one.text for one in found(store).labels if one.decision == "d-2"] == [""]


def test_of_one_policy_the_newest_since_then_as_many_as_asked_for(store: Store) -> None:
    """Over the borders of days; that there are more is said."""
    events: list[Event | bytes] = []
    for number in range(1, 7):
        at_ms = NOW_MS - number * DAY_MS // 2
        events += [request(number, at_ms=at_ms), feedback(number, at_ms=at_ms)]
    events += [request(20, policy="other"), feedback(20)]
    ingest(store, *events)
    assert [one.decision for one in found(store).labels] == [f"d-{n}" for n in range(1, 7)]
    assert [one.decision for one in found(store, days=2).labels] == [f"d-{n}" for n in range(1, 5)]
    some = found(store, each=2)
    assert [one.decision for one in some.labels] == ["d-1", "d-2"]
    assert some.more
    assert not found(store).more
    assert [one.decision for one in found(store, policy="other").labels] == ["d-20"]


def test_a_busy_backend_does_not_push_out_what_is_known_of_another(store: Store) -> None:
    """Of each backend in each task the newest count; so bad answers are not forgotten."""
    events: list[Event | bytes] = []
    for number in range(1, 31):
        at_ms = NOW_MS - number * 1000
        which = {"task": "chat"} if number % 2 else {}
        old = {"backend": "bad"} if number > 26 else {}
        events += [request(number, at_ms=at_ms, **which, **old), feedback(number, at_ms=at_ms)]
    ingest(store, *events)
    some = found(store, each=3)
    assert [one.decision for one in some.labels] == [
        "d-1", "d-2", "d-3", "d-4", "d-5", "d-6", "d-27", "d-28", "d-29", "d-30",
    ]  # fmt: skip


@pytest.mark.slow
def test_few_texts_are_in_memory_at_once(store: Store) -> None:
    """However long they are and however many: of each only what a label has of it stays."""
    size, count = 48 * 1024, 400
    text = Text(how="Full", prompt="user: " + "x" * size, keep_s=3600)
    for first in range(1, count, 25):
        numbers = range(first, first + 25)
        events: list[Event | bytes] = [request(number, text=text) for number in numbers]
        events += [feedback(number) for number in numbers]
        store.ingest([batch(events, spool=f"spool-{first:08}")], NOW_MS)
    tracemalloc.start()
    try:
        told = found(store, each=count)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [len(one.text) for one in told.labels] == [4_001] * count
    assert peak_bytes < count * size / 2


@pytest.mark.parametrize("outcome", FAILED)
def test_each_kind_of_broken_answer_is_found(sqlite_place: object, outcome: str) -> None:
    """By the index that knows them."""
    store = sqlite_place.store()  # type: ignore[attr-defined]
    store.open()
    ingest(store, request(1, outcome=outcome, status=502))
    assert qualities(store) == {"d-1": 0.0}


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("user: Hi", "Hi"),
        ("system: s\nuser: a\nassistant: b\nuser: c\nd", "c\nd"),
        ("user: a\nassistant: b", "a"),
        ("Once upon a time", "Once upon a time"),
        ("assistant: only", ""),
        ("", ""),
        ("user: " + "x" * 5_000, "x" * 3_000 + "\n" + "x" * 1_000),
    ],
)
def test_the_question_is_the_last_message_of_the_user(prompt: str, text: str) -> None:
    """Completions have no roles."""
    assert asked(prompt) == text


async def test_labels_are_asked_for_over_http(tmp_path: Path) -> None:
    """Bounds are told; a policy has to be named."""
    async with ledger(tmp_path) as client:
        client.store.ingest([batch([request(1), feedback(1)])], NOW_MS)
        status, told = await client.get("/v1/labels?policy=support&since=2026-01-01")
        assert status == 200
        assert told == {
            "labels": [
                {
                    "decision": "d-1", "at_ms": NOW_MS, "backend": "small", "quality": 1.0,
                    "source": "Rating", "task": "coding", "output_tokens": 50,
                    "duration_us": 100_000,
                }
            ],
            "more": False,
        }  # fmt: skip
        for wrong in ("", "?policy=p&each=0", "?policy=p&each=1001", "?policy=p&each=x",
                      "?policy=p&since=soon"):  # fmt: skip
            status, _ = await client.get(f"/v1/labels{wrong}")
            assert status == 400, wrong
