"""PURE: a person and what they may do. viewer < reviewer < operator."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Each may do what the one before may."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    OPERATOR = "operator"

    def may(self, least: "Role") -> bool:
        """Whether this role is at least that one."""
        order = list(Role)
        return order.index(self) >= order.index(least)


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks; the name is the one that audit rows and claims carry."""

    name: str
    role: Role
