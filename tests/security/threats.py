"""The table of threats in SECURITY.md, read: a heading is a boundary, a row a letter of STRIDE."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "SECURITY.md"
LETTERS: Final = "STRIDE"
ACCEPTED: Final = "accepted, because "
_HEADING: Final = re.compile(r"### (.+)")
_ROW: Final = re.compile(r"\| ([STRIDE]) \| (.+?) \|(.*)\|")
_CODE: Final = re.compile(r"`([^`]+)`")


class Row(NamedTuple):
    """One threat at one boundary."""

    boundary: str
    letter: str
    answer: str
    """What stands against it, or why nothing does."""
    tests: tuple[str, ...]
    """As `tests/x/test_y.py::test_z`, or a command of the tests."""


def rows(text: str) -> Iterator[Row]:
    """In order."""
    boundary = ""
    for line in text.splitlines():
        if heading := _HEADING.fullmatch(line):
            boundary = heading[1]
        elif row := _ROW.fullmatch(line):
            yield Row(boundary, row[1], row[2], tuple(_CODE.findall(row[3])))


def exists(test: str) -> bool:
    """Whether there is such a test, or such a command."""
    if test.startswith("python -m "):
        module = ROOT / test.removeprefix("python -m ").partition(" ")[0].replace(".", "/")
        return module.with_suffix(".py").exists() or (module / "__main__.py").exists()
    file, _, name = test.partition("::")
    return name in _tests_in(file)


@cache
def _tests_in(file: str) -> frozenset[str]:
    path = ROOT / file
    if not (file.startswith("tests/") and path.name.startswith("test_") and path.exists()):
        return frozenset()
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    )
