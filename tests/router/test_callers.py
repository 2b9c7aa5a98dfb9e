"""The verdict on a request: who it is from, for any bytes."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.api.callers import MAX_KEY_BYTES, digest_of
from pointsman.router.callers import (
    ANYONE,
    NOBODY,
    NOT_READ,
    OPEN,
    OPEN_HERE,
    Caller,
    Callers,
    Refusal,
    callers_of,
    judge,
)
from pointsman.router.live import Live

KEY = b"pmk-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
APP = Caller("app", "search", frozenset({"desk"}), frozenset({digest_of(KEY)}))
KNOWN = callers_of([APP], complete=True)


def said(*values: bytes, callers: Callers = KNOWN, now_s: float = 0.0) -> Caller | Refusal:
    """With these Authorization headers, between others."""
    headers = [(b"host", b"x"), *((b"authorization", v) for v in values), (b"accept", b"*/*")]
    return judge(callers, headers, now_s).caller


@pytest.mark.parametrize(
    "value",
    [b"Bearer " + KEY, b"bearer " + KEY, b"BEARER " + KEY, b"bEaReR  \t" + KEY + b"\t "],
)
def test_a_known_key_is_its_caller(value: bytes) -> None:
    """The scheme in any case, with any blanks."""
    assert said(value) is APP


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ((), Refusal.NO_KEY),
        ((b"",), Refusal.MALFORMED),
        ((b"Bearer",), Refusal.MALFORMED),
        ((b"Bearer  ",), Refusal.MALFORMED),
        ((KEY,), Refusal.MALFORMED),
        ((b"Basic " + KEY,), Refusal.MALFORMED),
        ((b"Bearer\t" + KEY,), Refusal.MALFORMED),
        ((b"Bearer " + KEY, b"Bearer " + KEY), Refusal.MALFORMED),
        ((b"Bearer " + KEY, b"Bearer other"), Refusal.MALFORMED),
        ((b"Bearer x", b"Bearer " + KEY), Refusal.MALFORMED),
        ((b"Bearer " + KEY[:-1],), Refusal.UNKNOWN_KEY),
        ((b"Bearer " + KEY + b"A",), Refusal.UNKNOWN_KEY),
        ((b"Bearer " + KEY.lower(),), Refusal.UNKNOWN_KEY),
        ((b"Bearer " + KEY + b" " + KEY,), Refusal.UNKNOWN_KEY),
        ((b"Bearer " + KEY + b", Bearer " + KEY,), Refusal.UNKNOWN_KEY),
        ((b"Bearer " + digest_of(KEY).hex().encode(),), Refusal.UNKNOWN_KEY),
        ((b"Bearer sha256:" + digest_of(KEY).hex().encode(),), Refusal.UNKNOWN_KEY),
        ((b"Bearer " + b"A" * (MAX_KEY_BYTES + 1),), Refusal.UNKNOWN_KEY),
    ],
)
def test_nothing_else_is(values: tuple[bytes, ...], refusal: Refusal) -> None:
    """Its hash neither, and of two headers none counts."""
    assert said(*values) is refusal


@settings(deadline=None)
@given(st.lists(st.binary(max_size=600), max_size=3))
def test_no_bytes_let_anybody_in(values: list[bytes]) -> None:
    """Nor raise anything."""
    assert isinstance(said(*values), Refusal)


@settings(deadline=None)
@given(
    st.binary(max_size=80).filter(lambda key: key.strip(b" \t") != KEY),
    st.sampled_from([b"Bearer ", b"bearer ", b"Bearer  "]),
)
def test_no_other_key_is_taken(key: bytes, scheme: bytes) -> None:
    """However it is written."""
    assert isinstance(said(scheme + key), Refusal)


def test_a_hash_with_the_same_beginning_is_another() -> None:
    """Candidates of one prefix are compared whole."""
    near = digest_of(KEY)[:-1] + bytes([digest_of(KEY)[-1] ^ 1])
    twin = Caller("twin", digests=frozenset({near}))

    assert said(b"Bearer " + KEY, callers=callers_of([twin, APP], complete=True)) is APP
    assert said(b"Bearer " + KEY, callers=callers_of([twin], complete=True)) is Refusal.UNKNOWN_KEY


def test_a_key_ends_when_it_says() -> None:
    """To the second."""
    until = Caller("until", digests=APP.digests, expires_at_s=100.0)
    callers = callers_of([until], complete=True)

    assert said(b"Bearer " + KEY, callers=callers, now_s=99.9) is until
    assert said(b"Bearer " + KEY, callers=callers, now_s=100.0) is Refusal.EXPIRED_KEY
    assert said(b"Bearer " + KEY, now_s=inf) is Refusal.EXPIRED_KEY


def test_before_all_is_read_nobody_is_unknown() -> None:
    """Whoever is known already is let in; the others shall come back."""
    some = callers_of([APP], complete=False)

    assert said(b"Bearer " + KEY, callers=some) is APP
    assert said(b"Bearer other", callers=some) is Refusal.NOT_READY
    assert said(callers=some) is Refusal.NOT_READY
    assert said(b"Bearer " + KEY, callers=NOT_READ) is Refusal.NOT_READY


def test_open_is_a_value_and_never_a_default() -> None:
    """Nor is what follows from no Secret at all."""
    assert Live().callers is NOT_READ
    assert not Callers().open
    assert not callers_of([], complete=True).open
    assert isinstance(said(callers=callers_of([], complete=True)), Refusal)
    assert said(callers=OPEN) is ANYONE
    assert ANYONE.may_use("any")
    assert not NOBODY.may_use("any")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (b"https://evil.example.com", Refusal.FOREIGN_PAGE),
        (b"http://evil.example.com:8080", Refusal.FOREIGN_PAGE),
        (b"HTTPS://127.0.0.1.evil.example.com", Refusal.FOREIGN_PAGE),
        (b"null", Refusal.FOREIGN_PAGE),
        (b"", Refusal.FOREIGN_PAGE),
        (b"\xff", Refusal.FOREIGN_PAGE),
        (b"http://localhost:3000", ANYONE),
        (b"http://127.0.0.1", ANYONE),
        (b"http://[::1]:5173", ANYONE),
        (b"vscode-webview://1a2b", ANYONE),
    ],
)
def test_what_is_open_here_is_not_open_to_pages_of_others(origin: bytes, expected: object) -> None:
    """Nor is a name that leads here only now; what was chosen to be open is open to all."""
    headers = [(b"host", b"localhost:8080"), (b"origin", origin)]

    assert judge(OPEN_HERE, headers, 0.0).caller is expected
    assert judge(OPEN_HERE, headers[:1], 0.0).caller is ANYONE
    assert judge(OPEN, headers, 0.0).caller is ANYONE


def test_no_repr_shows_a_hash() -> None:
    """They end in logs and in tracebacks."""
    digest = digest_of(KEY)

    for thing in (APP, KNOWN, judge(KNOWN, [(b"authorization", b"Bearer " + KEY)], 0.0)):
        assert repr(digest)[2:-1] not in repr(thing)
        assert digest.hex() not in repr(thing)
