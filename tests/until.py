"""A run that has to be over by some time: tests that are `extended` do not begin after it.

POINTSMAN_UNTIL is that time, in seconds since 1970; `.ci/run` sets it from the limit that it runs
under. What is left out says so, and marks what the benches recorded as not the whole.
"""

import os
from pathlib import Path
from typing import Final

import pytest

from tests.bench.audit import RECORD

UNTIL: Final = "POINTSMAN_UNTIL"


def is_late(now_s: float) -> bool:
    """Whether the time is over; never, where none is set."""
    until = os.environ.get(UNTIL)
    return until is not None and now_s > float(until)


def mark_of(folder: Path) -> Path:
    """There if not all tests ran whose benches recorded into this folder."""
    return folder.with_name(f"{folder.name}.partial")


def leave_out(now_s: float) -> None:
    """Skip the test that begins now if it is too late for it."""
    if is_late(now_s):
        if folder := os.environ.get(RECORD):
            mark_of(Path(folder)).touch()
        pytest.skip(f"not run: it is later than {UNTIL}")
