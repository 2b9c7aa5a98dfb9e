"""Completion: what may follow, in a real bash, and as kubectl asks for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pointsman.cli.__main__ import main
from tests.cli.people.clusters import Cluster

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).parent.parent.parent


def follows(capsys: Capture, *words: str) -> list[str]:
    """The lines, the directive last."""
    assert main(["__complete", *words]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["sta"], ["status", ":4"]),
        (["rollout", "pro"], ["promote", ":4"]),
        (["status", "-o", ""], ["wide", "json", "yaml", "name", ":4"]),
        (["status", "--all"], ["--all-namespaces", ":4"]),
        (["status", "--output=y"], ["--output=yaml", ":4"]),
        (["reviews", "list", "--state", "Ti"], ["TimedOut", ":4"]),
        (["audit", "log", "--sub"], ["--subject", ":4"]),
        (["completion", ""], ["bash", "zsh", "fish", ":4"]),
        (["import", "lite"], ["litellm", ":4"]),
        (["import", "litellm", ""], [":0"]),
        (["check", "x"], [":0"]),
        (["status", "-n", "team-"], ["team-a", "team-b", ":4"]),
        (["status", "--context", ""], ["one", "two", ":4"]),
        (["rollout", "approve", "d"], ["desk", "draft", ":4"]),
        (["approve", "-n", "team-a", "de"], ["desk", ":4"]),
        (["no-such", ""], [":4"]),
    ],
)
def test_what_may_follow(
    words: list[str],
    found: list[str],
    capsys: Capture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Commands, flags, their values, names of the cluster; `:0` where files may follow."""
    cluster = Cluster(tmp_path)
    names = "".join(f"routingpolicy.pointsman.dev/{one}\n" for one in ("desk", "draft", "zoo"))
    cluster.file("policy-names", names)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert follows(capsys, *words) == found


def test_a_cluster_that_is_away_completes_nothing(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No word of it on the command line."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert follows(capsys, "rollout", "status", "") == [":4"]
    assert capsys.readouterr().err == ""


def bash(folder: Path, *words: str) -> list[str]:
    """What a bash that has read the script puts before the user."""
    program = folder / "pointsman"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m pointsman.cli "$@"\n')
    program.chmod(0o755)
    quoted = " ".join(f"'{word}'" for word in ("pointsman", *words))
    script = (
        "source <(pointsman completion bash) || exit 9\n"
        "complete -p pointsman kubectl-pointsman >/dev/null || exit 8\n"
        f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _pointsman\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=environment, cwd=folder, text=True,
        capture_output=True, timeout=50, check=True,
    )  # fmt: skip
    return done.stdout.split()


@pytest.mark.slow
def test_in_a_real_bash(tmp_path: Path) -> None:
    """The commands, a flag's values, and files where a file may follow."""
    assert bash(tmp_path, "sta") == ["status"]
    assert bash(tmp_path, "status", "-o", "j") == ["json"]
    (tmp_path / "desk.yaml").write_text("")
    assert bash(tmp_path, "check", "desk") == ["desk.yaml"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_is_read_by_its_shell(shell: str, capsys: Capture, tmp_path: Path) -> None:
    """Without a word; where the shell is not installed, this is not run and says so."""
    assert main(["completion", shell]) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    if shutil.which(shell) is None:
        pytest.skip(f"not run: there is no {shell} here")
    done = subprocess.run([shell, "-n", script], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_kubectl_finds_its_completion() -> None:
    """By the name that it looks for on the PATH."""
    assert (
        'kubectl_complete-pointsman = "pointsman.cli.__main__:complete"'
        in (ROOT / "pyproject.toml").read_text()
    )
