"""Files that commands change: whole, or as they were; real files, and a disk that is full."""

import os
from pathlib import Path

import pytest

from pointsman.cli.__main__ import main
from pointsman.cli.writing import write_whole
from tests.support.full_disk import full_disk


@pytest.fixture
def callers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A manifest with one caller, who has two keys."""
    file = tmp_path / "callers.yaml"
    for _ in range(2):
        assert main(["key", "create", "app", "--into", str(file)]) == 0
    capsys.readouterr()
    return file


@pytest.mark.parametrize(
    "action",
    [["create", "app"], ["create", "other"], ["retire", "app"], ["limit", "app", "--rpm", "60"]],
)
def test_a_full_disk_leaves_the_callers_as_they_were(
    callers: Path, capsys: pytest.CaptureFixture[str], action: list[str]
) -> None:
    """One line with the file's name, exit 1, and no key that nobody could use."""
    before = callers.read_bytes()
    with full_disk(len(before) // 2):
        status = main(["key", *action, "--into", str(callers)])
    out, err = capsys.readouterr()

    assert (status, out, err) == (1, "", f"{callers}: File too large\n")
    assert callers.read_bytes() == before
    assert list(callers.parent.iterdir()) == [callers]


def test_a_file_keeps_its_mode_and_its_link(callers: Path, tmp_path: Path) -> None:
    """Who could not read the hashes still cannot; who links to the file still does."""
    callers.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(callers.name)
    assert main(["key", "retire", "app", "--into", str(link)]) == 0

    assert link.is_symlink()
    assert callers.stat().st_mode & 0o7777 == 0o640
    assert sorted(tmp_path.iterdir()) == [callers, link]


def test_a_new_file_has_the_mode_of_new_files(tmp_path: Path) -> None:
    """As the umask says."""
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "new", b"new")
    finally:
        os.umask(before)

    assert (tmp_path / "new").read_bytes() == b"new"
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    """A device or a pipe stays what it is."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(fifo, b"whole")
        assert os.read(reader, 100) == b"whole"
    finally:
        os.close(reader)

    assert fifo.is_fifo()
    assert list(tmp_path.iterdir()) == [fifo]
