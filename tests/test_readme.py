"""What the pages say is so: their YAML is valid, their commands and links exist."""

import re
from pathlib import Path

import pytest

from pointsman.api.manifests import load_text
from pointsman.cli.__main__ import main

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / name
    for name in (
        "README.md", "CONTRIBUTING.md", "SECURITY.md", "SCOPE.md", "CHANGELOG.md",
        "crds/README.md", "crds/DESIGN.md", "operator/README.md", "operator/DESIGN.md",
        "router/README.md", "router/DESIGN.md", "tests/bench/DESIGN.md",
    )
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    """Relative links only; the web is not asked."""
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_yaml_of_ours_on_a_page_is_valid(page: Path) -> None:
    """As `pointsman check` sees it; references may lead to backends that the page leaves out."""
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    ours = [block for block in blocks if "pointsman.dev/" in block and "kind:" in block]

    assert [str(problem) for block in ours for problem in load_text(block).problems] == []


def test_the_readme_shows_a_policy() -> None:
    """Else the test above would pass over nothing."""
    assert "kind: RoutingPolicy" in (ROOT / "README.md").read_text()


def test_every_make_target_on_a_page_exists() -> None:
    """And `make help` lists at most ten."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"(?:^ {4}|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    }

    assert named - targets == set()
    assert len(re.findall(r"^[a-z-]+:.*## ", makefile, re.MULTILINE)) <= 10


def test_every_subcommand_on_a_page_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """`pointsman COMMAND --help` knows it."""
    named = {
        command
        for page in PAGES
        for command in re.findall(r"(?:^ {4}|`)pointsman ([a-z]+)", page.read_text(), re.MULTILINE)
    }
    assert named
    for command in sorted(named):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0, command
    capsys.readouterr()


def test_every_measured_number_names_a_command_that_exists() -> None:
    """`python -m tests.perf.x` is a file here."""
    commands = re.findall(r"python -m (tests[.\w]+)", (ROOT / "README.md").read_text())
    modules = [ROOT / Path(*command.split(".")) for command in commands]

    assert len(commands) >= 3
    assert [str(m) for m in modules if not m.with_suffix(".py").exists() and not m.is_dir()] == []
