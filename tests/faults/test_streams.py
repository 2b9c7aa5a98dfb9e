"""A router ends behind another: what its streams may lose, in short and small.

The whole of it, a thousand streams for a minute, is `python -m tests.faults.streams`.
"""

import dataclasses

import pytest

from tests.faults.streams import Stream, judge, run

TEXT = "a b c d"
WHOLE = Stream(begun_s=1, ended_s=5, status=200, text=TEXT, done=True, error="", whole=True)
CUT = dataclasses.replace(WHOLE, text="a b", done=False, error="upstream_disconnected")


def test_the_judge_lets_by_what_the_rule_allows() -> None:
    """Whole answers, and streams that had begun where somebody was killed."""
    assert judge([WHOLE, CUT], TEXT, killed_s=3) == (1, [])


@pytest.mark.parametrize(
    ("one", "sort"),
    [
        (dataclasses.replace(WHOLE, status=502, text=""), "status 502"),
        (dataclasses.replace(CUT, whole=False), "a body without its end"),
        (dataclasses.replace(CUT, done=True), "[DONE] behind an error"),
        (dataclasses.replace(WHOLE, text="a b c e"), "another text"),
        (dataclasses.replace(CUT, error=""), "a silent end"),
        (dataclasses.replace(CUT, text=""), "cut before its first content"),
        (dataclasses.replace(CUT, begun_s=4), "upstream_disconnected without a kill"),
        (dataclasses.replace(CUT, ended_s=2), "upstream_disconnected without a kill"),
        (dataclasses.replace(CUT, text="a c"), "another text before its error"),
    ],
)
def test_the_judge_sees_what_was_broken(one: Stream, sort: str) -> None:
    """Each promise by itself."""
    cut, broken = judge([one], TEXT, killed_s=3)
    assert (cut, [found for found, _ in broken]) == (0, [sort])


@pytest.mark.extended
@pytest.mark.local
@pytest.mark.timeout(120)
def test_streams_lose_only_what_the_commit_rule_allows() -> None:
    """One of two routers behind the first is restarted, the other killed, under 50 streams."""
    seen = run(50, 40.0)
    print(f"{seen.ended} streams, {seen.cut} cut by the kill")
    assert seen.broken == []
    assert seen.most_at_once == 50
