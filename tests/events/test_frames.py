"""Frames: what is written is read again, and what is damaged is never taken for something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.events import frames
from pointsman.events.frames import FrameError

_LINES = st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), min_size=1)
_SPOOL = "0123456789abcdef"


@given(_LINES, st.integers(1, 10**17))
def test_what_was_written_is_read(lines: list[bytes], first: int) -> None:
    """A frame gives its events back, and where it ends."""
    data = frames.build(1, _SPOOL, first, lines)
    frame, end = frames.read(b"xx" + data, 2)
    assert (frame.spool, frame.first, frame.after) == (_SPOOL, first, first + len(lines))
    assert frame.lines() == lines
    assert end == len(data) + 2


@given(_LINES, st.data())
def test_no_damage_goes_unseen(lines: list[bytes], data: st.DataObject) -> None:
    """Whatever single byte is another: an error, or (in the head) another frame with the events."""
    good = frames.build(1, _SPOOL, 7, lines)
    at = data.draw(st.integers(0, len(good) - 1))
    flip = data.draw(st.integers(1, 255))
    bad = good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :]
    try:
        frame, _ = frames.read(bad)
    except FrameError:
        return
    assert at < good.index(b"\n"), "the events themselves are under the checksum"
    assert frame.lines() == lines


@given(_LINES, st.data())
@pytest.mark.slow
def test_a_beginning_is_told_from_damage(lines: list[bytes], data: st.DataObject) -> None:
    """A frame that was not written to its end is torn, wherever it stops."""
    whole = frames.build(1, _SPOOL, 1, lines)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(FrameError) as found:
        frames.read(cut)
    assert found.value.torn


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\n",
        b"pointsman-events 1 0123456789abcdef 0 1 1 00000000\n\n",
        b"pointsman-events 1 0123456789abcdef 1 0 0 00000000\n",
        b"pointsman-events 1 ../../../../etc 1 1 1 00000000\n\n",
        b"pointsman-events 1 0123456789abcdef 1 1 99999999 00000000\n",
        b"x" * 1000,
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    """None is taken for one, and none for a beginning that may become one."""
    with pytest.raises(FrameError) as found:
        frames.read(data)
    assert not found.value.torn


def test_frames_follow_each_other() -> None:
    """All of a file, in order."""
    data = b"".join(frames.build(1, _SPOOL, first, [b"a", b"b"]) for first in (1, 3, 9))
    assert [frame.first for frame in frames.read_all(data)] == [1, 3, 9]
