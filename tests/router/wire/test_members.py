"""A body that two JSON readers could read differently is refused, every other one passes."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.json import encode

from pointsman.router.errors import BadRequest
from pointsman.router.wire.members import MOST, check_members
from pointsman.router.wire.splice import replace_model

NAMES = st.sampled_from(
    ["model", "messages", "stream", "metadata", "seed", "x", "é", "", 'a"b', "a\\", "xx"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=3),
    max_leaves=6,
)
SPACES = st.sampled_from(["", "", " ", "\n", " \t\r\n"])


def spelled(name: str, *, escaped: bool) -> str:
    """A name as JSON, if wished with every letter escaped."""
    if not escaped:
        return json.dumps(name, ensure_ascii=False)
    return '"' + "".join(f"\\u{ord(letter):04x}" for letter in name) + '"'


@given(st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=6), st.data())
@example([("x", 1, False), ("x", 12, False)], None)
@example([("x", 1, True), ("x", 1, False)], None)
def test_a_name_that_stands_twice_is_found(
    pairs: list[tuple[str, object, bool]], data: st.DataObject | None
) -> None:
    """However it is spelled and spaced, whatever its values are; and nothing else is refused."""

    def space() -> str:
        return data.draw(SPACES) if data is not None else ""

    members = [
        f"{space()}{spelled(name, escaped=escaped)}{space()}:{space()}{json.dumps(value)}{space()}"
        for name, value, escaped in pairs
    ]
    body = (space() + "{" + (",".join(members) or space()) + "}" + space()).encode()
    names = [name for name, _, _ in pairs]
    if len(names) == len(set(names)):
        check_members(body)
    else:
        with pytest.raises(BadRequest) as caught:
            check_members(body)
        assert names.count(str(caught.value.param)) > 1


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.sampled_from([None, 2]), st.booleans())
@pytest.mark.slow
def test_what_json_writers_make_passes(
    members: dict[str, object], indent: int | None, compact: bool
) -> None:
    """Compact, spaced or indented."""
    separators = (",", ":") if compact else None
    check_members(json.dumps(members, indent=indent, separators=separators).encode())


@pytest.mark.parametrize("name", ["Model", "MESSAGES", "meſſages", "Stream", "max_to\u212aens"])
def test_a_name_of_another_case_is_refused(name: str) -> None:
    """Go folds cases, the long s included."""
    body = json.dumps({"model": "auto", name: "x"}, ensure_ascii=False).encode()
    with pytest.raises(BadRequest) as caught:
        check_members(body)
    assert caught.value.param == name.casefold()


@given(
    st.dictionaries(NAMES, VALUES, max_size=5),
    st.integers(0, 5),
    st.sampled_from(["auto", 'a"b', "\\", ""]),
    st.text(max_size=6),
    st.booleans(),
)
def test_after_the_check_every_reader_finds_the_new_model(
    members: dict[str, object], at: int, old: str, new: str, compact: bool
) -> None:
    """First member or not; readers that take the first of two and readers that take the last."""
    pairs = [(name, value) for name, value in members.items() if name != "model"]
    pairs.insert(min(at, len(pairs)), ("model", old))
    body = json.dumps(dict(pairs), separators=(",", ":") if compact else None).encode()
    check_members(body)
    seen: list[tuple[str, object]] = json.loads(
        replace_model(body, encode(new)), object_pairs_hook=lambda found: found
    )
    assert [value for name, value in seen if name == "model"] == [new]
    assert [name for name, _ in seen] == [name for name, _ in pairs]


@pytest.mark.parametrize("space", ["", " "])
def test_names_and_their_number_are_bounded(space: str) -> None:
    """Also where they have to be read name by name; and an error repeats no long name."""
    usual = {"model": "auto", "messages": []}

    def check(names: list[str]) -> None:
        members = json.dumps(usual | dict.fromkeys(names, 1))
        check_members(f"{{{space}{members[1:]}".encode())

    check([f"{at}" for at in range(MOST - 2)])
    with pytest.raises(BadRequest, match="more than 1024 fields"):
        check([f"{at}" for at in range(MOST - 1)])
    check(["n" * MOST])
    with pytest.raises(BadRequest, match="name is longer than 1024 characters") as raised:
        check(["n" * (MOST + 1)])
    assert len(raised.value.message) < 100


def test_a_name_of_escapes_is_read_without_memory_for_each() -> None:
    """The pattern goes back nowhere."""
    name = r"\n" * 1000
    check_members(f'{{ "model":"auto","{name}":1}}'.encode())
    with pytest.raises(BadRequest, match="stands twice"):
        check_members(f'{{ "model":"auto","{name}":1,"{name}":2}}'.encode())
