"""The site: built strictly, with every page in its navigation, and with nothing from elsewhere."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.bench.fixtures import required
from tests.docs.pictures.__main__ import wanted
from tests.docs.pictures.draw import Box, DoesNotFit
from tests.docs.site.__main__ import build
from tests.docs.site.install import LOCK, NoSite
from tests.docs.site.pages import INDEX, linked, markdown, navigation, slug
from tests.docs.snippets import ROOT, pages


def test_every_page_of_the_documentation_is_in_the_navigation() -> None:
    """A new page needs a row in docs/README.md, which is the navigation."""
    there = linked(navigation((ROOT / INDEX).read_text()))
    written = [p.relative_to(ROOT).as_posix() for p in pages() if p.is_relative_to(ROOT / "docs")]

    assert len(written) > 30
    assert sorted(set(written) - set(there)) == [INDEX]
    assert len(there) == len(set(there)), "a page stands there twice"


def test_a_row_of_the_index_is_a_page_of_a_section() -> None:
    """Headings are sections; a link to a folder is its page."""
    index = "# D\n\n## A\n\n| page | for |\n|---|---|\n| [X](x.md) | y |\n| [E](../e/) | z |\n"

    assert navigation(index) == [
        {"Home": "README.md"},
        {"A": [{"X": "docs/x.md"}, {"E": "e/README.md"}]},
    ]


@pytest.mark.parametrize(
    ("text", "on_the_site"),
    [
        ("```sh not-run: no Docker here\na\n```\n", "```sh\na\n```\n"),
        ("1. x\n\n   ```sh local\n   a\n   ```\n", "1. x\n\n    ```sh\n    a\n    ```\n"),
        ("[e](../crds/examples/01-one-model/)", "[e](../crds/examples/01-one-model/README.md)"),
        (
            "[e](../crds/examples/01-one-model/backend.yaml)",
            "[e](../crds/examples/01-one-model/README.md#backendyaml)",
        ),
        ("[e](start.md#1-a-cluster-and-the-image)", "[e](start.md#1-a-cluster-and-the-image)"),
        ("| `a\\|b` | c \\| d |", "| `a|b` | c \\| d |"),
        ("```sh local\n[a](b/)\n```\n", "```sh\n[a](b/)\n```\n"),
    ],
)
def test_what_is_otherwise_on_the_site(text: str, on_the_site: str) -> None:
    """Folders have pages, blocks have no words; code is left alone."""
    assert markdown(text, "docs/page.md") == on_the_site


def test_anchors_are_those_of_github() -> None:
    """Or a link would work at one of the two only."""
    assert slug("What callers may ask (8080)") == "what-callers-may-ask-8080"
    assert slug("spec.rules[].match") == "specrulesmatch"


def test_the_lock_of_the_site_has_hashes_and_no_addresses() -> None:
    """As the other locks."""
    lock = LOCK.read_text()

    assert "://" not in lock
    assert 20 < lock.count("==") <= lock.count("--hash=sha256:")


def test_the_pictures_are_fresh() -> None:
    """`python -m tests.docs.pictures` draws them."""
    stale = [path.name for path, text in wanted().items() if path.read_text() != text]

    assert stale == []
    assert len(wanted()) == 5


def test_a_text_that_leaves_its_box_is_noticed() -> None:
    """By a width that is measured and rounded up."""
    with pytest.raises(DoesNotFit):
        Box(0, 0, 60, 40, "a title too long").svg()


class _Loaded(HTMLParser):
    """What a browser asks for by itself when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Links that a person clicks are no part of it."""
        values = dict(attrs)
        if tag in {"img", "script", "iframe", "source"}:
            self.found.append(values.get("src") or "")
        if tag == "link" and values.get("rel") in {"stylesheet", "preconnect", "preload", "icon"}:
            self.found.append(values.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built into a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    try:
        done = build(folder)
    except NoSite as error:
        if required():
            raise
        print(f"no site: {error}", file=sys.stderr)
        pytest.skip(f"not run: {error}")
    assert done.returncode == 0, done.stdout
    return folder


@pytest.mark.local
@pytest.mark.timeout(900)
def test_the_site_is_whole_and_loads_nothing_from_elsewhere(site: Path) -> None:
    """A dead link or anchor ends the build; no font, script or picture comes from another host."""
    built = sorted(site.rglob("*.html"))
    assert len(built) > len(pages())
    for page in built:
        loaded = _Loaded()
        loaded.feed(page.read_text())
        assert [one for one in loaded.found if one.startswith(("http:", "https:", "//"))] == []
        for one in loaded.found:
            path = one.partition("?")[0]
            there = site / path[1:] if path.startswith("/") else page.parent / path
            assert not path or path.startswith("data:") or there.exists(), (page.name, one)
    styles = "".join(one.read_text() for one in site.rglob("*.css"))
    assert re.findall(r"url\([\"']?https?:", styles) == []
    assert (site / "search" / "search_index.json").stat().st_size > 100_000


@pytest.mark.local
@pytest.mark.timeout(900)
def test_no_markdown_is_left_over_on_the_site(site: Path) -> None:
    """What mkdocs does not understand it prints as it stands."""
    for page in site.rglob("*.html"):
        text = re.sub(r"<(pre|code|script)\b.*?</\1>", "", page.read_text(), flags=re.DOTALL)
        visible = re.sub(r"<[^>]+>", "", text)
        assert "```" not in visible, page
        assert not re.search(r"^\s*\|[- |]+\|\s*$", visible, re.MULTILINE), page
        assert not re.search(r"\]\([^)\s]+\.md[)#]", visible), page
