"""Roles, tokens, sessions and settings: who is who, as pure as it gets."""

import hashlib
import os
from pathlib import Path

import pytest

from pointsman.ledger.people.errors import BadPeople
from pointsman.ledger.people.person import Person, Role
from pointsman.ledger.people.roles import read_grant, role_of
from pointsman.ledger.people.sessions import Sealing, Session, sealing
from pointsman.ledger.people.settings import PeopleSettings
from pointsman.ledger.people.tokens import Tokens
from pointsman.ledger.settings import parse

GRANTS = [read_grant(text) for text in ("viewer=*", "reviewer=readers", "operator=platform")]
SEALING = Sealing(b"0" * 32, 3600)


def _line(name: str, role: str, token: str) -> str:
    return f"{name} {role} {hashlib.sha256(token.encode()).hexdigest()}\n"


def test_each_role_may_what_the_one_before_may() -> None:
    """viewer < reviewer < operator."""
    order = (Role.VIEWER, Role.REVIEWER, Role.OPERATOR)

    assert [[mine.may(least) for least in order] for mine in order] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_the_highest_role_of_all_groups_counts() -> None:
    """And the group * is everybody's."""
    assert role_of(GRANTS, ["platform", "readers"]) is Role.OPERATOR
    assert role_of(GRANTS, []) is Role.VIEWER
    assert role_of(GRANTS[1:], ["others"]) is None


@pytest.mark.parametrize("text", ["owner=x", "operator", "operator=", "=x", ""])
def test_a_grant_that_means_nothing_is_refused(text: str) -> None:
    """With one that would."""
    with pytest.raises(ValueError, match="operator=platform-team"):
        read_grant(text)


def test_a_token_is_its_persons(tmp_path: Path) -> None:
    """The file has its hash; a change counts at the next request; a broken one changes nothing."""
    file = tmp_path / "people"
    file.write_text("# ours\n\n" + _line("dana", "operator", "t0ken"))
    tokens = Tokens(file)
    assert tokens.of("t0ken") == Person("dana", Role.OPERATOR)
    assert tokens.of("other") is None

    file.write_text(_line("rae", "reviewer", "other"))
    assert (tokens.of("t0ken"), tokens.of("other")) == (None, Person("rae", Role.REVIEWER))

    file.write_text("nonsense\n")
    assert tokens.of("other") == Person("rae", Role.REVIEWER)
    file.unlink()
    assert tokens.of("other") == Person("rae", Role.REVIEWER)


@pytest.mark.parametrize(
    "text",
    ["dana operator\n", "dana owner " + "0" * 64, "dana viewer xyz",
     _line("d" * 200, "viewer", "t"), _line("a", "viewer", "t") + _line("b", "viewer", "t")],
)  # fmt: skip
def test_a_file_of_people_that_cannot_be_used_is_refused_at_the_start(
    tmp_path: Path, text: str
) -> None:
    """With its line."""
    (tmp_path / "people").write_text(text)
    with pytest.raises(BadPeople, match="line"):
        Tokens(tmp_path / "people")
    with pytest.raises(BadPeople, match="No such file"):
        Tokens(tmp_path / "none")


def test_a_session_comes_back_until_it_is_over() -> None:
    """With the person it signs in."""
    begun = SEALING.begin(100, Person("rae", Role.REVIEWER))
    cookie = SEALING.seal(begun)

    found = SEALING.session(cookie, 3_699)
    assert found is not None
    assert found.person == Person("rae", Role.REVIEWER)
    assert SEALING.session(cookie, 3_700) is None


def test_a_session_that_was_changed_is_none() -> None:
    """In any character, by another key, or sealed for something else."""
    cookie = SEALING.seal(SEALING.begin(100))
    for at in range(0, len(cookie), 7):
        changed = cookie[:at] + ("A" if cookie[at] != "A" else "B") + cookie[at + 1 :]
        assert SEALING.session(changed, 200) is None
    other = Sealing(os.urandom(32), 3600)
    assert other.session(cookie, 200) is None
    assert SEALING.unseal(SEALING.seal(SEALING.begin(100), "login"), Session) is None
    for odd in ("", ".", "ä.ä", "\udcff.\udcff", f"{cookie}\udcff", "a" * 5000):
        assert SEALING.session(odd, 200) is None


def test_a_forms_token_is_of_its_session_and_person() -> None:
    """Each of the two changes it."""
    session, rae = SEALING.begin(100), Person("rae", Role.REVIEWER)
    token = SEALING.form_token(session, rae)

    assert SEALING.is_form_token(token, session, rae)
    assert not SEALING.is_form_token(token, SEALING.begin(100), rae)
    assert not SEALING.is_form_token(token, session, Person("eve", Role.REVIEWER))


def test_replicas_with_one_key_know_each_others_sessions(tmp_path: Path) -> None:
    """And a key that anybody could guess is refused."""
    (tmp_path / "key").write_bytes(b"0123456789abcdef\n")
    (tmp_path / "short").write_bytes(b"0123\n")
    one, two = sealing(tmp_path / "key", 60), sealing(tmp_path / "key", 60)

    assert two.session(one.seal(one.begin(0)), 1) is not None
    with pytest.raises(BadPeople, match="16 bytes"):
        sealing(tmp_path / "short", 60)
    with pytest.raises(BadPeople, match="No such file"):
        sealing(tmp_path / "none", 60)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--identity-header=X-User"], "--trusted-proxy"),
        (["--trusted-proxy=10.0.0.0/8"], "--identity-header"),
        (["--identity-header=X-User", "--trusted-proxy=10.0.0.0/8"], "--role"),
        (["--identity-header=X-User", "--trusted-proxy=ten"], "10.0.0.0/8"),
        (["--groups-header=X-Groups"], "--identity-header"),
        (["--role=owner=x"], "operator=platform-team"),
        (["--oidc-issuer=https://a.b", "--role=viewer=*"], "--console-url"),
        (["--oidc-issuer=http://a.b", "--role=viewer=*", "--oidc-client-id=x",
          "--console-url=https://c.d"], "https"),
        (["--oidc-issuer=https://a.b", "--role=viewer=*", "--console-url=https://c.d"],
         "client-id"),
        (["--console-url=c.d"], "https://pointsman.example.com"),
        (["--console-url=https://c.d/console"], "https://pointsman.example.com"),
        (["--console-url=https://c.d:99999"], "https://pointsman.example.com"),
        (["--console-url=https://[::1"], "https://pointsman.example.com"),
        (["--oidc-issuer=https://[::1", "--role=viewer=*", "--oidc-client-id=x",
          "--console-url=https://c.d"], "--oidc-issuer has to be https"),
        (["--session-hours=0"], "--session-hours"),
        (["--local-person=dana", "--listen=0.0.0.0:9", "--token-file=t"], "--listen on loopback"),
    ],
)  # fmt: skip
def test_settings_that_would_let_in_who_should_not_be_are_refused(
    capsys: pytest.CaptureFixture[str], flags: list[str], says: str
) -> None:
    """At the start, with the flag."""
    with pytest.raises(SystemExit) as ended:
        parse(["--db=x", *flags], {})

    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_settings_come_by_flags_or_the_environment() -> None:
    """Roles and proxies as often as needed; a flag wins."""
    environment = {
        "POINTSMAN_LEDGER_ROLE": "operator=platform,viewer=*",
        "POINTSMAN_LEDGER_TRUSTED_PROXY": "10.0.0.0/8, fd00::/8",
        "POINTSMAN_LEDGER_IDENTITY_HEADER": "X-User",
    }
    found = parse(["--db=x"], environment).people
    assert [grant.group for grant in found.roles] == ["platform", "*"]
    assert len(found.trusted_proxies) == 2
    assert found.has_pages

    dn = "cn=platform,ou=teams"
    found = parse(["--db=x", f"--role=operator={dn}", "--role=viewer=*"], environment).people
    assert [grant.group for grant in found.roles] == [dn, "*"]
    assert not PeopleSettings().any


def test_help_tells_every_flag() -> None:
    """The parser formats them all."""
    with pytest.raises(SystemExit) as ended:
        parse(["--help"], {})
    assert ended.value.code == 0
