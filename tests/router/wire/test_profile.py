"""What a profile does to a body: each part, the laws of all of them, and what it never touches."""

import json
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.api.profile import Parameter, Profile
from pointsman.router.wire.profile import MOST_STOPS, apply, changed_members
from pointsman.router.wire.unreadable import UNREADABLE

HELLO = {"role": "user", "content": "Hello"}
BRIEF = {"role": "system", "content": "Be brief."}


def chat(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages or (HELLO,)), **more}


def applied(body: dict[str, Any], **profile: Any) -> Any:
    return json.loads(apply(json.dumps(body).encode(), Profile(**profile)))


@pytest.mark.parametrize(
    ("profile", "messages", "expected"),
    [
        ({"prefix": "A"}, [HELLO], [{"role": "system", "content": "A"}, HELLO]),
        ({"prefix": "A", "suffix": "Z"}, [HELLO], [{"role": "system", "content": "A\n\nZ"}, HELLO]),
        ({"prefix": "A"}, [BRIEF], [{"role": "system", "content": "A\n\nBe brief."}]),
        ({"suffix": 'say "Z"\n'}, [BRIEF], [BRIEF | {"content": 'Be brief.\n\nsay "Z"\n'}]),
        ({"suffix": "Z", "developer": "user"}, [BRIEF | {"role": "developer"}],
         [BRIEF | {"content": "Z"}, BRIEF | {"role": "user"}]),
        ({"suffix": "Z"}, [BRIEF | {"role": "developer"}],
         [{"role": "developer", "content": "Be brief.\n\nZ"}]),
        ({"prefix": "A", "suffix": "Z"},
         [BRIEF | {"content": [{"type": "text", "text": "x"}]}],
         [BRIEF | {"content": [{"type": "text", "text": t} for t in "AxZ"]}]),
        ({"prefix": "A"}, [BRIEF | {"content": None}], [BRIEF | {"content": "A"}]),
        ({"replacement": "R"}, [BRIEF, HELLO, BRIEF], [BRIEF | {"content": "R"}, HELLO]),
        ({"replacement": "R"}, [HELLO], [BRIEF | {"content": "R"}, HELLO]),
    ],
)  # fmt: skip
def test_system_text(
    profile: dict[str, Any], messages: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> None:
    """Around the caller's, alone where there is none, or in place of all of theirs."""
    assert applied(chat(*messages), **profile)["messages"] == expected


def test_a_suffix_is_not_taken_for_there_by_an_escape() -> None:
    r"""`\never` ends with the letters of "never", and is a line feed and "ever"."""
    found = applied(chat(BRIEF | {"content": "so\never"}), suffix="never")
    assert found["messages"][0]["content"] == "so\never\n\nnever"
    hidden = applied(chat(HELLO | {"content": "\never"}), suffix="never", system="user")
    assert hidden["messages"] == [{"role": "user", "content": "never\n\n\never"}]


PICTURE = {"type": "image_url", "image_url": {"url": "data:"}}


@pytest.mark.parametrize(
    ("profile", "messages", "expected"),
    [
        ({"developer": "system"}, [BRIEF | {"role": "developer"}, HELLO], [BRIEF, HELLO]),
        ({"system": "user"}, [BRIEF, HELLO], [{"role": "user", "content": "Be brief.\n\nHello"}]),
        ({"developer": "system", "system": "user"}, [BRIEF | {"role": "developer"}, BRIEF, HELLO],
         [{"role": "user", "content": "Be brief.\n\nBe brief.\n\nHello"}]),
        ({"system": "user"}, [BRIEF, {"role": "user", "content": [PICTURE]}],
         [{"role": "user", "content": [{"type": "text", "text": "Be brief."}, PICTURE]}]),
        ({"system": "user"}, [BRIEF, {"role": "user", "content": []}],
         [{"role": "user", "content": [{"type": "text", "text": "Be brief."}]}]),
        ({"system": "user"}, [BRIEF, {"role": "assistant", "content": "x"}],
         [BRIEF | {"role": "user"}, {"role": "assistant", "content": "x"}]),
        ({"system": "user", "prefix": "A"}, [BRIEF, HELLO],
         [{"role": "user", "content": "A\n\nBe brief.\n\nHello"}]),
    ],
)  # fmt: skip
def test_roles(
    profile: dict[str, Any], messages: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> None:
    """A role that a model does not know becomes one that it does; user texts stay one message."""
    assert applied(chat(*messages), **profile)["messages"] == expected


@pytest.mark.parametrize(
    ("parameter", "given", "expected"),
    [
        ({"max": "1"}, {"temperature": 1.5}, {"temperature": 1}),
        ({"max": "1"}, {"temperature": 1e999}, {"temperature": 1}),
        ({"max": "1"}, {"temperature": 10**400}, {"temperature": 1}),
        ({"min": "0.1"}, {"temperature": 0}, {"temperature": 0.1}),
        ({"min": "-2", "max": "2"}, {"temperature": -2.5}, {"temperature": -2}),
        ({"min": "0.1", "max": "1"}, {"temperature": 0.5}, {"temperature": 0.5}),
        ({"max": "1"}, {"temperature": "hot"}, {"temperature": "hot"}),
        ({"max": "1"}, {"temperature": None}, {"temperature": None}),
        ({"max": "1"}, {}, {}),
        ({"default": "0.6"}, {}, {"temperature": 0.6}),
        ({"default": "0.6"}, {"temperature": None}, {"temperature": 0.6}),
        ({"default": "0.6"}, {"temperature": 0.7}, {"temperature": 0.7}),
        ({"default": '"warm"'}, {}, {"temperature": "warm"}),
        ({"remove": True}, {"temperature": 1, "seed": 3}, {"seed": 3}),
        ({"rename": "temp"}, {"temperature": 1}, {"temp": 1}),
        ({"rename": "temp", "max": "1"}, {"temperature": 2}, {"temp": 1}),
        ({"rename": "temp", "default": "1"}, {}, {"temp": 1}),
        ({"rename": "temp"}, {"temperature": 1, "temp": 2}, {"temp": 2}),
    ],
)
def test_parameters(
    parameter: dict[str, Any], given: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Defaults, bounds, names and removals; what is no number is left to the backend to refuse."""
    body = json.dumps(chat(**given)).replace("Infinity", "1e999").encode()
    found = json.loads(
        apply(body, Profile(parameters=(Parameter(name="temperature", **parameter),)))
    )
    assert found == chat(**expected)


@pytest.mark.parametrize(
    ("name", "rename"),
    [("max_completion_tokens", "max_tokens"), ("max_tokens", "max_completion_tokens")],
)
def test_the_longest_answer_has_two_names(name: str, rename: str) -> None:
    """Where both are given, what the router reserved by is what the backend gets."""
    one = Parameter(name=name, rename=rename, default="7", max="50")
    for said_by, sent in (
        ({"max_tokens": 20}, 20),
        ({"max_completion_tokens": 30}, 30),
        ({"max_tokens": 20, "max_completion_tokens": 30}, 30),
        ({"max_tokens": 90}, 50),
        ({}, 7),
    ):
        found = applied(chat(**said_by), parameters=(one,))
        assert found == chat(**{rename: sent}), said_by
        said = said_by.get("max_completion_tokens") or said_by.get("max_tokens") or 0
        assert Profile(parameters=(one,)).output_tokens(said) == sent


def test_a_bound_of_one_name_holds_for_the_other() -> None:
    """A caller cannot leave it by the older word."""
    bound = (Parameter(name="max_tokens", max="50"),)
    assert applied(chat(max_completion_tokens=90), parameters=bound)["max_completion_tokens"] == 50


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["<end>"]),
        ({"stop": None}, ["<end>"]),
        ({"stop": "x"}, ["x", "<end>"]),
        ({"stop": ["<end>"]}, ["<end>"]),
        ({"stop": [str(n) for n in range(MOST_STOPS)]}, [str(n) for n in range(MOST_STOPS)]),
        ({"stop": 5}, 5),
        ({"stop": [1]}, [1]),
    ],
)
def test_stop_sequences(given: dict[str, Any], expected: object) -> None:
    """Added behind the caller's, once, and never more than a backend takes."""
    assert applied(chat(**given), stop=("<end>",))["stop"] == expected


FORMS: dict[str, dict[str, Any]] = {
    "EnableThinkingKwarg": {"chat_template_kwargs": {"enable_thinking": False}},
    "ThinkingKwarg": {"chat_template_kwargs": {"thinking": False}},
    "ThinkingType": {"thinking": {"type": "disabled"}},
    "EnableThinking": {"enable_thinking": False},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("given", FORMS)
def test_thinking_is_said_as_the_backend_reads_it(form: str, given: str) -> None:
    """Whatever form a caller uses, one backend gets its own and no other."""
    assert applied(chat(**FORMS[given]), form=form) == chat(**FORMS[form])
    assert applied(chat(), form=form, thinking=False) == chat(**FORMS[form])
    assert applied(chat(), form=form) == chat()


def test_a_holder_of_two_forms_keeps_its_place() -> None:
    """What comes behind it in the body still does."""
    body = chat(chat_template_kwargs={"thinking": True}, seed=1)
    found = applied(body, form="EnableThinkingKwarg")
    assert list(found) == list(body)
    assert found["chat_template_kwargs"] == {"enable_thinking": True}


@pytest.mark.parametrize("form", FORMS)
def test_null_in_the_place_says_nothing(form: str) -> None:
    """An SDK's None does not swallow what was said in another form; what is odd leaves both."""
    (holder,) = FORMS[form]
    other = "EnableThinking" if form == "ThinkingType" else "ThinkingType"
    taken = FORMS[form][holder]
    place = {holder: None if taken is False else dict.fromkeys(taken)}
    assert applied(chat(**FORMS[other], **place), form=form) == chat(**FORMS[form])
    odd = {holder: "odd" if taken is False else dict.fromkeys(taken, "odd")}
    assert applied(chat(**FORMS[other], **odd), form=form) == chat(**FORMS[other], **odd)


@pytest.mark.parametrize("holder", ["chat_template_kwargs", "thinking"])
@pytest.mark.parametrize("form", FORMS)
def test_an_object_that_is_too_large_to_look_into_stays(form: str, holder: str) -> None:
    """It would be decoded once for each form; a flag of another form in it is not moved."""
    body = chat(**{holder: {"thinking": True, "enable_thinking": True, "other": "x" * 65_536}})
    assert applied(body, form=form, thinking=False) == body


def test_what_stands_beside_thinking_stays() -> None:
    """Other arguments of a template, and Kimi's `keep`; what is not understood is not replaced."""
    kwargs = {"add_vision_id": True, "enable_thinking": True}
    found = applied(chat(chat_template_kwargs=kwargs), form="ThinkingKwarg")
    assert found["chat_template_kwargs"] == {"add_vision_id": True, "thinking": True}
    kept = {"type": "enabled", "keep": "all"}
    assert applied(chat(thinking=kept), form="ThinkingType", thinking=False)["thinking"] == kept
    odds: tuple[object, ...] = (5, [], {"type": "adaptive"})
    for odd in odds:
        assert applied(chat(thinking=odd), form="ThinkingType", thinking=True)["thinking"] == odd


CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "functions.f:0"}]}


@pytest.mark.parametrize(
    ("reasoning", "message", "expected"),
    [
        ("Drop", {"reasoning_content": "hm"}, {}),
        ("Drop", {"reasoning": "hm"}, {}),
        ("Fill", {}, {"reasoning_content": " "}),
        ("Fill", {"reasoning_content": ""}, {"reasoning_content": " "}),
        ("Fill", {"reasoning_content": "hm"}, {"reasoning_content": "hm"}),
        ("Fill", {"reasoning": "hm"}, {"reasoning": "hm", "reasoning_content": "hm"}),
        ("", {"reasoning_content": "hm"}, {"reasoning_content": "hm"}),
    ],
)
def test_reasoning_of_earlier_answers(
    reasoning: str, message: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Dropped, kept, or filled in where another model answered; only in answers."""
    user = HELLO | {"reasoning_content": "mine"}
    found = applied(chat(user, CALL | message), reasoning=reasoning)
    assert found["messages"] == [user, CALL | expected]


def test_nothing_is_filled_in_for_a_model_that_shall_not_think() -> None:
    """The APIs ask for it only where thinking is on."""
    body = chat(HELLO, CALL, thinking={"type": "disabled"})
    assert applied(body, form="ThinkingType", reasoning="Fill") == body


def test_untouched_bytes_stay() -> None:
    """Odd spaces, escapes, numbers and unknown members arrive as they were written."""
    body = (
        b'{"model":"m", "x" : {"a" :  1.50, "b":[ ]},'
        b'"messages":[{"role":"user",  "content":"\\u00e9\\/"},{"role":"developer","content":"d"}],'
        b'"seed":1e2,"temperature":9}'
    )
    found = apply(
        body, Profile(developer="system", parameters=(Parameter(name="temperature", max="2"),))
    )
    assert found == (
        b'{"model":"m","x":{"a" :  1.50, "b":[ ]},'
        b'"messages":[{"role":"user",  "content":"\\u00e9\\/"},{"role":"system","content":"d"}],'
        b'"seed":1e2,"temperature":2}'
    )
    assert changed_members(body, Profile(developer="system")) == ("messages",)


def test_an_escaped_role_is_seen() -> None:
    r"""`\u0064eveloper` is the same word."""
    body = b'{"model":"m","messages":[{"role":"\\u0064eveloper","content":"d"}]}'
    assert json.loads(apply(body, Profile(developer="system")))["messages"][0]["role"] == "system"


def test_deep_nesting_is_passed_on_or_refused() -> None:
    """A value 500 levels deep is not looked into; one that no reader takes is UNREADABLE."""
    everything = Profile(prefix="A", developer="system", form="ThinkingType", reasoning="Fill")
    deep = b"[" * 500 + b"]" * 500
    body = b'{"model":"m","tools":%b,"messages":[{"role":"user","content":%b}]}' % (deep, deep)
    assert deep in apply(body, everything)
    bottomless = b"[" * 10**6
    body = b'{"model":"m","messages":[],"tools":%b}' % bottomless
    with pytest.raises(UNREADABLE):
        apply(body, everything)
    assert sys.getrecursionlimit() < 10**6


texts = st.text(max_size=12)
words = st.sampled_from(["", "A", "never", 'q"', "line\n", "é", "\\"])
contents = st.one_of(
    st.none(), texts, words, words.map(lambda w: f"x\n\n{w}"),
    st.lists(words.map(lambda w: {"type": "text", "text": w}), max_size=3),
)  # fmt: skip
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool"])},
    optional={"content": contents, "reasoning_content": st.one_of(st.none(), words),
              "reasoning": words, "name": texts},
)  # fmt: skip
flags = st.sampled_from([True, False, None, "x"])
bodies = st.fixed_dictionaries(
    {"model": texts, "messages": st.lists(messages, max_size=5)},
    optional={
        "temperature": st.one_of(st.none(), st.floats(-9, 9), st.integers(-9, 9), texts),
        "max_tokens": st.integers(0, 9000), "max_completion_tokens": st.integers(0, 9000),
        "top_x": st.integers(), "seed": st.integers(), "unknown": st.lists(texts, max_size=2),
        "stop": st.one_of(st.none(), texts, st.lists(texts, max_size=17)),
        "enable_thinking": flags, "thinking": st.fixed_dictionaries({}, optional={
            "type": st.sampled_from(["enabled", "disabled", "x"]), "keep": texts}),
        "chat_template_kwargs": st.one_of(st.none(), st.fixed_dictionaries({}, optional={
            "thinking": flags, "enable_thinking": flags, "other": texts})),
    },
)  # fmt: skip
numbers = st.sampled_from(["", "1", "3.5"])
parameters = st.lists(
    st.one_of(
        st.builds(Parameter, name=st.just("temperature"), min=numbers, max=st.just("5"),
                  default=st.sampled_from(["", "4"])),
        st.builds(Parameter, name=st.just("top_x"), rename=st.sampled_from(["", "top_y"]),
                  default=numbers),
        st.builds(Parameter, name=st.just("max_completion_tokens"), max=st.just("4096"),
                  rename=st.sampled_from(["", "max_tokens"]), default=st.sampled_from(["", "9"])),
        st.builds(Parameter, name=st.just("seed"), remove=st.just(True)),
    ),
    max_size=4, unique_by=lambda one: one.name,
).map(tuple)  # fmt: skip
profiles = st.builds(
    Profile,
    prefix=words, suffix=words, developer=st.sampled_from(["", "system", "user"]),
    system=st.sampled_from(["", "user"]), parameters=parameters,
    stop=st.lists(words.filter(bool), max_size=2, unique=True).map(tuple),
    form=st.sampled_from(["", *FORMS]), thinking=st.sampled_from([None, True, False]),
    reasoning=st.sampled_from(["", "Drop", "Fill"]),
) | st.builds(
    Profile, replacement=words.filter(bool), system=st.sampled_from(["", "user"])
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(body=bodies, profile=profiles, ascii=st.booleans())
def test_the_laws(body: dict[str, Any], profile: Profile, ascii: bool) -> None:  # noqa: A002
    """Twice is once, what is not named stays byte for byte, and no change is the very same body."""
    raw = json.dumps(body, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    try:
        raw.decode()
    except UnicodeDecodeError:
        return
    once = apply(raw, profile)
    assert apply(once, profile) == once
    if json.loads(once) == body and list(json.loads(once)) == list(body):
        assert once is raw
    members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    after = msgspec.json.decode(once, type=dict[str, msgspec.Raw])
    for name in ("model", "unknown"):
        assert (name in members) == (name in after)
        assert name not in members or bytes(members[name]) == bytes(after[name])
    if not profile.parameters:
        kept = [name for name in after if name in members]
        assert kept == [name for name in members if name in after]
    used = changed_members(raw, profile)
    assert ("messages" in used) == (json.loads(once)["messages"] != body["messages"])
