"""What reading manifests yields: objects that know their lines, and findings that show them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar

from pointsman.api.conditions import Reason
from pointsman.api.v1alpha1 import EvaluationSuite, ModelBackend, RoutingPolicy
from pointsman.api.validation import Problem

T = TypeVar("T")

Location: TypeAlias = tuple[str | int, ...]


class Severity(StrEnum):
    """An error would be refused or would not work; a warning works, but hardly as meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A line of a file, counted from 1; line 0 is the file itself."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem and where it is: `file:line: path: message`."""

    position: Position
    problem: Problem
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        mark = "warning: " if self.severity is Severity.WARNING else ""
        return f"{self.position}: {mark}{self.problem}"


@dataclass(frozen=True, slots=True)
class Source:
    """Where every node of one object stands."""

    file: str
    lines: Mapping[Location, int] = field(repr=False)
    root: Location = ()

    def position(self, path: str = "") -> Position:
        """Line of `spec.rules[0].name`; of the nearest node above it when it does not exist."""
        place, rest = self.root, path
        while rest:
            step = self._step(place, rest)
            if step is None:
                break
            key, rest = step
            place = (*place, key)
        return Position(self.file, self.lines.get(place, 0))

    def _step(self, place: Location, path: str) -> tuple[str | int, str] | None:
        """The child that the path goes on with; keys may hold dots, so the longest one wins."""
        if path.startswith("["):
            number, _, rest = path[1:].partition("]")
            found = number.isdigit() and (*place, int(number)) in self.lines
            return (int(number), rest.removeprefix(".")) if found else None
        ends = [i for i, c in enumerate(path) if c in ".["] + [len(path)]
        for end in reversed(ends):
            if (*place, path[:end]) in self.lines:
                return path[:end], path[end:].removeprefix(".")
        return None


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One object and its source; a Secret's value stays out of the representation."""

    value: T = field(repr=False)
    source: Source

    def position(self, path: str = "") -> Position:
        """Where a path of this object stands."""
        return self.source.position(path)

    def finding(
        self, path: str, message: str, reason: Reason, severity: Severity = Severity.ERROR
    ) -> Finding:
        """A finding at a path of this object."""
        return Finding(self.position(path), Problem(path, message, reason), severity)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything that was read. `problems` holds what kubectl or the API server would refuse."""

    backends: tuple[Item[ModelBackend], ...] = ()
    policies: tuple[Item[RoutingPolicy], ...] = ()
    suites: tuple[Item[EvaluationSuite], ...] = ()
    others: tuple[Item[dict[str, Any]], ...] = ()
    """Objects of other kinds (Secret, ConfigMap, Service, ...), unchecked."""
    problems: tuple[Finding, ...] = ()
    broken_backends: frozenset[tuple[str, str]] = frozenset()
    """(namespace, name) of ModelBackends that have problems: they exist, so no name is missing."""
    unread: bool = False
    """Something could not be read so far as to know what it is: it may be what another names."""
