"""How deep and of how many parts a body may be, whatever its texts hold."""

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.errors import BadRequest
from pointsman.router.wire.openai import read_chat
from pointsman.router.wire.shape import (
    MOST_CONTAINERS,
    MOST_LEVELS,
    MOST_LEVELS_OF_BODY,
    MOST_TEXTS,
    check_depth,
    check_shape,
)
from tests.support.work import least_s

values = st.recursive(
    st.none() | st.text(alphabet='{}[]"\\ab'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("{}[]", max_size=3), inner),
    max_leaves=40,
)


def nested(levels: int, value: object = "}") -> object:
    """A schema that many levels deep, by lists and objects in turns."""
    for level in range(levels):
        value = [value] if level % 2 else {"items": value}
    return value


def depth(of: object) -> int:
    """By the definition."""
    if isinstance(of, dict):
        return 1 + max(map(depth, of.values()), default=0)
    return 1 + max(map(depth, of), default=0) if isinstance(of, list) else 0


@pytest.mark.slow
@given(value=values, around=st.integers(0, MOST_LEVELS + 3))
def test_the_bound_is_kept_whatever_stands_in_texts(value: object, around: int) -> None:
    """Refused if and only if it is deeper."""
    whole = nested(around, value)
    raw = json.dumps(whole).encode()
    if depth(whole) > MOST_LEVELS:
        with pytest.raises(BadRequest, match="deeper than 128 levels"):
            check_depth(raw, "tools")
    else:
        check_depth(raw, "tools")


@pytest.mark.parametrize("field", ["tools", "functions", "response_format"])
@pytest.mark.parametrize("levels", [MOST_LEVELS + 1, 500, 900])
def test_a_schema_500_levels_deep_is_refused_by_name(field: str, levels: int) -> None:
    """Clear for whoever wrote it; none of it reaches a backend."""
    body = {"model": "auto", "messages": [], field: nested(levels)}
    with pytest.raises(BadRequest) as raised:
        read_chat(json.dumps(body).encode())
    assert (raised.value.status, raised.value.param) == (400, field)
    assert "deeper than 128 levels" in raised.value.message


def test_a_schema_at_the_bound_is_taken() -> None:
    """128 levels."""
    body = {"model": "auto", "messages": [], "tools": nested(MOST_LEVELS)}
    assert read_chat(json.dumps(body).encode()).tools


@pytest.mark.slow
@given(values=st.lists(values, max_size=9), where=st.integers(MOST_LEVELS_OF_BODY - 6, 520))
def test_a_body_is_bounded_whatever_stands_beside_its_depth(
    values: list[object], where: int
) -> None:
    """Counted in blocks: what is before it shifts them, what is after it comes too late."""
    deep = b"[" * (where - 1) + b"]" * (where - 1)
    before = json.dumps(values).encode()
    body = b'{"model":"auto","before":%b,"x":%b,"after":%b}' % (before, deep, before)
    if where > MOST_LEVELS_OF_BODY:
        with pytest.raises(BadRequest, match="deeper than 512 levels"):
            check_shape(body)
    else:
        check_shape(body)


PARTS = {
    "arrays": (MOST_CONTAINERS, b"[]", "arrays and objects"),
    "objects": (MOST_CONTAINERS, b"{}", "arrays and objects"),
    "texts": (MOST_TEXTS, b'"a"', "texts"),
    "empty texts": (MOST_TEXTS, b'""', "texts"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("most", "part", "what"), PARTS.values(), ids=PARTS)
def test_parts_are_bounded_and_those_in_texts_are_none(most: int, part: bytes, what: str) -> None:
    """At both ends; the body itself is one object, of two texts, with one array."""
    around = 3 if part[:1] == b'"' else 2
    inside = json.dumps(2 * most * part.decode()).encode()

    def body(count: int) -> bytes:
        return b'{"model":%b,"x":[%b]}' % (inside, b",".join([part] * count))

    check_shape(body(most - around))
    with pytest.raises(BadRequest, match=f"more than {most} {what}"):
        check_shape(body(most - around + 1))


LARGE = 2_000_000
HOSTILE = {
    "open ones in a text": b'["' + b"{" * LARGE + b'"]',
    "groups at the bound": (b"[" * 128 + b"]" * 128) * (LARGE // 256),
    "one level below it": b"[" * 127 + b"[]" * (LARGE // 2) + b"]" * 127,
    "short texts": b'["' + b'","' * (LARGE // 3) + b'"' + b",[]" * 200 + b"]",
    "backslashes": b'["' + rb"\\\\" * (LARGE // 4) + b'"' + b",[]" * 200 + b"]",
}


@pytest.mark.slow
@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_the_work_is_linear_whatever_it_holds(raw: bytes) -> None:
    """A megabyte that cost a thousandfold would stop all other requests."""
    usual = b'[{"type":"object","properties":{"a":{"type":"string"}}}%b]'
    entry = b',{"type":"object","properties":{"a":{"type":"string"}}}'
    schema = usual % (entry * (LARGE // len(entry)))
    taken_s, usual_s = (least_s(partial(check_depth, of, "tools")) for of in (raw, schema))
    assert taken_s < 60 * usual_s
