"""The hot path stays short: its calls are counted, for a count does not depend on the machine."""

from tests.perf.inprocess import WARM, Loop, counted

MOST: int = 75
"""149 before heads and answers that repeat were read once; 68 when this was written."""


async def test_a_plain_request_takes_few_calls() -> None:
    """Rules on headers, a kept connection on both sides, an answer in one read."""
    loop = Loop("plain")
    for number in range(WARM):
        loop.once(number)
    told = counted(loop)
    assert 0 < float(told.rsplit("\n", 1)[1].split()[0]) <= MOST, told
