"""Expressions of rules: what compiles, what is refused, and that none takes long."""

import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.conditions import Reason
from pointsman.api.expressions import (
    MAX_CHARS,
    MAX_ENTRIES,
    MAX_VALUE_CHARS,
    VARIABLES,
    BadExpression,
    compile_expression,
    inputs_of,
)
from pointsman.api.v1alpha1 import Match
from pointsman.api.validation import Invalid, parse

_EMPTY: dict[str, object] = {"string": "", "int": 0, "double": 0.0, "bool": False, "map": {}}


def told(source: str, **values: object) -> tuple[bool, str]:
    """What it says of a request; names without `request.`, what is not given is empty."""
    given_values = {name: _EMPTY[one.kind] for name, one in VARIABLES.items()}
    given_values |= {f"request.{name}": value for name, value in values.items()}
    return compile_expression(source).evaluate(inputs_of(given_values))


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("request.task == 'Coding' && request.contextTokens > 1000", True),
        ("request.task in ['Chat', 'Document']", False),
        ("request.contextTokens + request.maxOutputTokens > 2999", True),
        ("request.headers['x-tier'].startsWith('go')", True),
        ("has(request.headers.tier) || request.turns % 2 == 1", True),
        ("'x-tier' in request.headers && !request.tools", True),
        ("request.metadata.team.matches('^(red|blue)$')", True),
        ("request.confidence >= 0.5 ? request.images : request.jsonMode", True),
        ("double(request.turns) / 2.0 > 1.0 || size(request.caller) == 3", True),
        ("request.language != 'en'", False),
        ("request.team.endsWith('x') || request.domain.contains('aw')", True),
        ("request.metadata[request.caller] == 'x'", False),
    ],
)
def test_an_expression_is_told(source: str, holds: bool) -> None:
    """Every variable can be read, and every kind of operation that the page lists works."""
    found, error = told(
        source,
        task="Coding",
        contextTokens=2000,
        maxOutputTokens=1000,
        headers={"x-tier": "gold"},
        metadata={"team": "red", "app": "y"},
        turns=1,
        confidence=0.75,
        images=True,
        caller="app",
        language="en",
        domain="Law",
    )
    assert (found, error) == (holds, "")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("", "Syntax error"),
        ("request.task ==", "column 16: Syntax error"),
        ("request.tsk == 'a'", "column 8: undeclared reference to 'request.tsk' (did you mean"),
        ("request.task == 3", "no matching overload"),
        ("request.task", "it is a string"),
        ("true || 1 == 1", "looks at nothing of the request"),
        ("request.task + 'a' == 'b'", "+ is allowed with numbers only"),
        ("request.headers.exists(k, k == 'a')", "macros"),
        ("[1, 2].map(x, x * request.turns).size() > 1", "macros"),
        ("string(request.turns) == '1'", "string (int64_to_string) is not allowed"),
        ("{'a': request.task}['a'] == 'b'", "cannot be written out"),
        ("google.protobuf.Int32Value{value: 1} == 1 && request.tools", "cannot be written out"),
        ("b'a' == b'a' && request.tools", "bytes"),
        ("dyn(request.task) == 1", "dyn"),
        ("request.task.matches(request.team)", "must be written out"),
        ("request.task.matches('(')", "no pattern of RE2"),
        ("request.task.matches('(?=a)b')", "no pattern of RE2"),
        ("request.task.matches('((a{0,30}){0,30})b')", "too large"),
        ("request.headers['X-Tier'] == 'a'", "lower case: 'x-tier'"),
        ("'X-Tier' in request.headers", "lower case"),
        ("has(request.headers.Tier)", "lower case"),
        ("request.task == '\ud800'", "not Unicode"),
        ("request.tools" + " || request.tools" * 80, "characters, 1,024 are allowed"),
        ("||".join(["1 < 2"] * 60) + "||request.tools", "parts"),
        ("(" * 300 + "request.tools" + ")" * 300, "recursion"),
        (" + ".join(["1"] * 28) + " > request.turns", "nested deeper"),
    ],
)
def test_what_may_not_be_used_is_refused_with_its_reason(source: str, why: str) -> None:
    """Also what CEL itself would take: everything whose time cannot be bounded."""
    with pytest.raises(BadExpression) as refused:
        compile_expression(source)
    assert why in str(refused.value)


def test_a_manifest_with_a_bad_expression_is_refused() -> None:
    """At the field, with a reason of its own."""
    with pytest.raises(Invalid) as refused:
        parse(Match, {"expression": "request.tsk == 'a'"})
    (problem,) = refused.value.problems
    assert (problem.path, problem.reason) == ("expression", Reason.INVALID_EXPRESSION)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("request.headers['x-tier'] == 'gold'", 'Key not found in map : "x-tier"'),
        ("request.metadata.team == 'x'", "Key not found"),
        ("request.contextTokens / request.turns > 1", "divide by zero"),
        ("request.contextTokens + 9223372036854775807 > 1", "overflow"),
    ],
)
def test_what_cannot_be_told_does_not_hold(source: str, error: str) -> None:
    """Nothing raises; the reason is given."""
    held, why = told(source, contextTokens=1, turns=0)
    assert not held
    assert error in why


def test_another_part_can_still_tell() -> None:
    """CEL's logic: what one side says may be enough."""
    assert told("request.headers.a == 'b' || request.task == 'Chat'", task="Chat") == (True, "")


@pytest.mark.parametrize("long", ["x" * (MAX_VALUE_CHARS + 1), "\ud800", "a\udfffb"])
def test_values_that_are_too_long_or_not_unicode_are_not_there(long: str) -> None:
    """In a map they are left out; elsewhere they are empty."""
    assert told("'a' in request.metadata", metadata={"a": long}) == (False, "")
    assert told("request.caller == ''", caller=long) == (True, "")
    assert told("'b' in request.headers", headers={long: "a", "b": "c"}) == (True, "")


def test_maps_are_bounded() -> None:
    """A body may hold any number of entries."""
    many = {f"k{number}": "v" for number in range(10_000)}
    assert told(f"size(request.metadata) == {MAX_ENTRIES}", metadata=many) == (True, "")


_WORST = "a" * MAX_VALUE_CHARS
_NASTY = [
    # Every one is as large as it may be.
    " || ".join(["request.headers.a.contains(request.metadata.b)"] * 20),
    "request.headers.a.matches('(a*)*b') || request.headers.a.matches('(x+x+)+y')",
    "request.headers.a.matches('[a-q][^u-z]{25}x')",
    " || ".join(["request.headers.a.matches('(a?){40}a{40}$')"] * 3),
    "||".join(["request.headers.a.matches('.*.*=b')"] * 20),
    "||".join(["request.headers == request.metadata"] * 20) + "||request.tools",
    "request.turns > 0" + " && request.turns > 0" * 20,
]


@pytest.mark.parametrize("source", _NASTY, ids=range(len(_NASTY)))
def test_no_expression_takes_long(source: str) -> None:
    """Under 20 ms at the worst values that a caller can send; usual ones take microseconds."""
    assert len(source) <= MAX_CHARS
    values = {"headers": {"a": _WORST}, "metadata": {"b": "a" * 511 + "b"}}
    told(source, **values)  # compiles
    began = time.process_time()
    told(source, **values)
    assert time.process_time() - began < 0.02


_LONG = [
    "[" * 500 + "]" * 500,
    "!" * 1000 + "x",
    "1" + "+1" * 500,
    "a." * 500 + "b",
    "{1:" * 300,
    "[1].map(a," * 90 + "1" + ")" * 90,
    "has(request.headers.a)&&" * 40 + "request.turns",
    "f(" * 340,
]


@pytest.mark.parametrize("source", _LONG, ids=range(len(_LONG)))
def test_no_compilation_takes_long(source: str) -> None:
    """Under 50 ms, whatever is written; the parser's own depth is bounded."""
    compile_expression("request.tools")  # loads the library
    began = time.process_time()
    with pytest.raises(BadExpression):
        compile_expression(source)
    assert time.process_time() - began < 0.05


@given(st.text(st.sampled_from("request.tasktools'\"()[]!&|=<>?:,.+-*1a\\ \n{}"), max_size=60))
def test_whatever_is_written_compiles_or_is_refused(source: str) -> None:
    """With no other exception."""
    try:
        found = compile_expression(source)
    except BadExpression:
        return
    assert found.reads <= VARIABLES.keys()


@given(st.text(max_size=50), st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_whatever_a_caller_sends_it_is_told(text: str, entries: dict[str, str]) -> None:
    """Also half surrogate pairs, nulls and controls."""
    source = "request.caller == request.metadata.a || request.headers.b.startsWith(request.team)"
    held, error = told(source, caller=text, team=text, metadata=entries, headers=entries)
    assert not (held and error)


@pytest.mark.slow
def test_the_library_is_loaded_with_the_first_expression() -> None:
    """A router, an operator and a ledger without any do not pay for it."""
    asked = (
        "import sys, pointsman.routing, pointsman.api.v1alpha1; print('cel_expr_python' in "
        "sys.modules); from pointsman.api.expressions import compile_expression; "
        "compile_expression('request.tools'); print('cel_expr_python' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["False", "True"]
