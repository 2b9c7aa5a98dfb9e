"""A suite from an object and the lines of a ConfigMap: all of it, or every problem."""

import json
from typing import Any

import pytest

from pointsman.api.conditions import Reason
from pointsman.api.v1alpha1 import EvaluationSuiteSpec
from pointsman.api.validation import Problem, parse
from pointsman.evaluation.suite.content import MAX_PROBLEMS, Suite, compile_suite

_PROMPT = '"prompt": "x"'
_MESSAGES = '"messages": [{"role": "user", "content": "x"}]'
PROMPT: dict[str, Any] = {"name": "a", "prompt": "x", "checks": [{"exact": "x"}]}


def suite(lines: str | None = None, **spec: Any) -> Suite | tuple[Problem, ...]:
    whole = {"configMapRef": {"name": "more"}} | spec
    return compile_suite(parse(EvaluationSuiteSpec, whole), lines, "ConfigMap more")


def good(lines: str | None = None, **spec: Any) -> Suite:
    found = suite(lines, **spec)
    assert isinstance(found, Suite), found
    return found


def problems(lines: str | None = None, **spec: Any) -> list[str]:
    found = suite(lines, **spec)
    assert not isinstance(found, Suite)
    return [str(one) for one in found]


def line(**more: Any) -> str:
    return json.dumps(PROMPT | more)


def test_prompts_of_both_places_are_one_suite() -> None:
    """Empty lines are passed over; a prompt is a message of the user."""
    found = good(f"\n{line(name='b', task='Coding')}\n\n", prompts=[PROMPT])

    assert list(found.prompts) == ["a", "b"]
    assert found.prompts["b"].task == "Coding"
    assert found.prompts["a"].messages == ({"role": "user", "content": "x"},)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", ["ConfigMap more, line 1", "column 2"]),
        ("[]", ["line 1", "no object"]),
        (line() + '\n{"name": "b", "prompt": "x"}', ["line 2: checks", "Required value"]),
        (line(checks=[]), ["line 1: checks", "at least 1"]),
        (line(extra=1), ["line 1: extra", "unknown field"]),
        (line(checks=[{"regex": "("}]), ["line 1: checks[0].regex", "no pattern of RE2"]),
        (
            line(checks=[{"exact": "x"}, {"jsonSchema": '{"type": "objekt"}'}]),
            ["line 1: checks[1].jsonSchema", "is no JSON schema", "objekt"],
        ),
        (line(checks=[{"judge": {"rubric": "x"}}]), ["checks[0].judge", "spec.judge names none"]),
        (line() + "\n" + line(), ["line 2", "the name a is already in ConfigMap more, line 1"]),
        ('{"name": "a", "name": "b"}', ["twice"]),
        ("", ["holds no prompt"]),
    ],
)
def test_a_line_that_cannot_be_used_is_named(text: str, words: list[str]) -> None:
    """With its number, its field, and what is wrong."""
    (said,) = problems(text)

    for word in words:
        assert word in said


def test_a_field_of_the_object_is_named_as_in_the_object() -> None:
    """What CEL cannot know: JSON schemas."""
    checks = [{"exact": "x"}, {"jsonSchema": "{}}"}]
    (said,) = problems(None, prompts=[PROMPT | {"checks": checks}])

    assert said.startswith("spec.prompts[0].checks[1].jsonSchema: is no JSON schema: no JSON")


def test_many_problems_are_told_up_to_a_bound() -> None:
    """A status is no log."""
    assert len(problems("\n".join(["{"] * 500))) == MAX_PROBLEMS


@pytest.mark.slow
def test_more_prompts_than_there_may_be_are_too_many() -> None:
    """2,000 are not; a million lines end early."""
    assert len(good("\n".join(line(name=f"p-{i}") for i in range(2000))).prompts) == 2000
    found = suite("\n".join(line(name=f"p-{i}") for i in range(2001)))
    assert isinstance(found, tuple)
    assert found[0].reason is Reason.TOO_LARGE


def test_the_hash_is_of_what_decides_scores() -> None:
    """Neither the order of prompts nor their place; each field else."""
    both = f"{line()}\n{line(name='b')}"
    same = {
        good(both).content,
        good(f"{line(name='b')}\n\n{line()}").content,
        good(line(name="b"), prompts=[PROMPT]).content,
        good(both.replace(_PROMPT, _MESSAGES)).content,
    }
    assert len(same) == 1
    changed = [
        good(both.replace('"exact": "x"', '"exact": "y"')).content,
        good(both.replace('"prompt": "x"', '"prompt": "y"')).content,
        good(both.replace('"name": "b"', '"name": "c"')).content,
        good(f"{line(weight=2)}\n{line(name='b')}").content,
        good(f"{line(task='Coding')}\n{line(name='b')}").content,
        good(f"{line(maxTokens=5)}\n{line(name='b')}").content,
        good(both, judge={"model": "j"}).content,
    ]
    assert len({*same, *changed}) == 8
