"""The story's stages and its picture, without a fleet."""

from pathlib import Path

import pytest

from pointsman.api.manifests import load
from pointsman.cli.__main__ import main
from pointsman.cli.demo.run import example
from pointsman.cli.demo.story.run import FOLDER, to_bargain
from pointsman.cli.demo.story.stages import LEARNED, found
from pointsman.cli.demo.story.traffic import Answer


def test_a_stage_is_over_with_a_line_that_has_all_its_texts() -> None:
    detection = LEARNED[0]
    lines = ["backend story-coder drift: Steady", "backend story-coder drift: Worse: 40 points"]
    assert found(lines, detection, 0) == 1
    assert found(lines, detection, 2) is None
    assert found(["backend story-generalist drift: Worse"], detection, 0) is None


def test_the_edit_sends_code_to_the_bargain_and_is_valid(tmp_path: Path) -> None:
    for file in example(FOLDER).iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    to_bargain(tmp_path / "policy.yaml")
    loaded = load([tmp_path])
    assert loaded.problems == ()
    (policy,) = loaded.policies
    assert policy.value.spec.rules_[0].targets[0].backend_ref.name == "story-bargain"


@pytest.mark.slow
def test_the_picture_is_drawn_of_answers_and_of_none(tmp_path: Path) -> None:
    from pointsman.cli.demo.story.figure import draw  # matplotlib takes a second

    answers = [Answer(float(n), "story-coder", n % 2 == 0, 0.001) for n in range(40)]
    for name, given in (("some", answers), ("none", []), ("errors", [Answer(1.0, error="503: x")])):
        path = tmp_path / f"{name}.png"
        draw(given, [(3.0, "candidate"), (3.1, "shadow")], "USD", path)
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_demo_without_matplotlib_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["demo", "--drift", "--once"]) == 1
    assert "pip install matplotlib" in capsys.readouterr().err
