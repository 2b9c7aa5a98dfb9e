"""The file of results: what is in it survives, and what does not belong together stays apart."""

from pathlib import Path

import pytest

from pointsman.evaluation.running.results import FORMAT, Asked, BadResults, Head, ResultFile
from pointsman.evaluation.suite.calls import Call

HEAD = Head(format=FORMAT, suite="s", content="abc", file="f")
ASKED = Asked(target="t", url="http://a/v1", model="m")


def call(prompt: str) -> Call:
    return Call(target="t", run=0, prompt=prompt, at_ms=1, text="é\u2028\x00")


def filled(path: Path, count: int = 3) -> None:
    file = ResultFile.open(path, HEAD)
    file.name_target(ASKED)
    for number in range(count):
        file.append(call(f"p{number}"))
    file.close()


def test_the_next_start_finds_every_call(tmp_path: Path) -> None:
    """In their order, and goes on."""
    path = tmp_path / "new" / "r.jsonl"
    filled(path)
    file = ResultFile.open(path, HEAD)
    file.name_target(ASKED)
    file.append(call("p3"))
    file.close()

    again = ResultFile.open(path, HEAD)
    assert again.calls == [call(f"p{i}") for i in range(4)]
    again.close()
    assert path.read_bytes().count(b"\n") == 6


def test_a_crash_anywhere_costs_the_line_that_it_cut(tmp_path: Path) -> None:
    """At every byte of the last line; what is written next stands in a line of its own."""
    path = tmp_path / "r.jsonl"
    filled(path)
    whole = path.read_bytes()
    for size in range(whole.rindex(b"\n", 0, -1) + 1, len(whole)):
        path.write_bytes(whole[:size])
        file = ResultFile.open(path, HEAD)
        assert len(file.calls) == 2
        file.append(call("p2"))
        file.close()
        assert path.read_bytes() == whole


@pytest.mark.parametrize("size", [0, 5, 20])
def test_a_crash_before_the_first_line_is_a_new_file(tmp_path: Path, size: int) -> None:
    """Nothing was asked."""
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"type":"suite","format":1'[:size])
    file = ResultFile.open(path, HEAD)
    file.close()

    assert path.read_bytes().startswith(b'{"type":"suite","format":1')


def test_results_of_another_content_are_refused(tmp_path: Path) -> None:
    """And the file stays as it is."""
    path = tmp_path / "r.jsonl"
    filled(path)
    before = path.read_bytes()
    with pytest.raises(BadResults, match=r"content abc; this is s with content def.*--results"):
        ResultFile.open(path, Head(format=FORMAT, suite="s", content="def", file="f"))

    assert path.read_bytes() == before


def test_a_name_stays_whose_it_was(tmp_path: Path) -> None:
    """Another URL under the same name would mix two models."""
    path = tmp_path / "r.jsonl"
    filled(path)
    file = ResultFile.open(path, HEAD)
    with pytest.raises(BadResults, match="t was model m at http://a/v1, and is now m at http://b"):
        file.name_target(Asked(target="t", url="http://b/v1", model="m"))
    file.close()


@pytest.mark.parametrize(
    "damage",
    [
        b"x\n",
        b"{}\n",
        b"\xff\n",
        b'{"type":"suite","format":1,"suite":"s","content":"","file":""}\n',
    ],
)  # fmt: skip
def test_any_other_damage_is_named_by_its_line(tmp_path: Path, damage: bytes) -> None:
    """Nothing is thrown away that was paid for."""
    path = tmp_path / "r.jsonl"
    filled(path)
    path.write_bytes(path.read_bytes() + damage)
    before = path.read_bytes()
    with pytest.raises(BadResults, match=r"r\.jsonl:6: "):
        ResultFile.open(path, HEAD)

    assert path.read_bytes() == before


@pytest.mark.parametrize("text", [b"my notes\nmore", b"my notes", b'{"type":"other"}'])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, text: bytes) -> None:
    """However it ends."""
    path = tmp_path / "notes.txt"
    path.write_bytes(text)
    with pytest.raises(BadResults, match=r"no line of results|no file of results"):
        ResultFile.open(path, HEAD)

    assert path.read_bytes() == text


def test_results_are_nobody_elses_to_read(tmp_path: Path) -> None:
    """Answers are in them in full."""
    path = tmp_path / "r.jsonl"
    filled(path)

    assert path.stat().st_mode & 0o777 == 0o600


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Two would pay twice."""
    path = tmp_path / "r.jsonl"
    file = ResultFile.open(path, HEAD)
    with pytest.raises(BadResults, match="another process"):
        ResultFile.open(path, HEAD)
    file.close()
    ResultFile.open(path, HEAD).close()
