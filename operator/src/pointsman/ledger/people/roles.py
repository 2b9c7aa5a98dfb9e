"""PURE: groups as an identity source names them, and the role that they give."""

from collections.abc import Iterable
from dataclasses import dataclass

from pointsman.ledger.people.person import Role

MAX_NAME = 128
"""Of a person; longer names are refused rather than cut, for two would become one."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Members of this group have this role; the group `*` is everybody who is signed in."""

    role: Role
    group: str


def read_grant(text: str) -> Grant:
    """Of `operator=platform-team`. ValueError shows one."""
    role, _, group = text.strip().partition("=")
    if role not in list(Role) or not group.strip():
        raise ValueError(f"--role is written as operator=platform-team, not {text!r}")
    return Grant(Role(role), group.strip())


def role_of(grants: Iterable[Grant], groups: Iterable[str]) -> Role | None:
    """The highest that these groups give; None: none of them gives one."""
    mine = {"*", *groups}
    given = [grant.role for grant in grants if grant.group in mine]
    return max(given, key=list(Role).index, default=None)


def is_name(text: str) -> bool:
    """Whether it can be a person's name: printable, and of a size that lists can show."""
    return 0 < len(text) <= MAX_NAME and text.isprintable() and text == text.strip()
