"""What is kept: its size has a bound, and damage is told from what was written."""

import gzip
import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.evaluation.drift.errors import BadState
from pointsman.evaluation.drift.stream import Direction
from pointsman.operator.cluster.drift_state import MAX_BYTES
from pointsman.operator.plan.drifting.folding import rebaselined, take
from pointsman.operator.plan.drifting.record import Held, Record, dump, load
from pointsman.operator.plan.drifting.telling import told
from pointsman.operator.plan.drifting.traffic import begun, settled
from pointsman.operator.plan.drifting.wish import Wish
from tests.operator.drifting.runs import BEGIN_MS, UID, WISH, answer, folded, model_run, run_of


@pytest.mark.slow
def test_the_largest_suite_fits() -> None:
    """2,000 prompts with names and scores that nothing compresses, 20 runs of them."""
    dice = Random(1)
    names = [f"{dice.getrandbits(250):063x}"[:63] for _ in range(2000)]
    wish = Wish(model="model-a", golden=True, runs=20)
    record, _ = folded(
        [
            run_of([answer(name, "Chat", dice.random()) for name in names], number)
            for number in range(20)
        ],
        wish=wish,
    )
    assert record.golden
    assert len(record.golden.streams) == 1
    twice = msgspec.structs.replace(record.golden, later=record.golden.prompts, later_runs=20)

    assert len(dump(record)) < MAX_BYTES
    assert len(dump(msgspec.structs.replace(record, golden=twice))) < MAX_BYTES


def test_usual_suites_are_small() -> None:
    """200 prompts, 5 runs, right or wrong: what is written after each run."""
    record, _ = folded([model_run(n, prompts=100) for n in range(8)])

    assert len(dump(record)) < 10_000


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_refused(data: bytes) -> None:
    """Never another error."""
    for stored in (data, gzip.compress(data)):
        with pytest.raises(BadState):
            load(stored)


def worsened() -> Record:
    runs = [model_run(n, prompts=10) for n in range(5)]
    runs += [model_run(n, prompts=10, lost={"Chat": 1.0, "Coding": 1.0}) for n in range(5, 8)]
    return folded(runs)[0]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("version",), 99),
        (("golden", "alpha"), 2),
        (("golden", "wanted"), 0),
        (("golden", "wanted"), 4),
        (("golden", "prompts", "Chat-1"), ["Chat", [-1]]),
        (("golden", "prompts", "Chat-1"), ["Chat", [0] * 6]),
        (("golden", "streams", "all", "recovery"), None),
        (("golden", "streams", "all", "found"), None),
        (("golden", "streams", "all", "recovery", "lost"), 7),
        (("golden", "streams", "all", "state", "count"), -1),
        (("golden", "streams", "all", "state", "version"), 2),
        (("uid",), 5),
    ],
)
def test_what_cannot_be_is_refused(place: tuple[str, ...], value: object) -> None:
    """Written by hand, or by another release."""
    whole = json.loads(gzip.decompress(dump(worsened())))
    inner = whole
    for key in place[:-1]:
        inner = inner[key]
    assert place[-1] in inner
    inner[place[-1]] = value
    with pytest.raises(BadState):
        load(gzip.compress(json.dumps(whole).encode()))


def leaves(node: object, place: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Where the values of a JSON document stand, inner nodes too."""
    found = [place] if place else []
    if isinstance(node, list):
        node = dict(enumerate(node))
    for key, value in node.items() if isinstance(node, dict) else ():
        found += leaves(value, (*place, key))
    return found


WHOLE = gzip.decompress(dump(worsened()))
PLACES = leaves(json.loads(WHOLE))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(PLACES),
    st.sampled_from(
        [None, -1, 0, 1, 10**15, 10**18, 0.5, -0.5, 1e300, "", "x", [], {}, [[]], True]
    ),
)
def test_what_is_read_can_be_gone_on_with(place: tuple[Any, ...], value: object) -> None:
    """Whatever stands in the ConfigMap: refused, or told and folded without an error."""
    whole = inner = json.loads(WHOLE)
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    try:
        record = load(gzip.compress(json.dumps(whole).encode()))
    except BadState:
        return
    told(record, WISH)
    after, _ = take(record, model_run(30, prompts=10), WISH)
    told(after, WISH)
    settled(begun(after, WISH, now_ms=BEGIN_MS), now_ms=BEGIN_MS)
    rebaselined(after, "x", WISH, now_ms=BEGIN_MS)
    assert load(dump(after)) == after


def test_equal_records_have_equal_bytes() -> None:
    """So that nothing is written where nothing changed."""
    assert dump(worsened()) == dump(load(dump(worsened())))
    assert dump(Record(uid=UID)) == dump(Record(uid=UID))


def test_an_alarm_that_is_held_is_checked() -> None:
    """Somebody may have edited it."""
    held = Held(
        task="Chat", direction=Direction.WORSE, change=-0.2, low=-0.3, high=-0.1, evidence=900.0,
        needed=800.0, alpha=0.01, count=90, since_ms=BEGIN_MS,
    )  # fmt: skip
    record = Record(uid=UID, held=(held,))
    assert load(dump(record)) == record
    wrong = [
        (held, held),
        (msgspec.structs.replace(held, count=-1),),
        (msgspec.structs.replace(held, since_ms=-1),),
        (msgspec.structs.replace(held, alpha=0.0),),
        tuple(msgspec.structs.replace(held, task=f"t{n}") for n in range(65)),
    ]
    for one in wrong:
        with pytest.raises(BadState):
            load(dump(msgspec.structs.replace(record, held=one)))
