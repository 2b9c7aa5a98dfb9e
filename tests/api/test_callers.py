"""Entries of a callers' Secret: what is taken, what is refused, and that nothing is quoted."""

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.api.callers import (
    EVERY_POLICY,
    CallerEntry,
    InvalidEntry,
    Limits,
    TeamEntry,
    digest_of,
    hash_of,
    is_name,
    parse_entry,
)

KEY = b"pmk-canary-0123456789abcdef0123456789"
HASH = hash_of(KEY)


def entry(**fields: object) -> bytes:
    return json.dumps({"keys": [HASH], **fields}).encode()


def test_an_entry_needs_only_keys() -> None:
    """Then it may use every policy, has no team and does not expire."""
    assert parse_entry(entry()) == CallerEntry(keys=(HASH,))
    found = parse_entry(entry())
    assert isinstance(found, CallerEntry)
    assert found.policies == (EVERY_POLICY,)
    assert found.digests == {digest_of(KEY)}
    assert found.limits is None


def test_no_policies_are_none_and_not_all() -> None:
    """An empty list was written on purpose."""
    found = parse_entry(entry(policies=[]))
    assert isinstance(found, CallerEntry)
    assert found.policies == ()


def test_limits_of_a_caller_and_of_a_team() -> None:
    """Any of the three; a team's entry has nothing else."""
    limits = {"rpm": 60, "tpm": 90_000, "maxConcurrentRequests": 4}
    caller = parse_entry(entry(limits=limits))
    team = parse_entry(json.dumps({"kind": "Team", "team": "x", "limits": {"rpm": 1}}).encode())

    assert isinstance(caller, CallerEntry)
    assert caller.limits == Limits(rpm=60, tpm=90_000, max_concurrent_requests=4)
    assert team == TeamEntry(team="x", limits=Limits(rpm=1))
    assert parse_entry(msgspec.json.encode(team)) == team
    assert parse_entry(msgspec.json.encode(caller)) == caller


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        KEY,
        b"keys: " + KEY,
        b"keys: [" + KEY + b"]",
        b"keys: []",
        b"keys: [" + KEY,
        b'{"keys":["' + KEY + b'"]}',
        b'{"keys":["' + HASH.encode() + b'"],"expiresAt":"2027-13-01T00:00:00Z"}',
        b"[" * 16_000,
        b'{"keys":' * 3000,
        entry(keys=[HASH.upper()]),
        entry(keys=[HASH[:-1]]),
        entry(keys=["md5:" + "0" * 32]),
        entry(keys=[HASH] * 17),
        entry(keys=None),
        entry(policies=None),
        entry(policies="support-desk"),
        entry(policies=["Support Desk"]),
        entry(team="a\r\nx: 1"),
        entry(team="a" * 64),
        entry(team=None),
        entry(expiresAt="2027-01-31"),
        entry(expiresAt="2027-01-31T00:00:00"),
        entry(expiresAt=1_800_000_000),
        entry(policy=["x"]),
        entry(limits={}),
        entry(limits=None) + b"x",
        entry(limits={"rpm": 0}),
        entry(limits={"rpm": -1}),
        entry(limits={"tpm": 10**9 + 1}),
        entry(limits={"rpm": "60"}),
        entry(limits={"rpm": 1.5}),
        entry(limits={"rpm": True}),
        entry(limits={"rpm": 1, "rph": 1}),
        entry(limits=[1]),
        entry(kind="Team", team="x", limits={"rpm": 1}),
        entry(kind="Other"),
        entry(kind=1),
        b'{"kind": "Team", "team": "x"}',
        b'{"kind": "Team", "limits": {"rpm": 1}}',
        b'{"kind": "Team", "team": "", "limits": {"rpm": 1}}',
        b'{"kind": "Team", "team": "a b", "limits": {"rpm": 1}}',
        entry(**{KEY.decode(): 1}),
        entry(team="x") + b" " * 20_000,
    ],
)
def test_what_is_no_entry_is_refused_without_a_quote(value: bytes) -> None:
    """A key in the wrong place must not end in a log."""
    with pytest.raises(InvalidEntry) as refused:
        parse_entry(value)

    assert refused.value.args[0]
    assert KEY.decode() not in str(refused.value)
    assert HASH not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (entry(policy=["x"]), "unknown field `policy`"),
        (entry(keys=["x"]), "keys[0] must be sha256: and 64 hexadecimal digits"),
        (entry(team="a b"), "team must be a plain name"),
        (entry(team="a\n"), "team must be a plain name"),  # it is told in a header
        (entry(keys=[f"{HASH}\n"]), "keys[0] must be sha256: and 64 hexadecimal digits"),
        (entry(policies=["a\n"]), "policies[0] must be a plain name"),
        (b"{}", "missing required field `keys`"),
        (entry(limits={"rpm": 0}), "Expected `int` >= 1 - at `limits.rpm`"),
        (entry(limits={}), "must have rpm, tpm or maxConcurrentRequests - at `limits`"),
        (entry(limits={"rps": 1}), "unknown field `rps`"),
    ],
)
def test_a_refusal_says_what_to_change(value: bytes, said: str) -> None:
    """In words that name the field."""
    with pytest.raises(InvalidEntry) as refused:
        parse_entry(value)

    assert said in str(refused.value)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_an_entry_or_refused(value: bytes) -> None:
    """Nothing else is raised."""
    with suppress(InvalidEntry):
        assert isinstance(parse_entry(value), CallerEntry | TeamEntry)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("my-app", True), ("A.b_c-1", True), ("", False), (".", False), ("..", False),
     ("a b", False), ("a\r\nx: 1", False), ("a\n", False), ("a" * 254, False), ("é", False)],
)  # fmt: skip
def test_names_are_what_the_api_server_takes(name: str, is_one: bool) -> None:
    """They stand in headers."""
    assert is_name(name) is is_one
