"""A newcomer's walk through every page: on this machine, and on a real control plane."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.fixtures import required
from tests.docs.__main__ import NO_BENCH
from tests.docs.snippets import ROOT, Snippet, pages, snippets
from tests.docs.walk import Astray, local_environment, take_all, walking


def with_blocks(how: str) -> list[Path]:
    """The pages that have blocks for this place."""
    return [
        page for page in pages() if any(one.how.partition(" ")[0] == how for one in snippets(page))
    ]


@pytest.mark.local
@pytest.mark.parametrize("page", with_blocks("local"), ids=lambda page: page.name)
def test_what_a_page_shows_of_this_machine_is_so(page: Path) -> None:
    """Every command, with its answer."""
    with walking(local_environment()) as walk:
        assert take_all(page, "local", walk, lambda _: None) >= 1


@pytest.mark.local
@pytest.mark.parametrize("text", ["$ echo a\nb\n", "$ false\n", "$ no-such-command\n...\n"])
def test_a_page_that_is_wrong_is_noticed(text: str) -> None:
    """Another answer, or a command that fails."""
    wrong = Snippet(ROOT / "x.md", 1, "console", "local", text)
    with walking(local_environment()) as walk, pytest.raises(Astray):
        walk.take(wrong)


@pytest.mark.local
def test_what_a_block_exports_is_there_for_the_next() -> None:
    """As in one terminal."""
    with walking(local_environment()) as walk:
        walk.take(Snippet(ROOT / "x.md", 1, "sh", "local", "export A=b\n"))
        walk.take(Snippet(ROOT / "x.md", 2, "console", "local", "$ echo $A\nb\n"))


@pytest.mark.bench
@pytest.mark.timeout(600)
def test_what_the_pages_show_of_a_cluster_is_so() -> None:
    """A fresh control plane of its own: the pages install the kinds with Helm themselves."""
    found = with_blocks("cluster")
    assert {"README.md", "start.md"} <= {page.name for page in found}
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs", *map(str, found)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=580,
    )  # fmt: skip
    if done.returncode == NO_BENCH and not required():
        pytest.skip(f"not run: {done.stderr.strip()}")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("blocks did what they show") == len(found)
