"""A row: a promise in a user's words, and the tests that try to break it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """It holds if each of `tests` was run and passed; one that was skipped is no proof."""

    name: str
    promise: str
    tests: tuple[str, ...]
    """pytest's node ids, from the top of the repository."""

    @property
    def file(self) -> str:
        """Rows of one file share a fleet, and so a process."""
        return self.tests[0].partition("::")[0]
