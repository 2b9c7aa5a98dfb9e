"""`pointsman demo --drift`: the whole story, read from its log, and its picture."""

from pathlib import Path

import pytest
from PIL import Image

from tests.local.running import started

pytestmark = [pytest.mark.local, pytest.mark.slow]
STAGES = (
    "story-coder gets worse",
    "detection",
    "re-evaluation",
    "candidate",
    "shadow",
    "canary 5 %",
    "canary 25 %",
    "canary 50 %",
    "promotion to 100 %",
    "somebody edits the policy",
    "bad candidate",
    "its shadow",
    "its canary",
    "rollback",
)


@pytest.mark.timeout(600)
def test_the_story_goes_through_its_stages_in_order(tmp_path: Path) -> None:
    """Every stage came in time, no caller was left without an answer, and it is drawn."""
    picture = tmp_path / "story.png"
    with started("demo", "--drift", "--once", "--port", "0", "--picture", str(picture)) as demo:
        for stage in STAGES:
            demo.wait_for(f"== {stage}")
        assert demo.wait_for(" without an answer").endswith(" 0 without an answer")
        assert demo.process.wait(60) == 0
    marks = [line.partition("== ")[2] for line in demo.lines if "== " in line]
    assert [one for one in marks if not one.startswith("baseline")] == list(STAGES)
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert min(image.size) > 500
        assert len(image.convert("L").getcolors(256) or ()) > 10
