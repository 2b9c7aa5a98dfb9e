"""Messages of which several become one: as if joined two by two, and in linear time."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.profile import Profile
from pointsman.router.wire.profile import apply
from tests.support.work import growth

AS_USER = Profile(system="user")
GAP = "\n\n"


def joined(one: Any, other: Any) -> Any:
    """By the definition; None: they stay two."""
    if not isinstance(one, str):
        return None
    if isinstance(other, str):
        return one + GAP + other
    return [{"type": "text", "text": one}, *other] if isinstance(other, list) else None


def naive(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a model gets that knows no system text: two by two, from the end."""
    found = [{**one, "mapped": one["role"] in ("system", "developer")} for one in messages]
    for one in found:
        one["role"] = "user" if one["mapped"] else one["role"]
    for at in reversed(range(len(found) - 1)):
        one, after = found[at], found[at + 1]
        if one["mapped"] and after["role"] == "user":
            both = joined(one.get("content"), after.get("content"))
            if both is not None:
                after["content"] = both
                del found[at]
    return [{name: one[name] for name in one if name != "mapped"} for one in found]


texts = st.text(max_size=4) | st.sampled_from(['"', "\\", "\n", "é", "]", " "])
parts = st.lists(texts.map(lambda text: {"type": "text", "text": text}), max_size=2)
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer", "user", "user", "assistant"])},
        optional={"content": texts | texts | parts | st.none(), "name": texts},
    ),
    max_size=9,
)


@given(messages, st.booleans(), st.sampled_from([None, 1]))
def test_a_run_of_them_is_joined_as_two_by_two(
    said: list[dict[str, Any]],
    ascii: bool,  # noqa: A002
    indent: int | None,
) -> None:
    """However they are mixed with contents that are joined with none, and however spelled."""
    body = json.dumps({"messages": said}, ensure_ascii=ascii, indent=indent).encode()
    assert json.loads(apply(body, AS_USER))["messages"] == naive(said)


def test_the_work_is_linear_in_the_messages() -> None:
    """Each of many would copy a long text of the user."""

    def chat(count: int) -> Callable[[], object]:
        system = b'{"role":"system","content":"a"},' * count
        text = b"x" * (256 * count)
        body = b'{"messages":[%b{"role":"user","content":"%b"}]}' % (system, text)
        return lambda: apply(body, AS_USER)

    assert growth(chat, 2000) < 8
