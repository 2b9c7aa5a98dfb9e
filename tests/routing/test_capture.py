"""What is taken out of a text is every byte that any pattern finds, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.redaction import compiled
from pointsman.api.table import Capture, TableError
from pointsman.router.wire.excerpt import HEAD_BYTES, MARGIN, TAIL_BYTES, Excerpt
from pointsman.routing.capture import REDACTED, compile_capture, redacted

PATTERNS = [compiled(pattern) for pattern in ("ab+", "ba", "c.", "[é-ü]", "aab")]


@given(st.text("abcé \n", max_size=60), st.sets(st.sampled_from(PATTERNS)))
def test_every_match_is_gone_and_the_rest_is_there(text: str, patterns: set) -> None:  # type: ignore[type-arg]
    """Compared with a mask of bytes; the order of patterns does not matter."""
    raw = text.encode()
    hidden = [False] * len(raw)
    for pattern in patterns:
        for begin, end in pattern.spans(raw):
            hidden[begin:end] = [True] * (end - begin)
    expected = b""
    for index, byte in enumerate(raw):
        if not hidden[index]:
            expected += bytes([byte])
        elif not index or not hidden[index - 1]:
            expected += REDACTED
    ordered = sorted(patterns, key=PATTERNS.index)
    assert redacted(raw, ordered) == redacted(raw, ordered[::-1]) == expected


@given(
    st.lists(st.integers(0, HEAD_BYTES), max_size=6),
    st.integers(0, 200_000),
    st.integers(0, MARGIN - 1),
    st.integers(2, MARGIN - 1),
    st.booleans(),
)
def test_a_secret_is_never_halved(
    cuts: list[int], total: int, before: int, length: int, in_head: bool
) -> None:
    """Wherever it lies around what is held, in whatever pieces the text comes."""
    edge = HEAD_BYTES + MARGIN if in_head else total - TAIL_BYTES - MARGIN
    at = max(edge - before, 0)
    data = (b"-" * at + b"k" * length).ljust(total, b"-")
    size = len(data)
    excerpt = Excerpt()
    for cut in cuts:
        excerpt.add(data[:cut])
        data = data[cut:]
    excerpt.add(data)
    shown = excerpt.text(lambda raw: raw.replace(b"k" * length, b"*"))
    assert b"k" not in shown, "gone whole, or not shown at all"
    assert excerpt.held_bytes <= HEAD_BYTES + MARGIN + 2 * (TAIL_BYTES + MARGIN)
    assert excerpt.is_cut or len(shown) == size - length + 1


def test_what_fits_is_whole() -> None:
    """Up to both ends together with their margins."""
    most = HEAD_BYTES + TAIL_BYTES + 2 * MARGIN
    for size, is_cut in ((most, False), (most + 1, True)):
        excerpt = Excerpt()
        excerpt.add(b"a" * size)
        assert excerpt.is_cut is is_cut
        shown = excerpt.text(bytes)
        assert (len(shown) == size) is not is_cut
        assert (b"bytes left out]" in shown) is is_cut


@pytest.mark.parametrize("percent", [1, 30, 99, 100])
def test_a_share_is_even(percent: int) -> None:
    """Of 20,000 ids in a row, as routers give them."""
    capture = compile_capture(Capture(mode="Sampled", percent=percent, keep_s=1), "desk")
    taken = sum(capture.takes(b"785365cc53-%x" % number) for number in range(20_000))
    expected = 200 * percent
    assert abs(taken - expected) <= 5 * (expected * (1 - percent / 100)) ** 0.5


@pytest.mark.parametrize(
    ("capture", "words"),
    [
        (Capture(mode="Full", keep_s=1, patterns=("(",)), "is no pattern"),
        (Capture(mode="Full", keep_s=1, built_in=("ApiKey", "Iban")), "does not know all"),
        (Capture(mode="Full", keep_s=0), "out of range"),
        (Capture(mode="Sampled", percent=0, keep_s=1), "out of range"),
    ],
)
def test_what_a_router_cannot_obey_is_refused(capture: Capture, words: str) -> None:
    """A pattern that is left out would be a secret that is kept."""
    with pytest.raises(TableError, match=words):
        compile_capture(capture, "desk")
