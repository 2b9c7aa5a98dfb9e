"""All requests of what a command was given: files one after the other, or a ledger's window.

Guarantees that nothing but what is bad, bounded, is remembered of what was read.
"""

import contextlib
from collections import Counter
from collections.abc import Container, Iterator
from typing import Final

from pointsman.cli.ledger import Ledger, NoLedger
from pointsman.cli.traffic.lines import Line, Lines
from pointsman.cli.traffic.progress import EVERY, progress, size_of_files
from pointsman.cli.traffic.seen import BadLine, Seen, seen_of_event, seen_of_line

NAMED: Final = 10
"""Bad lines that are named; all are counted."""


class Traffic:
    """Iterate once; `requests`, `bad` and `named` grow with it."""

    def __init__(self) -> None:
        self.requests = 0
        self.bad = 0
        self.others: Counter[str] = Counter()
        """Requests of a ledger that are of another policy, by its name."""
        self.named: list[str] = []
        """`file:line: why`, of the first ones."""

    def of_files(self, names: list[str], *, excerpts: bool = False) -> Iterator[Seen]:
        """Every request of every line. What cannot be opened is a bad line too."""
        before = 0
        with progress("reading", size_of_files(names)) as done:
            for name in names:
                try:
                    lines = Lines(name)
                except OSError as error:
                    self._is_bad(name, Line(0, b"", error.strerror or str(error)))
                    continue
                with contextlib.closing(lines):
                    for line in lines:
                        found = self._read(lines.name, line, excerpts=excerpts)
                        if found is not None:
                            yield found
                        if (self.requests + self.bad) % EVERY == 0:
                            done(before + lines.at_bytes)
                    before += lines.at_bytes

    def of_ledger(
        self, ledger: Ledger, since: str, until: str, policies: Container[str] | None = None
    ) -> Iterator[Seen]:
        """Every request of the window, of these policies only. Raises NoLedger."""
        with progress("reading the ledger", self._expected(ledger, since, until)) as done:
            for event in ledger.requests(since, until):
                if policies is not None and event.policy not in policies:
                    self.others[event.policy] += 1
                    continue
                self.requests += 1
                yield seen_of_event(event)
                if self.requests % EVERY == 0:
                    done(self.requests + self.others.total())

    def told(self) -> list[str]:
        """What was bad, in lines."""
        more = self.bad - len(self.named)
        return [*self.named, *([f"and {more:,} more bad lines"] if more else [])]

    def _read(self, name: str, line: Line, *, excerpts: bool) -> Seen | None:
        try:
            if line.problem:
                raise BadLine(line.problem)  # noqa: TRY301 - one way for all that is bad
            found = seen_of_line(line.data, excerpt=excerpts)
        except BadLine as error:
            self._is_bad(name, Line(line.number, b"", str(error)))
            return None
        self.requests += 1
        return found

    def _is_bad(self, name: str, line: Line) -> None:
        self.bad += 1
        if len(self.named) < NAMED:
            place = f"{name}:{line.number}" if line.number else name
            self.named.append(f"{place}: {line.problem}")

    def _expected(self, ledger: Ledger, since: str, until: str) -> int | None:
        try:
            return sum(line.requests for line in ledger.summary(since, until).totals)
        except NoLedger:
            return None
