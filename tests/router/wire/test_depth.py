"""How deep a member may be nested, whatever its texts hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.errors import BadRequest
from pointsman.router.wire.depth import MOST_LEVELS, check_depth
from pointsman.router.wire.openai import read_chat

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


@pytest.mark.slow
@given(value=values, around=st.integers(0, MOST_LEVELS + 3))
def test_the_bound_is_kept_whatever_stands_in_texts(value: object, around: int) -> None:
    """Refused if and only if it is deeper."""

    def depth(of: object) -> int:
        if isinstance(of, dict):
            return 1 + max(map(depth, of.values()), default=0)
        return 1 + max(map(depth, of), default=0) if isinstance(of, list) else 0

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
