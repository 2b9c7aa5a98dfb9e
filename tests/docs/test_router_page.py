"""The router's page has every path and every error that a caller can get."""

import re

from pointsman.router.serve import feedback
from pointsman.router.serve.review import telling
from pointsman.router.wire.operation import OPERATIONS
from tests.docs.snippets import ROOT

PAGE = (ROOT / "router" / "README.md").read_text()
SOURCES = [
    path.read_text()
    for path in (ROOT / "router/src/pointsman/router").rglob("*.py")
    if path.name != "pinned.py"  # the admin port's
]
SPELLED = re.compile(r'\b(?:code ?= ?|GOING_AWAY: Final = |error_event\(\w+, )"(\w+)"')


def test_every_code_of_an_error_is_in_the_table() -> None:
    """An application that looks at `code` finds it there."""
    table = PAGE.partition("## What callers may ask")[2].partition("\n## ")[0]
    codes = {code for text in SOURCES for code in SPELLED.findall(text)}

    assert codes > {"draining", "backend_refused", "invalid_api_key", "no_vetted_backend"}
    assert [code for code in sorted(codes) if f"`{code}`" not in table] == []


def test_every_path_of_the_admin_port_is_in_its_table() -> None:
    """Those that only the operator asks, too."""
    source = next(text for text in SOURCES if "class Admin:" in text)
    paths = set(re.findall(r'"(/admin/[a-z/]+)"', source))
    table = PAGE.partition("## Admin port")[2].partition("\n## ")[0]

    assert len(paths) == 4
    assert [path for path in sorted(paths) if path not in table] == []


def test_every_path_is_on_both_pages() -> None:
    """What nobody reads of is asked by nobody."""
    paths = {*OPERATIONS, feedback.PATH, telling.PATH}
    api = (ROOT / "docs" / "api.md").read_text()

    assert len(paths) > 6
    for page in (PAGE, api):
        assert [path for path in sorted(paths) if path.decode() not in page] == []
