"""The events: what was encoded is decoded; what is no event is refused without telling its text."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.events import schema
from pointsman.events.schema import EventError, Feedback, Replicas, Request, Text, Try

_TEXT = st.text(max_size=30)
_TRIES = st.lists(st.builds(Try, backend=_TEXT, reason=_TEXT), max_size=3).map(tuple)
REQUESTS = st.builds(
    Request,
    decision=_TEXT,
    at_ms=st.integers(0, 2**62),
    candidates=st.lists(_TEXT, max_size=3).map(tuple),
    left=_TRIES,
    status=st.integers(100, 599),
    cost_nano=st.integers(0, 2**62),
    text=st.none() | st.builds(Text, how=st.sampled_from(["Hash", "Full"]), prompt=_TEXT),
)
FEEDBACKS = st.builds(
    Feedback,
    comment=_TEXT,
    score=st.none() | st.floats(0, 1),
    good=st.none() | st.booleans(),
)


WINDOWS = st.builds(Replicas, account=_TEXT, from_ms=st.integers(0, 2**62), currency=_TEXT)


@given(REQUESTS | FEEDBACKS | WINDOWS)
@pytest.mark.slow
def test_an_event_survives_its_line(event: schema.Event) -> None:
    """Encoded and decoded it is the same, and has no line end in it."""
    line = schema.encode(event)
    assert b"\n" not in line
    assert schema.decode(line) == event


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"nonsense-secret",
        b'{"type":"reqest"}',
        b'{"type":"request"}',
        b'{"type":"feedback","id":5,"at_ms":1}',
        b'{"type":"feedback","id":"a","at_ms":1,"verdict":"secret"}',
        b"\xff\xfe",
        b'{"type":"feedback","id":"\xff","at_ms":1}',
        b"[" * 100_000,
        b'{"type":"feedback","comment":"' + b"x" * schema.MAX_EVENT_BYTES + b'"}',
    ],
)
def test_what_is_no_event_is_refused(line: bytes) -> None:
    """With an error that holds no text of the line."""
    with pytest.raises(EventError) as found:
        schema.decode(line)
    assert "secret" not in str(found.value)


def test_later_fields_do_not_hurt() -> None:
    """A field that this version does not know is passed over."""
    line = schema.encode(Feedback(id="a", at_ms=1, good=True))
    assert schema.decode(line[:-1] + b',"later":[1]}') == schema.decode(line)


def test_an_event_without_text_is_small() -> None:
    """The size that bounds in the documentation are stated by."""
    request = Request(
        decision="a1b2c3d4e5-1f4a2", at_ms=1_764_000_000_000, policy="support-desk",
        revision="support-desk-6b7f9c", rule="coding", task="coding", language="en",
        confidence=0.9, context_tokens=812, candidates=("coder", "general"), backend="coder",
        model="deepseek-v3", status=200, outcome="Ok", duration_us=1_200_000, overhead_us=140,
        input_tokens=800, output_tokens=240, cost_nano=480_000, baseline_nano=2_900_000,
        currency="USD", response_id="chatcmpl-0123456789abcdef", reported_model="deepseek-v3",
        fingerprint="fp_0123456789", finish="stop", caller="shop", team="retail",
    )  # fmt: skip
    assert len(msgspec.json.encode(request)) < 800
