"""The hot path stays short: its calls are counted, for a count does not depend on the machine."""

import pytest

from tests.perf.inprocess import WARM, Loop, counted

MOST: int = 81
"""149 before heads and answers that repeat were read once, then 68; 73 with layers for limits,
budgets, texts and signals that have nothing to do. 80 since records of the path are classes that
compile: what C made before is a call where nothing is compiled, and takes less time as well."""
MOST_SPILL: int = MOST + 10
"""Of a route that asks whether its first backend is full: 9 more, 2.5 us."""


MOST_LIMITED: int = MOST + 55
"""Of a caller with every limit there is, of its own and of its team."""

MOST_RECORDED: int = 12
"""Of an event for the ledger: 10, 4 to 5 us."""

MOST_TRACED: int = MOST + 30
"""Of a request that is recorded as spans; without a collector the first bound holds."""


MORE_PREDICTED: int = 60
"""Of a policy that predicts, beyond one whose rules look at the text."""


MOST_ROLLOUT: int = MOST + 12
"""Of a policy with a candidate: which conversation it is, its arm, and what became of it."""


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        ("plain", MOST),
        ("spill", MOST_SPILL),
        ("limited", MOST_LIMITED),
        ("rollout", MOST_ROLLOUT),
    ],
)
async def test_a_plain_request_takes_few_calls(kind: str, most: int) -> None:
    """Rules on headers, a kept connection on both sides, an answer in one read."""
    loop = Loop(kind)
    for number in range(WARM):
        loop.once(number)
    told = counted(loop)
    assert 0 < float(told.rsplit("\n", 1)[1].split()[0]) <= most, told
    assert ("Spill" in told) is (kind == "spill")
    assert ("Ticket" in told) is (kind == "limited")
    assert ("Arm.count" in told) is (kind == "rollout")
    assert "Predictor" not in told


async def test_a_prediction_takes_few_calls_beside_the_analysis() -> None:
    """Features, scores, the choice and the conversation."""
    counts = []
    for kind in ("tasks", "predictor"):
        loop = Loop(kind)
        for number in range(WARM):
            loop.once(number)
        told = counted(loop)
        assert ("Predictor.predict" in told) is (kind == "predictor")
        counts.append(float(told.rsplit("\n", 1)[1].split()[0]))
    assert 0 < counts[1] - counts[0] <= MORE_PREDICTED, counts


async def test_an_event_takes_few_calls() -> None:
    """Made, encoded and kept: 5 us at most, of which a count does not depend on the machine."""
    taken = []
    for record in (False, True):
        loop = Loop("tasks", record=record)
        for number in range(WARM):
            loop.once(number)
        taken.append(counted(loop))
    without, recorded = (float(told.rsplit("\n", 1)[1].split()[0]) for told in taken)
    assert "Spool.put" in taken[1]
    assert 0 < recorded - without <= MOST_RECORDED, taken[1]


@pytest.mark.parametrize("share", [0.0, 1.0])
async def test_spans_take_few_calls(share: float) -> None:
    """Whether a request is recorded or only measured."""
    loop = Loop("plain", trace=share)
    for number in range(WARM):
        loop.once(number)
    told = counted(loop)
    assert "Tracing" in told
    assert 0 < float(told.rsplit("\n", 1)[1].split()[0]) <= MOST_TRACED, told
