"""
All that is kept of whether a backend drifted: bytes that a ConfigMap holds, whatever the suite.

2,000 prompts with 20 runs of scores that nothing compresses stay below 700 KiB. What cannot be read
is BadState, with the reason: then everything begins anew, and that is said.
"""

import gzip
import math
import zlib
from collections.abc import Mapping
from typing import Final

import msgspec

from pointsman.evaluation.drift import passive, recovery, stream
from pointsman.evaluation.drift.errors import BadState
from pointsman.evaluation.drift.passive import Watch
from pointsman.evaluation.drift.recovery import Recovery

VERSION: Final = 1
MAX_BYTES: Final = 64 * 1024 * 1024
"""Of what is unpacked: somebody may have written anything."""
MICRO: Final = 1_000_000
MOST_HELD: Final = 64

LAST_MS: Final = 253_402_300_799_000
"""The end of the year 9999: no later time can be written."""
Micro = int
"""A score in millionths, as the ledger keeps it."""


class Scored(msgspec.Struct, frozen=True, array_like=True):
    """One golden prompt: its task, and its scores in the order of the runs."""

    task: str
    scores: tuple[Micro, ...] = ()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """When an alarm was raised, in Unix time: by a run that ended `at_ms`."""

    at_ms: int
    since_ms: int
    """When the run began in which the change is likeliest to have begun."""


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """The detector of one task, or of all of them together."""

    state: stream.State
    marks: tuple[tuple[int, int], ...] = ()
    """(scores before it, when it began in Unix ms) of the last runs: probe number to time."""
    found: Found | None = None
    recovery: Recovery | None = None
    """There while it is drifted."""


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """Of runs of one content of one suite."""

    suite: str
    content: str
    model: str
    """What was asked for."""
    alpha: float
    wanted: int
    """Runs that make a baseline."""
    run: int = -1
    """The last that was taken: no earlier one is, nor the same again."""
    began_ms: int = 0
    ended_ms: int = 0
    """Of that run."""
    runs: int = 0
    """That were taken for this baseline, and since."""
    prompts: Mapping[str, Scored] = {}
    """Scores of the baseline, by name of the prompt; also while they are gathered."""
    streams: Mapping[str, Stream] = {}
    """By task, and "all"; none while the baseline is gathered."""
    later: Mapping[str, Scored] = {}
    """Scores since the last alarm: what a person may declare the baseline."""
    later_runs: int = 0


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One field of what a backend calls itself."""

    before: str
    after: str
    at_ms: int


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """By field: what was usual, and what is said in its place now."""

    known: Mapping[str, tuple[str, ...]] = {}
    changed: Mapping[str, Change] = {}


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one task with another content; as it was when that content was left."""

    task: str
    direction: stream.Direction
    change: float
    low: float
    high: float
    evidence: float
    needed: float
    alpha: float
    count: int
    since_ms: int


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Windows of the ledger up to `until_ms`; nothing before it is asked for again."""

    watch: Watch
    until_ms: int
    hinted_ms: int = 0
    """When a signal looked different last; 0 for never, or when it was looked into."""
    said: Mapping[str, Mapping[str, int]] = {}
    """By field: names that answers stated and that are not yet judged."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """`accepted`: the annotation's value that was heard last."""

    version: int = VERSION
    uid: str
    """The backend's: another one of that name begins anew."""
    accepted: str = ""
    golden: Golden | None = None
    held: tuple[Held, ...] = ()
    """Alarms of contents before: until somebody accepts what it does, for no run ends them."""
    names: Names = Names()
    traffic: Traffic | None = None
    fresh: str = ""
    """Why it began anew, for people; empty if it did not."""


def dump(record: Record) -> bytes:
    """Equal records have equal bytes; `load` of them is the same record."""
    return gzip.compress(msgspec.json.encode(record, order="sorted"), compresslevel=6, mtime=0)


def load(stored: bytes) -> Record:
    """Read what `dump` wrote. BadState says what is wrong with it."""
    try:
        packed = zlib.decompressobj(wbits=31)
        unpacked = packed.decompress(stored, MAX_BYTES)
        if not packed.eof:
            raise BadState("no whole record of drift")
        record = msgspec.json.decode(unpacked, type=Record)
    except (zlib.error, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadState(f"no record of drift: {error}") from error
    if record.version != VERSION:
        raise BadState(f"a record of version {record.version}; this release reads {VERSION}")
    _check(record)
    return record


def _check(record: Record) -> None:
    golden, traffic = record.golden, record.traffic
    times = [change.at_ms for change in record.names.changed.values()]
    times += [one.since_ms for one in record.held]
    _check_held(record.held)
    if traffic is not None:
        passive.load(passive.dump(traffic.watch))
        times += [traffic.until_ms, traffic.hinted_ms]
        said = [count for names in traffic.said.values() for count in names.values()]
        if any(count < 0 for count in said):
            raise BadState("a record with counts that cannot be")
    if golden is not None:
        times += [golden.began_ms, golden.ended_ms]
        for task in golden.streams.values():
            times += [time_ms for _, time_ms in task.marks]
            times += [task.found.at_ms, task.found.since_ms] if task.found else []
        _check_golden(golden)
    if any(not 0 <= time_ms <= LAST_MS for time_ms in times):
        raise BadState("a record with times that cannot be")


def _check_held(held: tuple[Held, ...]) -> None:
    if len(held) > MOST_HELD or len({one.task for one in held}) != len(held):
        raise BadState("a record with more alarms than can be")
    for one in held:
        figures = (one.change, one.low, one.high, one.evidence, one.needed)
        if not all(map(math.isfinite, figures)) or one.count < 0 or not 0 < one.alpha <= 0.5:
            raise BadState("a record with an alarm that cannot be")


def _check_golden(golden: Golden) -> None:
    if not (0 < golden.alpha <= 0.5 and 1 <= golden.wanted <= 1000):
        raise BadState("a record with settings that cannot be")
    for one in (*golden.prompts.values(), *golden.later.values()):
        if len(one.scores) > golden.wanted or any(not 0 <= score <= MICRO for score in one.scores):
            raise BadState("a record with scores that cannot be")
    for task in golden.streams.values():
        state = stream.load(stream.dump(task.state))
        if state.baseline is None or state.baseline.runs != golden.wanted:
            raise BadState("a stream without its baseline")
        if state.count and not task.marks:
            raise BadState("a stream without its times")
        if (task.recovery is None) != (state.alarm is None) or (task.found is None) != (
            state.alarm is None
        ):
            raise BadState("an alarm without its time")
        if task.recovery is not None:
            recovery.check(task.recovery)
