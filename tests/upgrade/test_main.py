"""`python -m tests.upgrade` where the last release cannot be had."""

import subprocess
from pathlib import Path

import pytest

from tests.upgrade.__main__ import NOT_RUN, main

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("arguments", [[], ["release", "v0"]])
def test_what_was_not_tested_did_not_pass(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    """A checkout without that commit, as a shallow one is, says so by a status of its own."""
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path))

    assert main(arguments) == NOT_RUN == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("not run: the last release, commit ")
    assert said.err.endswith("is not in this checkout: `git fetch --unshallow`\n")
