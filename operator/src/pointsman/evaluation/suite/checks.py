"""Checks that need nobody: an answer and what is asked of it give a score and a reason."""

from decimal import Decimal

from pointsman.api.json_schema import TooManyLooks
from pointsman.api.quantity import parse_duration
from pointsman.api.redaction import compiled
from pointsman.api.v1alpha1 import Check, NumberCheck, Refusal
from pointsman.evaluation.suite.numbers import last_number
from pointsman.evaluation.suite.outcome import (
    Answer,
    Missing,
    Outcome,
    not_scored,
    right,
    shown,
    wrong,
)
from pointsman.evaluation.suite.refusals import declines
from pointsman.evaluation.suite.schemas import first_problem
from pointsman.evaluation.suite.strict_json import BadJson, json_answer


def check_answer(check: Check, answer: Answer) -> Outcome:
    """
    What one check says of an answer; never raises for what an answer holds.

    Raises ValueError for a check of `judge`, which needs somebody, and for one that `compile_suite`
    refuses.
    """
    if check.refusal is not None:
        return _refusal(check.refusal, answer)
    if check.max_latency is not None:
        return _latency(parse_duration(check.max_latency), answer.latency_s)
    if check.number is not None:
        return _number(check.number, answer.text)
    if check.json_schema is not None:
        return _json(check.json_schema, answer.text)
    if check.regex is not None:
        found = compiled(check.regex).found(answer.text.encode("utf-8", "replace"))
        what = f"the pattern {shown(check.regex)}"
        return right(f"{what} is found") if found else wrong(f"{what} is not found")
    return _text(check, answer.text)


def _text(check: Check, text: str) -> Outcome:
    wanted = check.exact or check.contains or check.not_contains
    if wanted is None:
        raise ValueError("a judge has to be asked")
    told, sought = text, wanted
    if check.ignore_case:
        told, sought = told.casefold(), sought.casefold()
    if check.exact is not None:
        same = told.strip() == sought.strip()
        return right("it is the text") if same else wrong(f"it is {shown(text.strip())}")
    is_in = sought in told
    reason = f"{shown(wanted)} is {'' if is_in else 'not '}in it"
    return right(reason) if is_in == (check.contains is not None) else wrong(reason)


def _number(check: NumberCheck, text: str) -> Outcome:
    readings = last_number(text)
    if readings is None:
        return not_scored(Missing.UNREADABLE, "there is no number in it")
    if not readings:
        return not_scored(Missing.UNREADABLE, "its last number is too long")
    value, tolerance = Decimal(check.value), Decimal(check.tolerance)
    said = " or ".join(str(one) for one in readings)
    if any(abs(one - value) <= tolerance for one in readings):
        return right(f"its last number is {said}")
    return wrong(f"its last number is {said}, not {check.value}")


def _json(schema: str, text: str) -> Outcome:
    try:
        value = json_answer(text)
    except BadJson as error:
        return wrong(f"no JSON: {error}")
    try:
        problem = first_problem(schema, value)
    except TooManyLooks:
        return not_scored(Missing.UNREADABLE, "the schema takes too long to judge it")
    return right("JSON that the schema takes") if problem is None else wrong(problem)


def _refusal(wanted: Refusal, answer: Answer) -> Outcome:
    declined = answer.declined or declines(answer.text)
    reason = "the model declined" if declined else "the model did not decline"
    return right(reason) if declined == (wanted is Refusal.EXPECTED) else wrong(reason)


def _latency(limit_s: float, latency_s: float) -> Outcome:
    reason = f"{latency_s:.2f} s of {limit_s:g} s"
    return right(reason) if latency_s <= limit_s else wrong(reason)
