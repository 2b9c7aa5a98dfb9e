"""`pointsman check` and `pointsman explain` as a user types them."""

import json
import socket
from pathlib import Path

import pytest

from pointsman.cli.__main__ import main
from pointsman.cli.demo.run import USUAL_PORT, usual_port

EXAMPLES = Path(__file__).parent.parent.parent / "crds" / "examples"
DESK = str(EXAMPLES / "02-support-desk")


@pytest.mark.parametrize(
    "folder", sorted(p for p in EXAMPLES.iterdir() if p.is_dir()), ids=lambda path: path.name
)
def test_every_example_is_valid(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """03 adds to 02, as its own comment says; every other stands alone."""
    paths = [DESK] if folder.name == "03-fifth-model" else []
    files = [str(path) for path in sorted(folder.glob("*.yaml"))]
    if folder.name == "03-fifth-model":
        paths = [str(p) for p in Path(DESK).glob("*.yaml") if p.name != "policy.yaml"]

    assert main(["check", *paths, *files]) == 0, capsys.readouterr().err


def test_a_name_of_the_same_family_is_not_taken_for_a_typo(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """deepseek-code is missing among these files; deepseek-reasoner was not meant."""
    assert main(["check", str(EXAMPLES / "03-fifth-model")]) == 1
    said = capsys.readouterr().err
    assert "no ModelBackend deepseek-code among these files\n" in said
    assert "did you mean" not in said


def test_check_says_file_line_and_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelled field: exit 1, and what was meant."""
    text = (EXAMPLES / "01-one-model" / "backend.yaml").read_text()
    broken = tmp_path / "backend.yaml"
    broken.write_text(text.replace("  model:", "  modle:"))
    line = 1 + broken.read_text().splitlines().index(
        next(line for line in broken.read_text().splitlines() if "modle" in line)
    )

    assert main(["check", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{broken}:{line}: " in said
    assert "modle" in said
    assert "model" in said


def test_check_refuses_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file is one clear line."""
    assert main(["check", "no-such-file.yaml"]) == 1
    assert "no-such-file.yaml: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("prompt", "backend"),
    [
        ("How do I reset my password?", "qwen-light"),
        ("Why does my_list[10] raise IndexError in Python?", "deepseek-code"),
        ("Wie kann ich meine Rechnung ändern? Ich finde sie nicht mehr.", "glm-multilingual"),
        ("Summarize the account's history.\n" + "2024-01-01 invoice sent\n" * 6000, "kimi-long"),
    ],
)
def test_explain_sends_each_class_to_its_model(
    prompt: str, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The support desk's four classes, decided by the router's own code."""
    assert main(["explain", "-f", DESK, "--prompt", prompt, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["backend"] == backend


def test_explain_shows_why(capsys: pytest.CaptureFixture[str]) -> None:
    """Backend, what follows it, the rule, and why the earlier rules were not taken."""
    assert main(["explain", "-f", DESK, "--prompt", "How do I reset my password?"]) == 0
    said = capsys.readouterr().out

    assert "backend   qwen-light" in said
    assert "rule bug-report: task Chat is not in" in said


def test_explain_shows_the_candidates(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a policy with a predictor: quality and cost of each, and who is chosen."""
    asked = ["explain", "-f", str(EXAMPLES / "15-predictor"), "--prompt", "Hello, who are you?"]
    assert main(asked) == 0
    text = capsys.readouterr().out
    assert "predictor: chooses learned-qwen (Best), confidence 0.10" in text
    assert text.count("candidate learned-") == 3
    assert main([*asked, "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["backend"] == found["predictor"]["backend"] == "learned-qwen"
    assert main([*asked, "--metadata", "stakes=high"]) == 0
    text = capsys.readouterr().out
    assert "predictor: abstains, Bypass" in text
    assert text.startswith("backend   learned-deepseek")


def test_explain_takes_headers(capsys: pytest.CaptureFixture[str]) -> None:
    """The fifth model's rule looks at x-tier."""
    paths = [str(p) for p in Path(DESK).glob("*.yaml") if p.name != "policy.yaml"]
    files = [arg for path in (*paths, str(EXAMPLES / "03-fifth-model")) for arg in ("-f", path)]
    prompt = "Why does my_list[10] raise IndexError in Python?"
    asked = ["explain", *files, "--prompt", prompt, "--header", "x-tier: enterprise"]

    assert main([*asked, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["rule"] == "enterprise"


@pytest.mark.parametrize(
    "flags",
    [
        ["--model", "nobody"],
        ["--header", "no-colon"],
        ["--metadata", "no-equals"],
    ],
)
def test_explain_refuses_flags_that_lead_nowhere(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 and one line on standard error."""
    assert main(["explain", "-f", DESK, "--prompt", "x", *flags]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_demo_takes_a_free_port_when_the_usual_one_is_taken() -> None:
    """A machine where 8080 is in use still shows the demo."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", USUAL_PORT))
        except OSError:
            pass  # somebody else has it: as good
        else:
            taken.listen()

        assert usual_port("127.0.0.1") == 0
