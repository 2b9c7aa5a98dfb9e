"""The table of faults: its rows are tests, the page tells of the same ones, and it can fail."""

import ast
import json
import re
from pathlib import Path

import pytest

from tests.faults.table.__main__ import tell
from tests.faults.table.playing import judge
from tests.faults.table.row import Row
from tests.faults.table.rows import ROWS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"


def test_the_page_tells_the_promises_of_the_rows() -> None:
    """The same words, the same rows, in the same order."""
    section = PAGE.read_text().partition("## Promises\n")[2].partition("\n## ")[0]
    told = re.findall(r"^\| (.+) \| `(\S+)` \|$", section, re.MULTILINE)

    assert told == [(row.promise, row.name) for row in ROWS]


def test_names_are_used_once() -> None:
    """`--only` and the page mean one row each."""
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_tests_of_a_row_are_there(row: Row) -> None:
    """A test that is renamed takes its row with it."""
    for test in row.tests:
        file, _, rest = test.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        names = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert not rest or rest.partition("[")[0] in names, test


def outcome(test: str, word: str = "passed") -> dict[str, object]:
    return {"test": test, "outcome": word, "seconds": 1.0, "why": "" if word == "passed" else "x"}


@pytest.mark.parametrize(
    ("told", "holds"),
    [
        ([outcome("f.py::a[1]"), outcome("f.py::a[2]")], True),
        ([outcome("f.py::a[1]"), outcome("f.py::a[2]", "failed")], False),
        ([outcome("f.py::a", "rerun"), outcome("f.py::a")], True),
        ([outcome("f.py::a", "rerun"), outcome("f.py::a", "failed")], False),
        ([outcome("f.py::a", "skipped")], False),
        ([outcome("f.py::ab")], False),
        ([], False),
    ],
)
def test_only_what_ran_and_passed_is_a_proof(told: list[dict[str, object]], holds: bool) -> None:
    """Skipped, of another test, or silent: no proof."""
    assert judge(Row("r", "p", ("f.py::a",)), told, "").passed is holds


@pytest.mark.slow
def test_the_command_fails_with_a_row(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One that holds, one that does not, one that hangs: 1, and each is told of."""
    file, told = tmp_path / "test_rows.py", tmp_path / "told.json"
    file.write_text(
        "import time\ndef test_good(): pass\ndef test_bad(): assert 0, 'broken promise'\n"
    )
    hangs = tmp_path / "test_hangs.py"
    hangs.write_text("import time\ndef test_hangs(): time.sleep(600)\n")
    good = Row("good", "It holds.", ("test_rows.py::test_good",))
    bad = Row("bad", "It does not.", ("test_rows.py::test_bad",))
    late = Row("late", "It hangs.", ("test_hangs.py::test_hangs",))

    assert tell((good,), bound_s=120, root=tmp_path) == 0
    assert tell((good, bad), bound_s=120, root=tmp_path, file=told) == 1
    assert tell((late,), bound_s=5, root=tmp_path) == 1
    assert [one["passed"] for one in json.loads(told.read_text())] == [True, False]
    said = capfd.readouterr().out
    assert "FAIL  bad" in said
    assert "broken promise" in said
    assert "cut off after 5 s" in said
