"""`pointsman simulate` with human review: how many a person would see, and who answers instead."""

import json
from pathlib import Path

import pytest

from pointsman.cli.__main__ import main
from tests.cli.traffic import EXAMPLES, body, write

CAREFUL = EXAMPLES / "25-human-review"


def test_what_a_person_would_see_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By mode; what is escalated goes where it would go."""
    secret = body("hello", "careful", metadata={"data_class": "Confidential"})
    lines = [
        {"request": body("hello", "careful"), "headers": {"x-desk": desk}}
        for desk in ("refunds", "legal", "other")
    ]
    file = write(tmp_path / "t.jsonl", [*lines, secret])
    told = ["simulate", "-f", str(CAREFUL), "--traffic", str(file)]
    assert main(told) == 0
    assert "reviewed    Hold 2, Escalate 1\n" in capsys.readouterr().out
    assert main([*told, "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["reviews"] == [
        {"from": "", "to": "Escalate", "requests": 1},
        {"from": "", "to": "Hold", "requests": 2},
    ]
    assert {way["to"]: way["requests"] for way in found["backends"]} == {
        "careful-own": 1,
        "careful-small": 3,
    }
