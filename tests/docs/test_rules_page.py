"""The page about rules lists the variables and limits that there are."""

import re

from pointsman.api import expressions
from pointsman.api.v1alpha1.routingpolicy import MAX_EXPRESSIONS
from tests.docs.snippets import ROOT

PAGE = (ROOT / "docs" / "rules.md").read_text()


def test_every_variable_is_in_the_table_and_no_other() -> None:
    """With its type and what it is, as in the code."""
    rows = re.findall(r"^\| `(request\.\w+)` \| (\w+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [(name, v.kind, v.meaning) for name, v in expressions.VARIABLES.items()]


def test_every_limit_is_the_one_in_force() -> None:
    """The numbers of the table."""
    for number, what in (
        (expressions.MAX_CHARS, "characters"),
        (expressions.MAX_NODES, "parts"),
        (expressions.MAX_PATTERNS_PROGRAM, "RE2 instructions"),
        (MAX_EXPRESSIONS, "expressions"),
        (expressions.MAX_VALUE_CHARS, "characters"),
    ):
        assert re.search(rf"\b{number:,}\b (?:\w+ )?{what}", PAGE)
    assert f"nested {expressions.MAX_DEPTH} deep" in PAGE
    assert f"after the {expressions.MAX_ENTRIES}th" in PAGE
