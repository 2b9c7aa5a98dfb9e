"""Results as events: one for each answer whose worth is decided, and no text in them."""

from pointsman.evaluation.running.events import events_of
from pointsman.evaluation.running.results import Head
from pointsman.evaluation.suite.calls import ANSWER, Call, Unit
from pointsman.evaluation.suite.outcome import Missing
from pointsman.events.schema import decode, encode
from tests.evaluation.suite.test_calls import JUDGE, suite_of

HEAD = Head(format=1, suite="s", content="abc", file="f")
UNIT = Unit("t", 0, "p")


def call(step: str = ANSWER, **more: object) -> Call:
    given = {"target": "t", "run": 0, "prompt": "p", "step": step, "at_ms": 5, "cost_nano": 7}
    return Call(**given | {"text": "yes, SECRET", "latency_ms": 1.5} | more)  # type: ignore[arg-type]


def test_an_event_says_what_the_answer_was_worth() -> None:
    """Cost is of all its calls; the id is the same whenever it is made."""
    calls = {ANSWER: call(backend="b", fingerprint="fp"),
             "judge/1": call("judge/1", text='{"score": 0.5}')}  # fmt: skip
    suite = suite_of({"contains": "yes"}, JUDGE)
    (event,) = events_of(HEAD, suite, {UNIT: calls})

    assert (event.score, event.missing, event.cost_nano, event.latency_us) == (0.5, "", 14, 1500)
    assert (event.backend, event.model, event.fingerprint) == ("b", "t", "fp")
    assert events_of(HEAD, suite, {UNIT: calls}) == [event]
    assert b"SECRET" not in encode(event)
    assert decode(encode(event)) == event


def test_what_may_still_change_is_not_told() -> None:
    """Not judged yet, or asked again by the next start; what timed out is."""
    suite = suite_of({"contains": "yes"}, JUDGE)
    busy = call(missing=Missing.REFUSED, again=True)
    late = call(missing=Missing.TIMED_OUT)

    assert events_of(HEAD, suite, {UNIT: {ANSWER: call()}}) == []
    assert events_of(HEAD, suite, {UNIT: {ANSWER: busy}}) == []
    assert [one.missing for one in events_of(HEAD, suite, {UNIT: {ANSWER: late}})] == ["TimedOut"]


def test_each_answer_has_an_id_of_its_own() -> None:
    """By file, target, run and prompt."""
    suite = suite_of({"contains": "yes"})
    done = {Unit(target, run, "p"): {ANSWER: call()} for target in "ab" for run in range(2)}
    other = Head(format=1, suite="s", content="abc", file="g")
    events = [*events_of(HEAD, suite, done), *events_of(other, suite, done)]

    assert len({one.id for one in events}) == 8
