"""Images that hold another version of our programs than this checkout: a folder each.

Every container runs the programs of the virtual environment that runs the tests, unless its image
stands here. The file is read whenever a container starts, so images may be added at any time.
"""

import json
from pathlib import Path
from typing import Final

FILE: Final = "images.json"
"""In the bench's folder: image -> the folder of its programs."""


def add(directory: Path, image: str, programs: Path) -> None:
    """From now on containers of `image` find their command there first."""
    file = directory / FILE
    held = json.loads(file.read_text()) if file.exists() else {}
    half = file.with_suffix(".new")
    half.write_text(json.dumps(held | {image: str(programs)}))
    half.rename(file)


def programs_of(directory: Path, image: str) -> Path | None:
    """The folder of an image's programs; None where it holds what the checkout holds."""
    file = directory / FILE
    found = json.loads(file.read_text()).get(image) if file.exists() else None
    return Path(found) if found else None
