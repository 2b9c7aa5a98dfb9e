"""The pages about the kinds: whole, fresh, and about what the API server really says."""

import re
from pathlib import Path

import pytest

from pointsman.api.meanings import MEANINGS
from pointsman.api.schema.__main__ import PAGES, wanted
from pointsman.api.schema.crd import KINDS, Kind
from pointsman.api.schema.page import page_name
from tests.api.test_schema import nodes, schema_of

ROOT = Path(__file__).parent.parent.parent
PLANS = ROOT / "operator" / "src" / "pointsman" / "operator" / "plan"
WHERE = {
    "ModelBackend": [
        "backend_status.py",
        "vetting.py",
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
    return wanted(ROOT)[ROOT / PAGES / page_name(kind)]


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
