"""SECURITY.md names, for each threat at each boundary, a test that is there."""

from collections import Counter

import pytest

from tests.security.threats import ACCEPTED, LETTERS, PAGE, Row, exists, rows

ROWS = list(rows(PAGE.read_text()))
BOUNDARIES = (
    "Caller to router", "Router to model", "Router to API server", "Operator to API server",
    "Operator to router", "Stranger to health and metrics", "Router to ledger",
    "Reviewer to console", "KEDA to operator",
    "Ledger to webhook", "Writer of policies and models to cluster", "Supply chain",
)  # fmt: skip


def test_each_boundary_has_each_letter() -> None:
    """Once."""
    assert Counter((row.boundary, row.letter) for row in ROWS) == Counter(
        (boundary, letter) for boundary in BOUNDARIES for letter in dict.fromkeys(LETTERS)
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.boundary}-{row.letter}")
def test_each_row_has_a_test_or_says_why_not(row: Row) -> None:
    """And the tests exist: whoever renames one sees it here."""
    assert row.tests or row.answer.startswith(ACCEPTED)
    assert [test for test in row.tests if not exists(test)] == []


def test_what_is_no_test_is_found() -> None:
    """Another name, another file, a folder, a command that there is not."""
    assert exists("tests/security/test_threats.py::test_what_is_no_test_is_found")
    assert exists("python -m tests.security.rights FOLDER")
    for wrong in (
        "tests/security/test_threats.py::test_nothing", "tests/security/test_threats.py",
        "tests/nothing.py::test_x", "tests/security/threats.py::exists",
        "python -m tests.security.nothing", "",
    ):  # fmt: skip
        assert not exists(wrong), wrong
