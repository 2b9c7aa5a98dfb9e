"""Golden prompts from the ledger: what is asked of their answers, and what their content is."""

from dataclasses import replace
from typing import Any

import pytest

from pointsman.api.v1alpha1 import EvaluationSuiteSpec, LedgerDraw
from pointsman.api.validation import parse
from pointsman.evaluation.suite.calls import ANSWER, Call, Unit, outcome_of
from pointsman.evaluation.suite.content import Suite, compile_suite
from pointsman.evaluation.suite.drawn import (
    BadDraw,
    Remembered,
    asked,
    drawing,
    dump,
    load,
    of,
    why_anew,
)
from pointsman.events.draws import Drawn, Pin

NOW_MS = 1_795_000_000_000
PINS = (Pin("d-1", "Good", "Coding"), Pin("d-2", "Bad", ""), Pin("d/3", "Demonstration", "x", "f"))


def spec(**fields: Any) -> EvaluationSuiteSpec:
    ledger = {"policyRef": {"name": "desk"}, "minimum": 2} | fields
    return parse(EvaluationSuiteSpec, {"ledger": ledger, "judge": {"model": "big"}})


def ledger(**fields: Any) -> LedgerDraw:
    found = spec(**fields).ledger
    assert found is not None
    return found


def drawn(pin: Pin) -> Drawn:
    return Drawn(
        pin=pin, expires_ms=NOW_MS, system="Be kind." if pin.label == "Bad" else "",
        user=f"What of {pin.decision}?", reference="So.",
    )  # fmt: skip


def known(pins: tuple[Pin, ...] = PINS, **fields: Any) -> Remembered:
    return Remembered(of=of(ledger(**fields)), drawn_ms=NOW_MS, pins=pins)


def suite(pins: tuple[Pin, ...] = PINS, left: int = 3, **fields: Any) -> Suite:
    prompts = [drawn(pin) for pin in pins][:left]
    whole = spec(**fields)
    assert whole.ledger is not None
    found = compile_suite(whole, drawing=drawing(known(pins), prompts, whole.ledger))
    assert isinstance(found, Suite)
    return found


def test_each_request_is_a_prompt_for_the_judge() -> None:
    """With its task where that is one, its instructions, and what it is compared with."""
    good, bad, better = suite(maxTokens=77).prompts.values()
    assert [str(one.task) for one in (good, bad, better)] == ["Coding", "Chat", "Chat"]
    assert [one.beats for one in (good, bad, better)] == [False, True, False]
    assert good.messages == ({"role": "user", "content": "What of d-1?"},)
    assert bad.messages[0] == {"role": "system", "content": "Be kind."}
    assert {one.max_tokens for one in (good, bad, better)} == {77}
    judge = good.checks[0].judge
    assert judge is not None
    assert judge.reference == "So."
    assert "d/3" not in better.name


def test_the_content_is_of_what_was_drawn_not_of_what_is_left() -> None:
    """Nor of the order; another draw, or another way to judge, is another content."""
    content = suite().content
    assert suite(left=1).content == content
    assert suite(PINS[::-1]).content == content
    others = [
        suite(PINS[:2]).content,
        suite((*PINS[:2], Pin("d/3", "Demonstration", "x", "g"))).content,
        suite(rubric="Is it short?").content,
        suite(maxTokens=9).content,
    ]
    assert len({content, *others}) == 5


@pytest.mark.parametrize(
    ("verdicts", "good", "bad"),
    [
        (("B", "A"), 1.0, 1.0),
        (("same", "same"), 0.5, 0.0),
        (("A", "A"), 0.5, 0.0),
        (("B", "same"), 0.75, 0.5),
        (("A", "B"), 0.0, 0.0),
    ],
)
def test_a_bad_answer_has_to_be_beaten(verdicts: tuple[str, str], good: float, bad: float) -> None:
    """As good as that one is worth nothing; a judge that likes a place says nothing of it."""
    golden = next(iter(suite().prompts.values()))
    unit = Unit("m", 1, golden.name)
    base: dict[str, Any] = {"target": "m", "run": 1, "prompt": golden.name, "at_ms": 0}
    second, first = (f'{{"better": "{word}"}}' for word in verdicts)
    done = {
        ANSWER: Call(**base, text="Hm."),
        "judge/0/second": Call(**base, step="judge/0/second", text=second),
        "judge/0/first": Call(**base, step="judge/0/first", text=first),
    }
    for beats, score in ((False, good), (True, bad)):
        outcome = outcome_of(replace(golden, beats=beats), unit, done)
        assert outcome is not None
        assert outcome.score == score


def test_a_draw_is_kept_until_there_is_a_reason() -> None:
    """An edit that decides nothing of it is none."""
    draw = known()
    assert why_anew(draw, ledger(), "", left=2, now_ms=NOW_MS + 10**12) == ""
    assert why_anew(draw, ledger(rubric="x", maxTokens=3), "", left=2, now_ms=NOW_MS) == ""
    assert "nothing was drawn" in why_anew(None, ledger(), "", left=0, now_ms=NOW_MS)
    assert "edited" in why_anew(draw, ledger(sample=99), "", left=2, now_ms=NOW_MS)
    assert "ordered" in why_anew(draw, ledger(), "1", left=2, now_ms=NOW_MS)
    assert "too few" in why_anew(draw, ledger(), "", left=1, now_ms=NOW_MS)
    hourly = ledger(redrawInterval="1h")
    assert why_anew(draw, hourly, "", left=2, now_ms=NOW_MS + 3_599_999) == ""
    assert "redrawInterval" in why_anew(draw, hourly, "", left=2, now_ms=NOW_MS + 3_600_000)


def test_the_order_of_what_is_asked_for_plays_no_role() -> None:
    """Lists of the spec are sets."""
    one = ledger(labels=["Bad", "Good"], tasks=["Coding", "Chat"])
    other = ledger(labels=["Good", "Bad"], tasks=["Chat", "Coding"])
    assert of(one) == of(other)
    assert asked(ledger(since="2h")).since == "7200s"


def test_what_is_stored_is_read_again_and_nonsense_is_told() -> None:
    """No text is in it."""
    assert load(dump(known())) == known()
    for text in ("", "{", "[]", '{"of": 1}', "x" * 800_000, '{"of":"a","drawn_ms":1,"pins":[1]}'):
        with pytest.raises(BadDraw):
            load(text)
