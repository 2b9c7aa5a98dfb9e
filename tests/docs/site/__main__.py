"""`python -m tests.docs.site [FOLDER]`: the site, strictly: a dead link or anchor ends it.

Exit status: 0 built, 1 something is wrong with the pages, 75 mkdocs cannot be installed here.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.docs.site.install import NoSite, installed
from tests.docs.snippets import ROOT

NO_SITE: Final = 75
FOLDER: Final = ROOT / "build" / "site"


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """What mkdocs said, and its exit status. Raises NoSite."""
    command: list[str | Path] = [
        installed(), "-m", "mkdocs", "build", "--strict", "--clean", "--site-dir", folder,
    ]  # fmt: skip
    # Else the theme asks to be paid attention to, and Python writes next to the sources.
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=False, text=True, timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def main() -> int:
    """Build it where the argument says."""
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else FOLDER
    try:
        done = build(folder)
    except NoSite as error:
        print(f"no site: {error}", file=sys.stderr)
        return NO_SITE
    print(done.stdout, end="", file=sys.stderr if done.returncode else sys.stdout)
    if done.returncode == 0:
        print(f"look at it: python3 -m http.server -d {folder}")
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
