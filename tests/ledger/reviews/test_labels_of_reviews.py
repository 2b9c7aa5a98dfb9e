"""A reviewer's decision is feedback: predictors learn from it, golden prompts are drawn by it."""

from typing import Any

from pointsman.events.draws import Asked
from pointsman.events.schema import Event, Text
from pointsman.ledger.asking import ask_labels
from pointsman.ledger.asking_draws import ask_draw
from pointsman.ledger.contract import Store
from pointsman.ledger.reviews import deciding
from pointsman.ledger.reviews.opening import open_held
from pointsman.ledger.reviews.review import Decision
from tests.ledger.conftest import Place
from tests.ledger.events import DAY_MS, NOW_MS, batch, feedback, request
from tests.ledger.reviews.opened import ADA, answer_text, decision, flagged
from tests.ledger.reviews.opened import opening as held
from tests.ledger.test_contract import count, keeping, total


def review(store: Store, number: int, verdict: Any, **said: Any) -> None:
    """A held answer of caller `app`, decided by Ada."""
    asked = held(number)
    store.transact(lambda t: open_held(t, asked, NOW_MS))
    store.transact(lambda t: deciding.claim(t, asked.id, ADA, NOW_MS))
    told = decision(asked, verdict, **said)
    store.transact(lambda t: deciding.decide(t, asked.id, told, ADA, NOW_MS))


def recorded(number: int, **fields: Any) -> Event:
    """What the router writes when the held request is over, its text kept for a day."""
    text = Text(how="Full", prompt=f"user: Question {number}?", answer="Model's.", keep_s=86_400)
    return request(number, operation="chat/completions", finish="stop", text=text, **fields)


def labels(store: Store) -> dict[str, tuple[float, str]]:
    found = ask_labels(store, "support", NOW_MS - DAY_MS, NOW_MS)
    return {one.decision: (one.quality, one.source) for one in found.labels}


def drawn(store: Store) -> dict[str, tuple[str, str]]:
    told = ask_draw(store, Asked(policy="support"), NOW_MS)
    return {one.pin.decision: (one.pin.label, one.reference) for one in told.prompts}


def test_a_decision_waits_for_its_request_and_is_its_label(store: Store) -> None:
    """Approved is good, rejected is bad, an edit is the answer that should have been."""
    review(store, 1, "approve")
    review(store, 2, "reject")
    review(store, 3, "edit", edited=answer_text("Better."))
    assert count(store, "pending") == 3

    store.ingest([batch([recorded(1), recorded(2), recorded(3)])], NOW_MS)

    assert labels(store) == {"d-1": (1.0, "Review"), "d-2": (0.0, "Review")}
    assert drawn(store) == {
        "d-1": ("Good", "Model's."), "d-2": ("Bad", "Model's."),
        "d-3": ("Demonstration", "Better."),
    }  # fmt: skip
    assert count(store, "pending") == 0
    assert total(store).feedback == 3


def test_a_reviewers_word_is_the_last(store: Store) -> None:
    """Whatever its caller says of the answer, before or later."""
    review(store, 1, "approve")
    review(store, 2, "reject")
    store.ingest(
        [
            batch([
                recorded(1), recorded(2),
                feedback(1, score=0.1, at_ms=NOW_MS + 60_000), feedback(2, good=True),
            ])
        ],
        NOW_MS,
    )  # fmt: skip
    assert labels(store) == {"d-1": (1.0, "Review"), "d-2": (0.0, "Review")}
    assert {name: label for name, (label, _) in drawn(store).items()} == {
        "d-1": "Good", "d-2": "Bad",
    }  # fmt: skip
    quality = total(store).quality
    assert quality is not None
    assert (quality.value, quality.n) == (0.5, 2)


def test_a_flagged_answer_is_labeled_at_once(store: Store) -> None:
    """Its request is there already, in the same spool."""
    store.ingest([batch([recorded(1), flagged(1)])], NOW_MS)
    store.transact(lambda t: deciding.claim(t, "d-1", ADA, NOW_MS))
    said = Decision("reject", flagged(1).request_hash)
    store.transact(lambda t: deciding.decide(t, "d-1", said, ADA, NOW_MS))
    assert labels(store) == {"d-1": (0.0, "Review")}
    assert count(store, "pending") == 0


def test_a_request_that_never_comes_takes_its_label_with_it(place: Place) -> None:
    """After the hours that all feedback waits."""
    store = place.store()
    store.open()
    review(store, 1, "approve")
    store.keep(keeping(NOW_MS + 4 * DAY_MS))
    assert count(store, "pending") == 0
    assert store.query("SELECT spool, reason FROM refused", ()) == [("review-d-1", "Unknown")]
