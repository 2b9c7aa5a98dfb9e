"""Checks that need nobody: an answer in, a score and a reason out."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.json_schema import BadSchema
from pointsman.api.v1alpha1 import Check
from pointsman.api.validation import parse
from pointsman.evaluation.suite.checks import check_answer
from pointsman.evaluation.suite.outcome import Answer, Missing, Outcome
from pointsman.evaluation.suite.schemas import validator

SCHEMA = json.dumps(
    {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}
)
CHECKS: list[dict[str, Any]] = [
    {"exact": "Paris"},
    {"contains": "Paris"},
    {"notContains": "Paris"},
    {"contains": "ß", "ignoreCase": True},
    {"regex": r"(?i)\bparis\b"},
    {"number": {"value": "42", "tolerance": "0.5"}},
    {"jsonSchema": SCHEMA},
    {"refusal": "Expected"},
    {"refusal": "NotExpected"},
    {"maxLatency": "2s"},
]


def of(check: dict[str, Any], text: str, **more: Any) -> Outcome:
    return check_answer(parse(Check, check), Answer(text=text, **more))


@pytest.mark.parametrize(
    ("check", "text", "score"),
    [
        ({"exact": "Paris"}, " Paris\n", 1),
        ({"exact": "Paris"}, "paris", 0),
        ({"exact": "Paris", "ignoreCase": True}, "PARIS", 1),
        ({"exact": "Paris"}, "Paris.", 0),
        ({"contains": "strasse", "ignoreCase": True}, "Große STRAẞE", 1),
        ({"contains": "Paris"}, "It is Paris, of course.", 1),
        ({"notContains": "As an AI"}, "It is Paris.", 1),
        ({"notContains": "ai", "ignoreCase": True}, "AI", 0),
        ({"regex": r"^\d{4}$"}, "1234", 1),
        ({"regex": r"^\d{4}$"}, "in 1234", 0),
        ({"regex": "é+"}, "caféé", 1),
        ({"number": {"value": "42"}}, "7 times 6 is 42.", 1),
        ({"number": {"value": "42"}}, "It is 43.", 0),
        ({"number": {"value": "42", "tolerance": "1"}}, "It is 43.", 1),
        ({"number": {"value": "1234.5"}}, "1.234,5 €", 1),
        ({"number": {"value": "1234"}}, "1,234", 1),
        ({"number": {"value": "1.234"}}, "1,234", 1),
        ({"number": {"value": "-3.5"}}, "-3.50 °C", 1),
        ({"jsonSchema": SCHEMA}, '{"total": 3}', 1),
        ({"jsonSchema": SCHEMA}, 'Here:\n```json\n{"total": 3}\n```', 1),
        ({"jsonSchema": SCHEMA}, '{"total": "3"}', 0),
        ({"jsonSchema": SCHEMA}, '{"total": 3, "total": 4}', 0),
        ({"jsonSchema": SCHEMA}, '{"total": NaN}', 0),
        ({"jsonSchema": SCHEMA}, "The total is 3.", 0),
        ({"refusal": "Expected"}, "I’m sorry, but I can’t help with that.", 1),
        ({"refusal": "Expected"}, "Sure! First, you need", 0),
        ({"refusal": "NotExpected"}, "很抱歉，我无法回答这个问题。", 0),
        ({"refusal": "NotExpected"}, "Es tut mir leid, aber ich kann dabei nicht helfen.", 0),
        ({"refusal": "NotExpected"}, "Sorry that it took long: 42.", 1),
    ],
)
def test_what_a_check_says(check: dict[str, Any], text: str, score: float) -> None:
    """1 or 0, and a reason."""
    outcome = of(check, text)

    assert outcome.score == score
    assert outcome.reason


def test_an_answer_without_a_number_is_not_wrong() -> None:
    """What cannot be found has no score: formats change more often than models get worse."""
    for text in ("I would say forty-two", "", "9" * 1000):
        outcome = of({"number": {"value": "42"}}, text)
        assert (outcome.score, outcome.missing) == (None, Missing.UNREADABLE)


def test_latency_is_that_of_the_answer() -> None:
    """The bound itself is in time."""
    assert of({"maxLatency": "2s"}, "x", latency_s=2.0).score == 1
    assert of({"maxLatency": "2s"}, "x", latency_s=2.01).score == 0


def test_a_server_that_says_so_declined() -> None:
    """`refusal` in the message, or finish_reason content_filter."""
    assert of({"refusal": "Expected"}, "", declined=True).score == 1


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: next(iter(check)))
@given(text=st.text(alphabet=st.characters(exclude_categories=[])))
def test_any_answer_has_an_outcome(check: dict[str, Any], text: str) -> None:
    """Lone surrogates among them: a score from 0 to 1, or a reason why there is none."""
    outcome = of(check, text)

    assert (outcome.score is None) == (outcome.missing is not None)
    assert outcome.score is None or 0 <= outcome.score <= 1
    assert outcome.reason.encode()


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: next(iter(check)))
@pytest.mark.parametrize("unit", ["Paris ", "1 ", "{", '"', "```\n", "\ud800", "é"])
def test_a_megabyte_takes_no_time(check: dict[str, Any], unit: str) -> None:
    """And its reason stays short."""
    begun = time.perf_counter()
    outcome = of(check, unit * (1_000_000 // len(unit)))

    assert time.perf_counter() - begun < 2
    assert len(outcome.reason) < 500


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ('{"type": "objekt"}', "objekt"),
        ("{", "no JSON"),
        ("[]", "a schema is an object"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"pattern": "(?=a)b"}', "regex"),
        ('{"pattern": "(a{900}){900}"}', "regex"),
        ('{"$ref": "https://example.com/s"}', "leads out of the schema"),
        ('{"$ref": "file:///etc/passwd"}', "leads out of the schema"),
        ('{"$ref": "#/nowhere"}', "nowhere"),
    ],
)
def test_what_is_no_schema_is_refused(schema: str, why: str) -> None:
    """Nothing is fetched, and no pattern is dear."""
    with pytest.raises(BadSchema, match=why):
        validator(schema)


def test_a_schema_that_refers_to_itself_ends() -> None:
    """A tree of any depth is a usual one."""
    tree = json.dumps({"type": "object", "additionalProperties": {"$ref": "#"}})

    assert of({"jsonSchema": tree}, '{"a": {"b": {}}}').score == 1
    assert of({"jsonSchema": tree}, '{"a": {"b": 1}}').score == 0


def test_what_a_schema_takes_too_long_to_judge_has_no_score() -> None:
    """One that refers to itself at the same place, or to each of 40 definitions twice."""
    twice = {str(i): {"allOf": [{"$ref": f"#/$defs/{i + 1}"}] * 2} for i in range(40)}
    many = json.dumps({"$defs": {**twice, "40": {}}, "$ref": "#/$defs/0"})

    for schema in ('{"$ref": "#"}', many):
        assert of({"jsonSchema": schema}, "1").missing is Missing.UNREADABLE
