"""Which files are not read."""

import re
from pathlib import Path

import pytest

from tests.selecting import (
    EXTENDED,
    LATE,
    SLOW,
    TESTS,
    is_extended,
    is_long,
    is_slow,
    marks_of,
    reruns,
    unwanted,
)


@pytest.mark.parametrize(
    ("expression", "marks"),
    [
        ("not bench and not local and not slow", {"bench", "local", "slow"}),
        ("not bench", {"bench"}),
        ("bench", set()),
        ("", set()),
        ("not bench and local", set()),
        ("not bench or not local", set()),
        ("not (bench or local)", set()),
    ],
)
def test_only_what_is_refused_by_name_is_left_out(expression: str, marks: set[str]) -> None:
    """Anything else reads every file."""
    assert unwanted(expression) == marks


def test_a_file_has_what_it_says_at_its_top(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what its folder says; what one test of it says is not said of the others."""
    monkeypatch.setattr("tests.selecting.TESTS", tmp_path)
    for name, said in {
        "test_a.py": "pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]\n",
        "test_b.py": "@pytest.mark.bench\ndef test_it() -> None: ...\n",
        "sdk/test_c.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(said)

    assert marks_of(tmp_path / "test_a.py") == {"bench", "timeout"}
    assert marks_of(tmp_path / "test_b.py") == set()
    assert marks_of(tmp_path / "sdk" / "test_c.py") == {"local"}


def test_the_long_folders_are_there() -> None:
    """One that is renamed would be read again, and would be run."""
    assert is_long(TESTS / "sdk" / "test_messages.py")
    assert (TESTS / "sdk" / "test_messages.py").is_file()
    assert not is_long(TESTS / "test_selecting.py")


@pytest.mark.parametrize(
    ("file", "marks", "expected"),
    [
        ("routing/test_cost.py", {"slow"}, LATE),
        ("local/test_up.py", {"local"}, ()),
        ("operator/test_on_bench.py", {"bench", "timeout"}, ()),
        ("faults/test_cycle.py", {"bench", "local"}, LATE),
        ("e2e/test_1_answers.py", {"bench"}, LATE),
        ("fuzz/test_wire.py", {"local"}, LATE),
    ],
)
def test_no_broken_promise_is_tried_again(
    file: str, marks: set[str], expected: tuple[str, ...]
) -> None:
    """Nor what is quick, but for what was late."""
    assert reruns(TESTS / file, marks) == expected


@pytest.mark.parametrize(
    ("error", "late"),
    [
        ("TimeoutError: ", True),
        ("AssertionError: waited 60 s for a new list; []", True),
        ("BenchBroken: no pod", True),
        ("AssertionError: 3 requests failed after TimeoutError: ", False),
        ("AssertionError: assert 'waited 3 s' == ''", False),
        ("ReadTimeoutError: it hung", False),
    ],
)
def test_only_a_wait_that_was_in_vain_is_late(error: str, late: bool) -> None:
    """And not what speaks of one."""
    assert any(re.search(one, error) for one in LATE) == late


def test_what_is_extended_or_slow_is_there() -> None:
    """A file that is renamed would come back into `make test`, or be run by nobody."""
    assert [one for one in (*EXTENDED, *SLOW) if not (TESTS / one).exists()] == []
    assert not is_extended(TESTS / "test_selecting.py")
    assert not is_slow(TESTS / "test_selecting.py")
