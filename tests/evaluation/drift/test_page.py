"""The example of docs/drift.md does what stands below it."""

import contextlib
import io

from tests.docs.snippets import ROOT, snippets


def test_the_example_prints_what_the_page_shows() -> None:
    """Line breaks aside."""
    code, shown = snippets(ROOT / "docs" / "drift.md")[:2]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code.text, str(code), "exec"), {})

    assert printed.getvalue().split() == shown.text.split()
