"""`pointsman check` runs the tests of policies, and tells why one fails as explain does."""

from pathlib import Path

import pytest

from pointsman.cli.__main__ import main

EXAMPLE = Path(__file__).parent.parent.parent / "crds" / "examples" / "14-rules"
BACKENDS = (str(EXAMPLE / "light.yaml"), str(EXAMPLE / "strong.yaml"))
POLICY = (EXAMPLE / "policy.yaml").read_text()


def written(folder: Path, old: str, new: str) -> str:
    """The example's policy with one change."""
    assert old in POLICY
    file = folder / "policy.yaml"
    file.write_text(POLICY.replace(old, new))
    return str(file)


def test_tests_that_pass_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the objects that are valid."""
    assert main(["check", str(EXAMPLE)]) == 0
    assert "4 tests pass\n" in capsys.readouterr().out


def test_a_test_that_fails_is_an_error_with_its_explanation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At its line; what `pointsman explain` prints stands below."""
    file = written(tmp_path, "      rule: hard\n", "      rule: gold-drafts\n")
    assert main(["check", *BACKENDS, file]) == 1
    said = capsys.readouterr().err.splitlines()
    number = POLICY[: POLICY.index("    - name: code-goes")].count("\n") + 1
    name = "test code-goes-to-the-strong-one"
    assert said[0].startswith(f"{file}:{number}: spec.tests[1]: {name}: rule is hard, not gold")
    assert said[1] == "    backend   rules-strong"
    assert "      rule hard: taken" in said
    assert said[-1] == "1 error"


def test_tests_of_a_policy_without_its_backends_are_not_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """That a backend is missing is said; what a test says of it would mean nothing."""
    assert main(["check", str(EXAMPLE / "policy.yaml")]) == 1
    said = capsys.readouterr().err
    assert "no ModelBackend rules-strong" in said
    assert "spec.tests" not in said


def test_explain_explains_a_policy_whose_tests_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is when one needs it."""
    file = written(tmp_path, "      rule: hard\n", "      rule: gold-drafts\n")
    assert (
        main(["explain", "-f", BACKENDS[0], "-f", BACKENDS[1], "-f", file, "--prompt", "Hello!"])
        == 0
    )
    assert "rule      default" in capsys.readouterr().out


def test_an_expression_that_does_not_compile_is_an_error_at_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the column and what may have been meant."""
    file = written(tmp_path, "request.contextTokens", "request.contextToken")
    assert main(["check", *BACKENDS, file]) == 1
    said = capsys.readouterr().err
    assert "spec.rules[1].match.expression: column 78: undeclared reference" in said
    assert "(did you mean request.contextTokens?)" in said
