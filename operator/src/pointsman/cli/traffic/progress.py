"""A bar on standard error while a long file is read, if a person looks at it."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

EVERY: Final = 500
"""Requests between two looks at the clock."""


@contextlib.contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Gives what is called with how much is done; `total` None: not known."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich import progress as bars  # noqa: PLC0415 - takes 0.1 s
    from rich.console import Console  # noqa: PLC0415

    columns = (
        bars.TextColumn("{task.description}"), bars.BarColumn(), bars.TaskProgressColumn(),
        bars.TimeRemainingColumn(),
    )  # fmt: skip
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def size_of_files(names: list[str]) -> int | None:
    """Bytes of all of them; None if one cannot be told."""
    try:
        sizes = [Path(name).stat() for name in names if name != "-"]
    except OSError:
        return None
    known = "-" not in names and all(size.st_size for size in sizes)
    return sum(size.st_size for size in sizes) if known else None
