"""The pages about the kinds: whole, fresh, and about what the API server really says."""

import re
from functools import cache
from pathlib import Path

import pytest

from pointsman.api.manifests import load_text
from pointsman.api.meanings import MEANINGS
from pointsman.api.schema.__main__ import PAGES, wanted
from pointsman.api.schema.crd import KINDS, Kind
from pointsman.api.schema.examples import PARTS, Value, example
from pointsman.api.schema.page import page_name
from tests.api.test_schema import nodes, schema_of

ROOT = Path(__file__).parent.parent.parent
PLANS = ROOT / "operator" / "src" / "pointsman" / "operator" / "plan"
WHERE = {
    "ModelBackend": [
        "backend_status.py",
        "vetting.py",
        "degraded.py",
        "scaling_status.py",
        "drifting/telling.py",
        "evaluating/telling.py",
    ],
    "EvaluationSuite": ["suite_status.py", "evaluating/drawing.py"],
    "RoutingPolicy": [
        "policy_status.py",
        "vetting.py",
        "table.py",
        "blobs.py",
        "shifting/telling.py",
        "rollout/telling.py",
        "reevaluating/telling.py",
    ],
}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def text_of(kind: Kind) -> str:
    return _pages()[ROOT / PAGES / page_name(kind)]


@cache
def _pages() -> dict[Path, str]:
    return wanted(ROOT)


def test_every_object_of_a_spec_has_an_example_on_the_page(kind: Kind) -> None:
    """With all that leads to it, or a link to the example that is too long."""
    fields = text_of(kind).partition("\n## Fields\n")[2].partition("\n## Status\n")[0]
    sections = re.split(r"^### ", fields, flags=re.MULTILINE)[2:]
    bare = [
        one.split()[0]
        for one in sections
        if not re.search(r"^(```yaml|From \[)", one, re.MULTILINE)
    ]

    assert len(sections) > 5
    assert bare == []


def test_what_no_numbered_example_has_is_valid_too() -> None:
    """Each block on the pages is a part of something that the API server would take."""
    read = load_text(PARTS.read_text())

    assert [str(problem) for problem in read.problems] == []
    assert [len(read.backends), len(read.policies), len(read.suites)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("spec.a", "spec:\n  a: {b: 1}\n"),
        ("spec.list[].c", "spec:\n  list:\n  - {c: 2}\n"),
        ("spec.none", None),
        ("spec.a[].b", None),
    ],
)
def test_an_example_is_only_what_leads_to_its_object(path: str, text: str | None) -> None:
    """The first object of the kind that has it; of a list the first element that does."""
    among: list[tuple[str, Value]] = [
        ("other", {"kind": "Other", "spec": {"a": {"b": 0}}}),
        ("file", {"kind": "X", "spec": {"a": {"b": 1}, "list": [{"d": 1}, {"c": 2, "e": 3}]}}),
    ]

    assert example("X", path, among) == (None if text is None else ("file", text))


@pytest.mark.slow
def test_every_field_is_on_the_page_with_its_words(kind: Kind) -> None:
    """In the table of its object, with its description."""
    sections = dict(
        re.findall(r"^### (\S+)\n(.*?)(?=^##)", text_of(kind), re.MULTILINE | re.DOTALL)
    )
    for path, node in nodes(schema_of(kind)):
        for name, field in node.get("properties", {}).items() if path else ():
            row = next(
                line for line in sections[path[1:]].splitlines() if line.startswith(f"| `{name}` |")
            )
            words = field["description"].partition(" Default:")[0].partition("Default:")[0]
            assert words.strip().replace("|", "\\|").replace("<", "&lt;") in row


def test_every_rule_is_on_the_page(kind: Kind) -> None:
    """Its message and its CEL."""
    text = text_of(kind)
    rules = [
        rule
        for _, node in nodes(schema_of(kind))
        for rule in node.get("x-kubernetes-validations", [])
    ]

    assert len(rules) >= 5
    for rule in rules:
        assert f"`{rule['rule'].replace('|', chr(92) + '|')}`" in text or rule["rule"] in text
        assert rule["message"].replace("<", "&lt;") in text


def test_every_reason_on_the_page_is_given_by_the_operator(kind: Kind) -> None:
    """And no other: what is written by no plan is explained to nobody."""
    source = "".join((PLANS / name).read_text() for name in WHERE[kind.name])
    never = [
        reason for reason in MEANINGS[kind.name].reasons if f"Reason.{reason.name}" not in source
    ]

    # These of a policy come with the problems of the parser.
    assert never in ([], ["Invalid", "InvalidExpression"])
