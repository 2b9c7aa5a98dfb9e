"""
A suite as it is run: the prompts of the object and of its ConfigMap, each usable, and their hash.

`compile_suite` gives either that or every problem, by field or line; never a part of a suite.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from pointsman.api.conditions import Reason
from pointsman.api.json_schema import BadSchema
from pointsman.api.tasks import Task
from pointsman.api.v1alpha1 import Check, EvaluationSuiteSpec, GoldenPrompt, Judge
from pointsman.api.validation import Invalid, Problem, parse
from pointsman.evaluation.suite.schemas import validator
from pointsman.evaluation.suite.strict_json import BadJson, loads_object

MAX_PROMPTS: Final = 2000
MAX_PROBLEMS: Final = 20
HASH_CHARS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """One prompt; `messages` are as the API takes them."""

    name: str
    task: Task
    weight: int
    messages: tuple[Mapping[str, str], ...]
    max_tokens: int
    metadata: Mapping[str, str]
    checks: tuple[Check, ...]
    beats: bool = False
    """An answer that is as good as the judge's reference is worth nothing: that one was bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What was drawn; `pins` says it for good, `prompts` is what is left of it."""

    prompts: tuple[Golden, ...]
    pins: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Prompts by name, in their order; `content` is the hash of all that decides scores."""

    prompts: Mapping[str, Golden]
    judge: Judge | None
    content: str


def compile_suite(
    spec: EvaluationSuiteSpec,
    lines: str | None = None,
    source: str = "the ConfigMap",
    drawing: Drawing | None = None,
) -> Suite | tuple[Problem, ...]:
    """
    The whole suite, or what is wrong with it (at most MAX_PROBLEMS).

    `lines` is the text of the ConfigMap's key, None where it is not known; `source` is what it is
    called. A drawing counts in the content as it was drawn: that texts of it expire makes no other
    content, those that are left can be compared.
    """
    found, problems = _of_lines(lines or "", source)
    placed = [(f"spec.prompts[{i}]", prompt) for i, prompt in enumerate(spec.prompts)] + found
    drawn = drawing.prompts if drawing else ()
    problems += _too_many(len(placed) + len(drawn)) or [
        problem for place, prompt in placed for problem in _of_checks(place, prompt, spec.judge)
    ]
    problems += _names(placed, drawn)
    if not placed and not problems and lines is not None:
        problems.append(Problem(source, "holds no prompt"))
    if problems:
        return tuple(problems[:MAX_PROBLEMS])
    prompts = {prompt.name: _golden(prompt) for _, prompt in placed}
    content = _hash(prompts.values(), spec.judge)
    if drawing is not None:
        text = content.encode() + drawing.pins
        content = hashlib.sha256(text).hexdigest()[:HASH_CHARS]
    prompts |= {one.name: one for one in drawn}
    return Suite(prompts=prompts, judge=spec.judge, content=content)


def _of_lines(text: str, source: str) -> tuple[list[tuple[str, GoldenPrompt]], list[Problem]]:
    found: list[tuple[str, GoldenPrompt]] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{source}, line {number}"
        if len(found) + len(problems) > MAX_PROMPTS:
            break
        try:
            found.append((place, parse(GoldenPrompt, loads_object(line))))
        except BadJson as error:
            problems.append(Problem(place, str(error)))
        except Invalid as invalid:
            problems += [
                Problem(f"{place}: {one.path}" if one.path else place, one.message, one.reason)
                for one in invalid.problems
            ]
    return found, problems


def _too_many(count: int) -> list[Problem]:
    if count <= MAX_PROMPTS:
        return []
    return [Problem("spec", f"more than {MAX_PROMPTS:,} prompts", Reason.TOO_LARGE)]


def _names(placed: Sequence[tuple[str, GoldenPrompt]], drawn: Sequence[Golden]) -> list[Problem]:
    seen = {one.name: "what is drawn from the ledger" for one in drawn}
    problems = []
    for place, prompt in placed:
        if (first := seen.setdefault(prompt.name, place)) != place:
            problems.append(Problem(place, f"the name {prompt.name} is already in {first}"))
    return problems


def _of_checks(place: str, prompt: GoldenPrompt, judge: Judge | None) -> Iterator[Problem]:
    """What the schema of the kind cannot see."""
    for i, check in enumerate(prompt.checks):
        field = f"{place}.checks[{i}]" if place.startswith("spec") else f"{place}: checks[{i}]"
        if check.json_schema is not None:
            try:
                validator(check.json_schema)
            except BadSchema as error:
                yield Problem(f"{field}.jsonSchema", f"is no JSON schema: {error}")
        if check.judge is not None and judge is None:
            yield Problem(f"{field}.judge", "asks a judge, and spec.judge names none")


def _golden(prompt: GoldenPrompt) -> Golden:
    said = [{"role": one.role, "content": one.content} for one in prompt.messages]
    if prompt.prompt is not None:
        said = [{"role": "user", "content": prompt.prompt}]
    return Golden(
        name=prompt.name,
        task=prompt.task,
        weight=prompt.weight,
        messages=tuple(said),
        max_tokens=prompt.max_tokens,
        metadata=prompt.metadata,
        checks=tuple(prompt.checks),
    )


def _hash(prompts: Any, judge: Judge | None) -> str:
    """The order of prompts plays no role, and neither does where they stand."""
    whole = {
        "prompts": [
            {
                "name": one.name,
                "task": str(one.task),
                "weight": one.weight,
                "messages": list(one.messages),
                "max_tokens": one.max_tokens,
                "metadata": dict(one.metadata),
                "checks": [check.model_dump(mode="json") for check in one.checks],
            }
            for one in sorted(prompts, key=lambda one: str(one.name))
        ],
        "judge": judge.model_dump(mode="json") if judge else None,
    }
    text = msgspec.json.encode(whole, order="sorted")
    return hashlib.sha256(text).hexdigest()[:HASH_CHARS]
