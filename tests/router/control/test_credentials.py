"""Which API keys the table in force may use."""

import pytest

from pointsman.api.table import decode_blob, digest
from pointsman.router.control.credentials import SecretFacts, facts_of, judge, only_used, uses
from pointsman.routing import CompiledTable, compile_policy, compile_table
from tests.router.control.objects import PROVIDER_URL, external_backend, policy

KEY = b"sk-canary"
USE = ("provider", "api-key", PROVIDER_URL)


def _table(*blobs: bytes) -> CompiledTable:
    return compile_table(compile_policy(decode_blob(blob), digest(blob)) for blob in blobs)


def _facts(value: bytes = KEY, hosts: str = "api.example.com") -> SecretFacts:
    return facts_of(
        {"pointsman.dev/credential": "true"},
        {"pointsman.dev/allowed-hosts": hosts},
        {"api-key": value},
    )


TABLE = _table(policy(backends=[external_backend()]))


def test_a_labeled_secret_that_allows_the_host_gives_its_key() -> None:
    """White space around it, as `echo` leaves it, is no part of a key."""
    keys = judge(uses(TABLE), {"provider": _facts(b" sk-canary\r\n")})

    assert (dict(keys.found), dict(keys.problems)) == ({USE: KEY}, {})


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        (None, 'Secret "provider" not found'),
        (
            facts_of({}, {"pointsman.dev/allowed-hosts": "api.example.com"}, {"api-key": KEY}),
            'Secret "provider" lacks the label pointsman.dev/credential=true',
        ),
        (
            facts_of({"pointsman.dev/credential": "true"}, {}, {"api-key": KEY}),
            'Secret "provider" does not allow host api.example.com',
        ),
        (_facts(hosts="other.org"), 'Secret "provider" does not allow host api.example.com'),
        (_facts(b" \n"), 'Secret "provider" has nothing in key "api-key"'),
        (
            _facts(b"sk-canary\r\nx-evil: 1"),
            'Secret "provider" has characters in key "api-key" that no header can carry',
        ),
        (
            _facts("sk-ключ".encode()),
            'Secret "provider" has characters in key "api-key" that no header can carry',
        ),
        (_facts(b"k" * 20_000), 'Secret "provider" has more than 16,384 bytes in key "api-key"'),
    ],
)
def test_any_other_secret_gives_none_and_says_why(facts: SecretFacts | None, problem: str) -> None:
    """The text reaches the policy's status by its ack, and holds no key."""
    keys = judge(uses(TABLE), {"provider": facts})

    assert (dict(keys.found), dict(keys.problems)) == ({}, {"support": (problem,)})


def test_each_url_must_be_allowed_for_itself() -> None:
    """One backend more must not carry the key to another host, nor take it from those that may."""
    two = _table(
        policy("good", backends=[external_backend()]),
        policy("evil", backends=[external_backend("https://evil.org/v1")]),
    )

    keys = judge(uses(two), {"provider": _facts()})

    assert dict(keys.found) == {USE: KEY}
    assert dict(keys.problems) == {"evil": ('Secret "provider" does not allow host evil.org',)}


def test_a_missing_secret_is_said_once_however_many_urls_want_it() -> None:
    """By the policy that has them."""
    two = [external_backend(), external_backend("https://other.example.com/v1", name="other")]

    keys = judge(uses(_table(policy(backends=two))), {"provider": None})

    assert dict(keys.problems) == {"support": ('Secret "provider" not found',)}


def test_a_url_without_a_plain_host_gets_no_key() -> None:
    """Whatever the annotation says."""
    doubtful = _table(policy(backends=[external_backend("https://evil.org\\@api.example.com/")]))

    keys = judge(uses(doubtful), {"provider": _facts(hosts="api.example.com,evil.org")})

    assert not keys.found


def test_a_secret_that_could_not_be_read_keeps_what_was_known() -> None:
    """An API server that is away withdraws nothing."""
    known = judge(uses(TABLE), {"provider": _facts()}, {"provider": "API server: silence"})
    unknown = judge(uses(TABLE), {}, {"provider": "API server: silence"})

    assert dict(known.found) == {USE: KEY}
    assert unknown.problems["support"] == (
        'Secret "provider" could not be read: API server: silence',
    )


def test_only_keys_in_use_are_stored() -> None:
    """A Secret's other values, and Secrets of no policy, never reach the keys folder."""
    facts = facts_of(
        {"pointsman.dev/credential": "true"}, {}, {"api-key": KEY, "password": b"hunter2"}
    )

    stored = only_used(uses(TABLE), {"provider": facts, "other": facts, "gone": None})

    assert {name: dict(one.values) for name, one in stored.items()} == {
        "provider": {"api-key": KEY}
    }


def test_no_repr_shows_a_key() -> None:
    """Neither facts nor judgment, for a log line or a traceback."""
    facts = _facts()
    keys = judge(uses(TABLE), {"provider": facts})

    assert "canary" not in f"{facts!r}{keys!r}"
