"""`python -m tests.docs.pictures [--check]`: draws docs/pictures, or says which are stale."""

import sys
from pathlib import Path
from typing import Final

from tests.docs.pictures.scenes import PICTURES
from tests.docs.snippets import ROOT

FOLDER: Final = ROOT / "docs" / "pictures"


def wanted() -> dict[Path, str]:
    """Each file with its content."""
    return {FOLDER / f"{picture.name}.svg": picture.svg() for picture in PICTURES}


def main() -> int:
    """Exit status: 0 fresh or written, 1 stale."""
    stale = [
        (path, text)
        for path, text in wanted().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        for path, _ in stale:
            print(f"{path.name} is stale; run `python -m tests.docs.pictures`", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for path, text in stale:
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
