"""`pointsman check` warns of a language that no request is ever in."""

from pathlib import Path

import pytest

from pointsman.cli.__main__ import main

FLEET = """\
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: one}
spec: {model: m, deployment: {engine: Simulator}}
---
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: desk}
spec:
  modelNames: [auto]
  rules:
    - name: abroad
      match:
        language: [ja, LANGUAGE]
      targets: [{backendRef: {name: one}}]
    - name: either
      matches:
        - complexity: [Complex]
        - language: [LANGUAGE, und]
      targets: [{backendRef: {name: one}}]
  default: {targets: [{backendRef: {name: one}}]}
"""


@pytest.mark.parametrize(
    ("language", "meant"),
    [("jp", " (did you mean ja?)"), ("nb", " (did you mean no?)"), ("xx", "")],
)
def test_a_language_that_nobody_is_told_to_speak_is_a_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    language: str,
    meant: str,
) -> None:
    """With its line; the others of the list hold, so it is no error."""
    monkeypatch.chdir(tmp_path)
    Path("f.yaml").write_text(FLEET.replace("LANGUAGE", language))
    never = f"{language} never matches: it is no language that the router tells{meant}"

    assert main(["check", "f.yaml"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"f.yaml:14: warning: spec.rules[0].match.language[1]: {never}",
        f"f.yaml:19: warning: spec.rules[1].matches[1].language[0]: {never}",
    ]


def test_languages_that_are_told_are_no_matter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the analysis could not tell one."""
    (tmp_path / "f.yaml").write_text(FLEET.replace("LANGUAGE", '"no"'))

    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""
