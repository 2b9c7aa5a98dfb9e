"""The rules of the tree, executed."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path for part in ("crds", "operator", "router") for path in (ROOT / part / "src").rglob("*.py")
)


def tracked() -> list[str]:
    """Files that git knows; the test is skipped aloud outside a checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not run: this is not a git checkout")
    return [name for name in listed.stdout.split("\0") if name]


def test_a_top_level_folder_is_never_a_package() -> None:
    """`operator/__init__.py` would shadow the standard library for `python -m pytest`."""
    assert [str(path) for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"] == []


def test_the_namespace_has_no_init() -> None:
    """One `__init__.py` and the other parts vanish from editable installs."""
    assert list(ROOT.glob("*/src/pointsman/__init__.py")) == []


def test_every_test_folder_is_a_package() -> None:
    """Otherwise two test files of one name collide."""
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}

    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_no_source_file_is_over_400_lines() -> None:
    """A file that outgrew its room is two."""
    long = {
        str(path.relative_to(ROOT)): count
        for path in SOURCES
        if (count := len(path.read_text().splitlines())) > 400
    }

    assert long == {}


def test_no_file_has_an_empty_name() -> None:
    """Names that say nothing hide what belongs elsewhere."""
    banned = {"utils", "common", "helpers", "core", "base", "manager", "misc"}

    assert [str(path) for path in SOURCES if path.stem in banned] == []


def test_the_version_is_one() -> None:
    """pyproject, both charts and the changelog speak of the same version."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    charts = {
        re.search(r"^version: *\"?([^\"\n]+)", path.read_text(), re.MULTILINE)[1]  # type: ignore[index]
        for path in (ROOT / "charts").glob("*/Chart.yaml")
    }

    assert charts == {version}


def test_the_lock_has_hashes_and_no_addresses() -> None:
    """A lock that names a registry works for nobody else."""
    lock = (ROOT / "requirements.lock").read_text()

    assert "://" not in lock
    pinned = re.split(r"\n(?=\S)", lock.strip())
    assert len(pinned) > 50
    assert [one for one in pinned if "==" not in one or "--hash=sha256:" not in one] == []


def test_wheels_are_compiled_by_what_is_tested() -> None:
    """Their lock is a part of the one that the tests run with; tests/images asks that of images."""
    text = (ROOT / "requirements-build.lock").read_text()
    pins = r"^\S+==\S+"
    tested = (ROOT / "requirements.lock").read_text()

    assert set(re.findall(pins, text, re.MULTILINE)) <= set(re.findall(pins, tested, re.MULTILINE))
    assert "://" not in text


def test_nothing_tracked_names_a_place_of_one_machine() -> None:
    """No home folders, no registry hosts, no generated lock with addresses."""
    words = [r"/(?:root|home/\w+)/", "index" + "-url", r"\"resolved\": *\"http", "pypi" + r"\.org"]
    pattern = re.compile("|".join(words).encode())
    found = [
        name
        for name in tracked()
        if (ROOT / name).is_file()
        and pattern.search((ROOT / name).read_bytes())
        and name != "tests/test_layout.py"  # which spells them
    ]

    assert found == []
