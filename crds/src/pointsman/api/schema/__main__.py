"""`python -m pointsman.api.schema [--check]`: writes CRDs and pages, or says which are stale."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pointsman.api.schema.crd import KINDS, file_name, render
from pointsman.api.schema.examples import documents
from pointsman.api.schema.page import EXAMPLES, page, page_name

FOLDERS: Final = ("crds/manifests", "charts/pointsman-crds/templates")
PAGES: Final = "docs/kinds"
_REPOSITORY: Final = Path(__file__).resolve().parents[5]


def wanted(root: Path) -> dict[Path, str]:
    """Every generated file below `root`, with its content."""
    crds = {root / folder / file_name(kind): render(kind) for folder in FOLDERS for kind in KINDS}
    among = documents(_REPOSITORY)
    pages = {
        root / PAGES / page_name(kind): page(
            kind, (_REPOSITORY / EXAMPLES[kind.name]).read_text(encoding="utf-8"), among
        )
        for kind in KINDS
    }
    return crds | pages


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 fresh or written, 1 stale."""
    parser = argparse.ArgumentParser(prog="python -m pointsman.api.schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    parser.add_argument("--root", type=Path, default=_REPOSITORY, help="the repository's folder")
    options = parser.parse_args(arguments)
    stale = [
        (path, text)
        for path, text in wanted(options.root).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        shown = path.relative_to(options.root)
        if options.check:
            print(f"{shown} is stale; run `python -m pointsman.api.schema`", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {shown}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
