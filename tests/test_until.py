"""What is too late to begin is left out, and nothing else."""

from pathlib import Path

import pytest

from tests.bench.audit import RECORD
from tests.until import UNTIL, leave_out, mark_of


@pytest.mark.parametrize("until", [None, "100.5"])
def test_what_is_in_time_begins(monkeypatch: pytest.MonkeyPatch, until: str | None) -> None:
    """Also where nobody set a time."""
    monkeypatch.delenv(UNTIL, raising=False)
    if until:
        monkeypatch.setenv(UNTIL, until)
    leave_out(100.0)


def test_what_is_late_says_so_and_marks_the_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Or rights would look unused that the tests left out use."""
    monkeypatch.setenv(UNTIL, "100")
    monkeypatch.setenv(RECORD, str(tmp_path / "audit"))

    with pytest.raises(pytest.skip.Exception, match="not run: it is later than POINTSMAN_UNTIL"):
        leave_out(101.0)

    assert mark_of(tmp_path / "audit").exists()
