"""What templates write: times, figures, and texts that want to hide something."""

import pytest

from pointsman.ledger.console.conversation import Turn, answered, asked
from pointsman.ledger.console.rendering import ago, count, exact, iso, money, share, span
from pointsman.ledger.reviews.showing import pretty, visible
from tests.ledger.reviews.opened import answer_text, request_text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0 s"), (-5, "0 s"), (59_400, "59 s"), (200_000, "3 min 20 s"), (725_000, "12 min"),
     (3_600_000, "1 h"), (5_400_000, "1 h 30 min"), (180_000_000, "2 d 2 h")],
)  # fmt: skip
def test_a_span_is_as_exact_as_it_needs(ms: int, text: str) -> None:
    """Two units, one from ten on."""
    assert span(ms) == text


def test_times_and_figures() -> None:
    """Each with its unit."""
    assert (ago(0, 65_000), ago(5, 4)) == ("1 min ago", "just now")
    assert (count(1234), count(1_234_567)) == ("1,234", "1.23 M")
    assert money(1_500_000_000, "EUR") == "1.50 EUR"
    assert money(12_000_000) == "0.0120"
    assert money(31_000) == "0.000031"
    assert (share(1, 8), share(1, 0)) == ("12.5 %", "–")
    assert iso(0) == "1970-01-01T00:00:00Z"
    assert exact(1_007) == "1970-01-01T00:00:01.007Z"


def test_what_hides_or_turns_text_is_seen() -> None:
    """Bidi marks, zero width, controls; line breaks, tabs and joined emoji stay."""
    assert visible("a\u202eb\u200bc\x00d\x1b") == "a⟨U+202E⟩b⟨U+200B⟩c⟨U+0000⟩d⟨U+001B⟩"
    assert visible("a\r\n\tb 👩\u200d🔬 ä שלום") == "a\n\tb 👩\u200d🔬 ä שלום"


def test_what_a_model_reads_and_nobody_sees_is_seen() -> None:
    """Bytes fit into variation selectors, bits into fillers; emoji stay as they are."""
    told = "".join(chr(0xE0100 + byte - 16) for byte in b"EVIL")
    assert visible(f"hi{told}") == "hi⟨U+E0135⟩⟨U+E0146⟩⟨U+E0139⟩⟨U+E013C⟩"
    assert visible(f"😀{told}").count("⟨") == 4
    for hidden in "\u034f\u115f\u17b4\u180b\u3164\uffa0\ufe00\ufe0f\U000e0020\U000e01f0":
        assert visible(f"a{hidden}b") == f"a⟨U+{ord(hidden):04X}⟩b"
        assert visible(hidden) == f"⟨U+{ord(hidden):04X}⟩"
    assert visible("❤\ufe0f\ufe0f") == "❤\ufe0f⟨U+FE0F⟩"
    assert visible("a\u200db 👩\u200d\u200d🔬").count("⟨U+200D⟩") == 3
    emoji = "❤\ufe0f ☎\ufe0e 1\ufe0f\u20e3 ‼\ufe0f ℹ\ufe0f 🏳\ufe0f\u200d🌈 👩\u200d❤\ufe0f\u200d👩"
    assert visible(emoji) == emoji


def test_json_is_broken_into_lines_and_anything_else_is_left() -> None:
    """Also what only looks like it."""
    assert pretty('{"a":"ä"}') == '{\n  "a": "ä"\n}'
    for odd in ("{", "[" * 100_000, "", '{"a": [{"b": 1, "b": 2}]}'):
        assert pretty(odd) == odd


def test_a_chat_is_read_as_turns() -> None:
    """Texts, parts of texts, pictures, tools; and what else it asks for."""
    request = (
        '{"model": "auto", "temperature": 0, "messages": ['
        '{"role": "system", "content": "Be kind."},'
        '{"role": "user", "content": [{"type": "text", "text": "What is it?"},'
        '{"type": "image_url", "image_url": {"url": "data:..."}}]},'
        '{"role": "assistant", "content": null, "tool_calls": [{"type": "function",'
        ' "function": {"name": "look", "arguments": "{\\"at\\": 1}"}}]},'
        '{"role": "tool", "content": "a cat"}]}'
    )
    found = asked(request)

    assert [(turn.role, turn.is_code) for turn in found.turns] == [
        ("system", False), ("user", False), ("user", True), ("tool call", True), ("tool", False),
    ]  # fmt: skip
    assert found.turns[3].text == 'look({"at": 1})'
    assert found.settings == {"model": '"auto"', "temperature": "0"}


def test_other_apis_are_read_too() -> None:
    """Completions, Responses, Messages."""
    assert asked('{"prompt": "Once"}').turns == [Turn("prompt", "Once")]
    assert asked('{"instructions": "Be brief.", "input": "Why?"}').turns == [
        Turn("system", "Be brief."), Turn("user", "Why?"),
    ]  # fmt: skip
    told = '{"output": [{"type": "message", "role": "assistant", "content": [{"text": "So."}]}]}'
    assert answered(told) == [Turn("assistant", "So.")]
    assert answered('{"choices": [{"text": "upon"}]}') == [Turn("assistant", "upon")]


def test_an_answer_is_read_with_what_it_thought() -> None:
    """And refusals are called so."""
    assert answered(answer_text("Yes.", reasoning_content="Hm.")) == [
        Turn("thought", "Hm."), Turn("assistant", "Yes."),
    ]  # fmt: skip
    assert answered(answer_text(None, refusal="No.")) == [Turn("refusal", "No.")]
    assert answered("") == []


SAID = '{"role": "user", "content": %s}'


@pytest.mark.parametrize(
    "hidden",
    [
        '{"role": "user", "content": "benign", "Content": "EVIL"}',  # Go's readers ignore case
        '{"role": "user", "content": "EVIL", "content": "benign"}',  # some take the first
        '{"role": "user", "content": "benign", "name": "%s"}' % ("EVIL " * 40),
        '{"role": "user", "content": "benign", "name": "EVIL"}',
        '{"role": "user", "content": "benign", "audio": {"data": "EVIL"}}',
        '{"role": "assistant", "content": "benign", "function_call": {"name": "EVIL"}}',
        '{"role": "assistant", "content": "benign", "reasoning_content": ["EVIL"]}',
        '{"role": "tool", "content": "benign", "tool_call_id": "EVIL"}',
        '{"type": "function_call", "name": "f", "arguments": "{}", "call_id": "EVIL"}',
        SAID % '[{"type": "image_url", "text": "benign", "image_url": {"url": "EVIL"}}]',
        SAID % '[{"type": "text", "text": "benign", "cache": "EVIL"}]',
        '{"role": "assistant", "tool_calls": [{"id": "EVIL", "function": {"name": "f"}}]}',
        '{"role": "assistant", "tool_calls": [{"function": {"name": "f", "x": "EVIL"}}]}',
        '{"role": "assistant", "tool_calls": [{"x": "EVIL", "function": {"name": "f"}}]}',
        '{"role": "assistant", "content": "benign", "tool_calls": {"x": "EVIL"}}',
    ],
)
def test_nothing_of_a_message_is_left_out(hidden: str) -> None:
    """Whoever approves has seen all that a model server may read out of it."""
    request = f'{{"model": "auto", "messages": [{hidden}]}}'
    assert any("EVIL" in turn.role + turn.text for turn in asked(request).turns)
    assert "EVIL" in pretty(request)
    told = answered(f'{{"choices": [{{"message": {hidden}}}]}}')
    assert any("EVIL" in turn.role + turn.text for turn in told)


def test_a_setting_that_is_long_says_so() -> None:
    """As tools are; a chat template that its caller brings is one as well."""
    found = asked('{"messages": [{"content": "hi"}], "chat_template": "%s"}' % ("x" * 300))
    assert found.settings["chat_template"].startswith("302 characters")
    assert len(answered('{"choices": [{"text": "so", "more": "EVIL"}]}')) == 2


@pytest.mark.parametrize(
    "odd",
    [
        "[]",
        "no json",
        '{"messages": 5}',
        '{"messages": [null, 3, {}, []]}',
        "{}",
        '"x"',
        '{"messages": ["\\ud800"]}',
    ],
)
def test_what_is_no_conversation_is_shown_all_the_same(odd: str) -> None:
    """A reviewer sees everything, in whatever shape it came."""
    assert asked(odd).turns
    assert answered(odd)
    assert asked(request_text("hi")).turns == [Turn("user", "hi")]
