"""A plugin of pytest: each test's outcome as one line of JSON in the file POINTSMAN_OUTCOMES."""

import json
import os
from pathlib import Path

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What failed in any phase, and how the call went."""
    if report.when != "call" and report.passed:
        return
    file = os.environ.get("POINTSMAN_OUTCOMES")
    if file is None:
        return
    said = {
        "test": report.nodeid,
        "outcome": report.outcome,
        "seconds": report.duration,
        "why": "" if report.passed else str(report.longrepr)[-3000:],
    }
    with Path(file).open("a") as lines:
        lines.write(json.dumps(said) + "\n")
