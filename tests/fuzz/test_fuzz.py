"""The corpus seed by seed, and a short run; `python -m tests.fuzz` is a long one."""

from functools import partial

import pytest

from tests.fuzz import corpus
from tests.fuzz.__main__ import SUBJECTS, fuzz
from tests.fuzz.opinions import (
    answer_disagreement,
    h11s,
    our_answer,
    ours,
    pieces,
    request_disagreement,
)

INPUTS = 3000


def every_byte(data: bytes) -> list[int]:
    """Cuts at each byte, of long data at each 97th."""
    return list(range(0, len(data), 1 if len(data) < 1000 else 97))


@pytest.mark.parametrize("name", corpus.READABLE)
def test_what_is_a_request_is_read(name: str) -> None:
    """By both, in the same way, also byte by byte."""
    data = corpus.READABLE[name]
    reading = ours([data])
    assert reading.messages
    assert len(reading.messages) == len(h11s(data).messages)
    assert reading.end in ("waiting", "closed")
    assert request_disagreement(data, every_byte(data)) == ""


@pytest.mark.parametrize("name", corpus.REFUSED)
def test_a_smuggling_shape_is_refused(name: str) -> None:
    """Not one request is made of it, whole or byte by byte."""
    data = corpus.REFUSED[name]
    for cuts in ([], every_byte(data)):
        reading = ours(pieces(data, cuts))
        assert (reading.messages, reading.end) == ([], "refused")
    assert request_disagreement(data, every_byte(data)) == ""


@pytest.mark.parametrize("name", corpus.ANSWERS)
def test_an_answer_means_the_same_to_both(name: str) -> None:
    """Or it is refused."""
    data = corpus.ANSWERS[name]
    assert answer_disagreement(data, every_byte(data)) == ""


@pytest.mark.parametrize(
    "name",
    ["surplus", "surplus line", "second answer", "204 with a body", "304 with chunks", "to the end",
     "close", "HTTP/1.0"],
)  # fmt: skip
def test_a_connection_that_may_hold_more_is_not_used_again(name: str) -> None:
    """The answer counts; the next request's answer cannot begin with what followed it."""
    answer = our_answer([corpus.ANSWERS[name]])
    assert (answer.end, answer.reusable) == ("complete", False)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_short_run_finds_no_disagreement(subject: str) -> None:
    """Always the same inputs."""
    found: list[str] = []
    inputs = range(INPUTS // 10 if subject == "streams" else INPUTS)  # each is parsed four times
    assert fuzz(subject, 1, inputs, found.append) == 0, "\n".join(found)


def test_the_fuzzer_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a second opinion that is wrong on purpose there is something to find."""
    seeds, _ = SUBJECTS["requests"]

    def blind(data: bytes, cuts: object) -> str:
        return "read" if ours([data]).messages else ""

    monkeypatch.setitem(SUBJECTS, "requests", (seeds, blind))
    found: list[str] = []
    assert fuzz("requests", 1, range(200), found.append) > 0
    again = partial(fuzz, "requests", 1)
    number = int(found[0].partition("--only ")[2].partition(":")[0])
    shown: list[str] = []
    assert again(range(number, number + 1), shown.append) == 1
    assert shown[0] == found[0]
