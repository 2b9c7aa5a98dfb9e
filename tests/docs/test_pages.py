"""What the pages say is so: their blocks are proven, their links and commands exist."""

import re
from pathlib import Path

import pytest

from pointsman.api.manifests import load_text
from pointsman.cli.__main__ import main
from tests.docs.snippets import ROOT, Snippet, answers, indented_code, pages, snippets

PAGES = pages()
README = ROOT / "README.md"
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def code(page: Path) -> str:
    """The text of the shell blocks, and what stands between backticks."""
    blocks = [one.text for one in snippets(page) if one.language in {"sh", "console"}]
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", page.read_text())])


def test_the_pages_are_found() -> None:
    """Else everything below would pass over nothing."""
    names = {str(page.relative_to(ROOT)) for page in PAGES}

    assert names >= {"README.md", "docs/start.md", "docs/kinds/modelbackend.md", "CHANGELOG.md"}
    assert not any(name.startswith(".venv") for name in names)


@each_page
def test_every_block_is_proven_or_says_why_not(page: Path) -> None:
    """A new block without a word of how fails here."""
    assert [str(one) for one in snippets(page) if not one.proven] == []


@each_page
def test_no_block_hides_from_the_tests(page: Path) -> None:
    """Indented code has no word; an open fence would swallow the rest of the page."""
    text = page.read_text()

    assert indented_code(page) == []
    assert len(re.findall(r"^ *(?:```|~~~)", text, re.MULTILINE)) == 2 * len(snippets(page))


@pytest.mark.parametrize(
    ("block", "proven"),
    [
        ("```sh local\ntrue\n```", True),
        ("```sh cluster\ntrue\n```", True),
        ("```sh not-run: there is no Docker\ntrue\n```", True),
        ("```sh not-run:\ntrue\n```", False),
        ("```sh\ntrue\n```", False),
        ("```\ntrue\n```", False),
        ("```python local\nx\n```", False),
        ("```yaml\na: b\n```", False),
        ("```yaml\napiVersion: pointsman.dev/v1alpha1\nkind: X\n```", True),
        ("~~~sh\ntrue\n~~~", False),
        ("- item\n\n  ```sh\n  true\n  ```", False),
    ],
)
def test_what_counts_as_proven(tmp_path: Path, block: str, *, proven: bool) -> None:
    """The rule itself."""
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{block}\n")
    (found,) = snippets(page)

    assert found.proven is proven


def test_indented_code_is_seen(tmp_path: Path) -> None:
    """But neither the second paragraph of an item nor a fenced block's content."""
    page = tmp_path / "page.md"
    page.write_text("Text.\n\n    code\n\n- item\n\n    goes on\n\n```sh\n\n    inside\n```\n")

    assert indented_code(page) == [3]


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        ("a", "a\n", True),
        ("a", "b", False),
        ("a", "a\nb", False),
        ("a\n...", "a\nb\nc", True),
        ("a...z", "a to z", True),
        ("...\nb\n...", "a\nb\nc", True),
        ("...\nx\n...", "a\nb\nc", False),
        ("", "a", False),
        ("[1]?", "[1]?\r\n", True),
        ("NAME   READY\nx   True", "NAME     READY\nx        True", True),
        ("NAME   READY", "NAME READY", False),
        ("a b", "a  b", False),
    ],
)
def test_what_counts_as_the_same_answer(shown: str, said: str, *, same: bool) -> None:
    """Dots stand for anything, everything else for itself."""
    assert answers(shown, said) is same


def test_commands_of_a_console_and_their_answers() -> None:
    """A backslash and an open quote go on in the next line."""
    text = "$ one \\\n    'two\nthree'\nsaid\nmore\n$ four\n"
    block = Snippet(ROOT / "x.md", 1, "console", "local", text)

    assert list(block.commands()) == [("one \\\n    'two\nthree'", "said\nmore"), ("four", "")]


def prose(page: Path) -> str:
    """The page without code: a pattern such as `[a](b)` is no link."""
    text = page.read_text()
    for one in snippets(page):
        text = text.replace(one.text, "")
    return re.sub(r"`[^`\n]*`", "", text)


@each_page
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    """Relative links only; the web is not asked."""
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", prose(page))

    assert [link for link in links if not (page.parent / link).exists()] == []


@each_page
def test_every_link_into_a_page_leads_to_a_heading(page: Path) -> None:
    """As GitHub names them."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", prose(page)):
        there = (page.parent / target) if target else page
        headings = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
        names = [re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings]
        assert anchor in names, f"{target}#{anchor}"


@each_page
def test_yaml_on_a_page_is_valid(page: Path) -> None:
    """As `pointsman check` sees it; references may lead to backends that the page leaves out."""
    blocks = [one.text for one in snippets(page) if one.language == "yaml" and not one.how]

    assert [str(problem) for block in blocks for problem in load_text(block).problems] == []


def test_every_make_target_on_a_page_exists() -> None:
    """And `make help` lists at most ten."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"^(?:\$ )?make ([a-z0-9-]+)", code(page), re.MULTILINE)
    }

    assert {"demo", "test", "check"} <= named <= targets
    assert len(re.findall(r"^[a-z0-9-]+:.*## ", makefile, re.MULTILINE)) <= 10


def test_ci_runs_the_two_commands() -> None:
    """The README says so instead of running them here."""
    script = (ROOT / ".ci" / "run").read_text()

    played = re.findall(r"^make ([\w-]+)", script, re.MULTILINE)
    assert played == ["demo", "test", "test-extended", "rights", "check"]


def test_every_subcommand_on_a_page_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """`pointsman COMMAND --help` knows it."""
    named = {
        command
        for page in PAGES
        for command in re.findall(r"^(?:\$ )?pointsman ([a-z]+)", code(page), re.MULTILINE)
    }
    assert {"up", "check", "explain"} <= named
    for command in sorted(named):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0, command
    capsys.readouterr()


def test_every_measured_number_names_a_command_that_exists() -> None:
    """`python -m tests.perf.x` is a file here."""
    commands = re.findall(r"python -m (tests[.\w]+)", README.read_text())
    modules = [ROOT / Path(*command.split(".")) for command in commands]

    assert len(commands) >= 3
    assert [str(m) for m in modules if not m.with_suffix(".py").exists() and not m.is_dir()] == []
