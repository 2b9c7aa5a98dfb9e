"""The wheel is a function of the sources: whoever builds it gets the same bytes."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.images.build import ROOT
from tests.images.oci import EPOCH

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py", "crds", "operator", "router")


def built(folder: Path, umask: int) -> tuple[str, str]:
    """(name, sha256) of the wheel of a copy of the tree in `folder`, whose files are new."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=unwanted, copy_function=shutil.copyfile)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / name)
    now = time.time() - umask
    for path in folder.rglob("*"):
        os.utime(path, (now, now))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=120,
        umask=umask,
        env=os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH), "POINTSMAN_COMPILE": "0"},
    )
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.timeout(250)
def test_the_wheel_has_the_same_bytes_in_any_folder(tmp_path: Path) -> None:
    """Other dates, another umask, a longer path."""
    first = built(tmp_path / "a", 0o022)
    second = built(tmp_path / "another/and/longer", 0o077)

    assert first == second
