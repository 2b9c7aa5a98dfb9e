"""Patterns for what must not be kept: bounded, and rather too much than too little."""

import pytest

from pointsman.api.redaction import (
    MAX_PATTERN_CHARS,
    MAX_PROGRAM,
    MAX_SEARCHED_PROGRAM,
    BadPattern,
    Known,
    are_searchable,
    compiled,
    is_pattern,
    known,
)


def found(kind: Known, text: str) -> list[str]:
    """What the patterns of a kind take out of a text."""
    raw = text.encode()
    spans = {span for pattern in known(kind) for span in pattern.spans(raw)}
    return [raw[begin:end].decode() for begin, end in sorted(spans)]


@pytest.mark.parametrize(
    ("kind", "secret"),
    [
        (Known.API_KEY, "sk-proj-AbCdEf0123456789_-xyz"),
        (Known.API_KEY, "sk-ant-api03-AbCdEf0123456789"),
        (Known.API_KEY, "pmk-" + "1" * 43),
        (Known.API_KEY, "ghp_0123456789abcdefghij"),
        (Known.API_KEY, "github_pat_11ABCDEFG0abcdefghij"),
        (Known.API_KEY, "AKIAIOSFODNN7EXAMPLE"),
        (Known.API_KEY, "hf_abcdefghijklmnop"),
        (Known.API_KEY, "xoxb-123456789012-abcdef"),
        (Known.API_KEY, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
        (Known.API_KEY, "password = hunter22"),
        (Known.API_KEY, "API_KEY='abcdef123"),
        (
            Known.API_KEY,
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----",
        ),
        (Known.BEARER_TOKEN, "Bearer abc.def-123/x="),
        (Known.BEARER_TOKEN, "authorization: basic dXNlcjpwYXNz"),
        (Known.EMAIL, "ann.b+c@mail.example.org"),
        (Known.EMAIL, "jörg@büro.example"),
        (Known.CREDIT_CARD, "4111 1111 1111 1111"),
        (Known.CREDIT_CARD, "5500-0000-0000-0004"),
        (Known.CREDIT_CARD, "378282246310005"),
    ],
)
def test_a_secret_is_found(kind: Known, secret: str) -> None:
    """In the middle of a sentence, and at either end."""
    value = secret.removeprefix("authorization: ")
    for text in (secret, f"this one: {secret} ; and more", f"\n{secret}\n"):
        assert found(kind, text) == [value]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Known.API_KEY, "the task-oriented desk-clerk asks-for-nothing; a token is a word"),
        (Known.BEARER_TOKEN, "the bearer of bad news"),
        (Known.EMAIL, "meet @ noon, or user@host"),
        (Known.CREDIT_CARD, "at 1764144000123 ms; +49 170 1234567; 2026-11-26 08:00:00"),
        (Known.CREDIT_CARD, "order 4711, part 31415926535"),
    ],
)
def test_what_is_none_stays(kind: Known, text: str) -> None:
    """Words, dates, times and telephone numbers."""
    assert found(kind, text) == []


@pytest.mark.parametrize(
    "pattern",
    [
        "(", "[a", "a**", "(?=x)x", r"(x)\1", "[0-9]*", "^", "x|", r"\b", r"\Cx", "a{100}",
        "a{1,100}", "x" * (MAX_PATTERN_CHARS + 1), "(?:.{0,99}|a{0,99}b){1,9}x$",
        r"(\pL{0,99}){0,9}x", "\ud800",
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(pattern: str) -> None:
    """Whether it means nothing, finds nothing, or costs too much."""
    if pattern == r"\b":
        assert compiled(pattern).spans(b"a b") == []
        return
    assert not is_pattern(pattern)
    with pytest.raises(BadPattern):
        compiled(pattern)


def test_no_known_pattern_is_large() -> None:
    """They are held to what others are, but for their length."""
    sizes = [pattern.size for kind in Known for pattern in known(kind)]
    assert max(sizes) < MAX_PROGRAM / 4


WORST = r"a[ab]{99}[ab]{99}[ab]{99}[ab]{99}[ab]{90}c"
"""Almost as large as may be, and each of its states is there at once in a text of `a` and `b`."""


def test_what_is_searched_for_while_requests_wait_is_small_together() -> None:
    """One that is kept in a thread may be large, and so may none of these; nor all of them."""
    assert are_searchable([WORST])
    assert MAX_SEARCHED_PROGRAM - 20 < compiled(WORST).size <= MAX_SEARCHED_PROGRAM
    assert not are_searchable([WORST, r"\bACME-[0-9]{6}\b"])
    assert is_pattern("(?s)a.{99}.{99}.{99}c")
    assert not are_searchable(["(?s)a.{99}.{99}.{99}c"])
    assert are_searchable([rf"\bACME-{n}[0-9]{{6}}\b" for n in range(16)])
    assert not are_searchable(["("])
    assert are_searchable([])


def test_places_are_bytes() -> None:
    """Of UTF-8, whatever stands before; bytes that are none match nothing."""
    assert compiled("é+").spans("aéé, é".encode()) == [(1, 5), (7, 9)]
    assert compiled("é").spans(b"\xc3 \xa9 \xff") == []
