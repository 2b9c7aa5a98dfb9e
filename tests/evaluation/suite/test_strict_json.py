"""JSON of others: what is refused, and what may stand around it."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.evaluation.suite.strict_json import BadJson, json_answer, loads

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_what_json_writes_is_read(value: Any) -> None:
    """Bare, and as the only block of an answer."""
    text = json.dumps(value)

    assert loads(text) == value
    assert json_answer(f"Here it is:\n\n```json\n{text}\n```\nAnything else?") == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' is there twice"),
        ('[{"a": 1, "a": 1}]', "twice"),
        ("NaN", "NaN is no JSON"),
        ("[-Infinity]", "-Infinity is no JSON"),
        ("[" * 65 + "]" * 65, "deeper than 64"),
        ("[" * 1_000_000, "deeper than 64"),
        ("9" * 5000, "digits"),
        ("{'a': 1}", "line 1, column 2"),
        ("", "line 1"),
        ("1 2", "Extra data"),
    ],
)
def test_what_is_no_clean_json_is_refused_with_a_reason(text: str, why: str) -> None:
    """Nobody takes the last of two keys for what was meant."""
    with pytest.raises(BadJson, match=why):
        loads(text)


def test_brackets_in_strings_do_not_nest() -> None:
    """Escaped quotes do not end a string."""
    text = json.dumps(['"' + "[" * 100 + '\\"' + "{" * 100])

    assert loads(text) == json.loads(text)


def test_two_blocks_are_no_answer() -> None:
    """Which of them is meant, nobody can say."""
    with pytest.raises(BadJson):
        json_answer("```\n1\n```\n```\n2\n```")


def test_a_byte_order_mark_is_passed_over() -> None:
    """Some servers write one."""
    assert json_answer("\ufeff{}") == {}


@pytest.mark.parametrize("text", ["```a\n" * 200_000, '"\\' * 400_000, '"' * 800_001, "{" * 10**6])
def test_nasty_texts_cost_time_as_they_are_long(text: str) -> None:
    """A megabyte of half-open blocks, strings or brackets."""
    begun = time.perf_counter()
    with pytest.raises(BadJson):
        json_answer(text)

    assert time.perf_counter() - begun < 2
