"""What a decision remembers; bounded, and written as a short text into an annotation.

An operator that restarts with it goes on where it was; one that restarts without it (or with one
that nobody can read) holds or raises for the first stable window. A clock that went back shifts
all times along, as if nothing had passed.
"""

from typing import Final

import msgspec

STABLE_S: Final = 60.0
PANIC_S: Final = 6.0
"""Knative KPA's windows: 60 s, and 10 % of it."""
LONGEST_S: Final = 300.0
"""How far back the demand is averaged at most."""
GAP_S: Final = 15.0
"""A longer time without data begins the history anew; an operator or a router was away."""
FINE_S: Final = 2.0
COARSE_S: Final = 10.0
FINE_WINDOW_S: Final = 14.0
MOST_ENTRIES: Final = 48
FORMAT: Final = 1


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """Running totals at one moment: differences of two give exact averages between them."""

    at_s: float
    own: int
    """Held + in flight."""
    finished: int
    own_s: float
    """Held + in flight, integrated over time."""
    held_s: float
    elsewhere_s: float


class Memory(msgspec.Struct, frozen=True, array_like=True):
    """See the module. Times are Unix seconds.

    `highs` and `lows` hold the recommendations that can still be the highest or the lowest of
    some window: newest last, falling or rising. `changes` are (time, replicas added or, negative,
    taken away), as seen in the fleet.
    """

    format: int
    at_s: float
    since_s: float
    """Since when there is data without a gap."""
    replicas: int
    snapshots: tuple[Snapshot, ...] = ()
    highs: tuple[tuple[float, int], ...] = ()
    lows: tuple[tuple[float, int], ...] = ()
    changes: tuple[tuple[float, int], ...] = ()
    busy_s: float = 0.0
    """When there was load, last."""
    panic_s: float | None = None
    counts: dict[str, int] = {}
    """Each router's count of ended requests, as last seen."""
    finished: int = 0
    """All that ended while we looked: grows also when the routers' own count starts again."""
    own_s: float = 0.0
    held_s: float = 0.0
    elsewhere_s: float = 0.0
    served: float = 10.0
    served_s: float = 100.0
    """Requests ended and the in-flight time they took, the older forgotten: their ratio is the
    service time (Little's law). It begins as if ten requests had taken 10 s each."""


def dump_memory(memory: Memory) -> str:
    """Return the annotation's text: JSON, some 2 KiB and at worst 16."""
    return msgspec.json.encode(memory).decode()


def load_memory(text: str | None) -> Memory | None:
    """Return the memory of an annotation; None if there is none or nobody can read it."""
    if not text:
        return None
    try:
        memory = msgspec.json.decode(text, type=Memory)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    return memory if memory.format == FORMAT else None


LONGEST_DELAY_S: Final = 4 * 3600.0
"""Four times the longest scaleDownDelaySeconds: how long a recommendation can matter."""


def resumed(memory: Memory | None, *, replicas: int, now_s: float) -> Memory:
    """Begin, or go on after a restart or a gap, as if `replicas` had been recommended just now.

    So nothing goes down before the whole delay has passed once more, whatever was forgotten or
    not seen in between; HPA's controller records the present count in the same way when it starts.
    """
    if memory is None:
        memory = Memory(FORMAT, now_s, now_s, replicas, busy_s=now_s)
    elif now_s < memory.at_s:
        memory = shifted(memory, now_s - memory.at_s)
    highs = recommended(memory.highs, now_s, replicas, LONGEST_DELAY_S, high=True)
    return msgspec.structs.replace(memory, highs=highs)


def shifted(memory: Memory, by_s: float) -> Memory:
    """Move every remembered time by `by_s`: after the clock went back."""
    return msgspec.structs.replace(
        memory,
        at_s=memory.at_s + by_s,
        since_s=memory.since_s + by_s,
        busy_s=memory.busy_s + by_s,
        panic_s=None if memory.panic_s is None else memory.panic_s + by_s,
        snapshots=tuple(
            msgspec.structs.replace(one, at_s=one.at_s + by_s) for one in memory.snapshots
        ),
        highs=tuple((at_s + by_s, count) for at_s, count in memory.highs),
        lows=tuple((at_s + by_s, count) for at_s, count in memory.lows),
        changes=tuple((at_s + by_s, count) for at_s, count in memory.changes),
    )


def thinned(snapshots: tuple[Snapshot, ...], now_s: float) -> tuple[Snapshot, ...]:
    """Keep one snapshot each 2 s for 14 s and each 10 s for five minutes: about 40."""
    kept: list[Snapshot] = []
    for one in snapshots:
        if one.at_s < now_s - LONGEST_S - COARSE_S:
            continue
        step_s = FINE_S if one.at_s >= now_s - FINE_WINDOW_S else COARSE_S
        if kept and int(one.at_s // step_s) == int(kept[-1].at_s // step_s):
            continue
        kept.append(one)
    return tuple(kept)


def recommended(
    kept: tuple[tuple[float, int], ...], now_s: float, count: int, window_s: float, *, high: bool
) -> tuple[tuple[float, int], ...]:
    """Add a recommendation to `highs` or `lows`, drop what no window can need any more.

    If there are too many, the two oldest become one that is safer than both: the higher (lower)
    count, at the later time.
    """
    better = max if high else min
    rest = [one for one in kept if one[0] > now_s - window_s and better(one[1], count) != count]
    rest.append((now_s, count))
    while len(rest) > MOST_ENTRIES:
        rest[:2] = [(rest[1][0], better(rest[0][1], rest[1][1]))]
    return tuple(rest)


def best_since(
    kept: tuple[tuple[float, int], ...], after_s: float, count: int, *, high: bool
) -> int:
    """Return the highest (lowest) recommendation after `after_s`, `count` included."""
    better = max if high else min
    return better([count, *(one for at_s, one in kept if at_s > after_s)])


def changed(
    kept: tuple[tuple[float, int], ...], now_s: float, by: int, window_s: float
) -> tuple[tuple[float, int], ...]:
    """Add a change of the fleet; if there are too many, the two oldest of one sign become one.

    The later of the two times is kept: a limit counts them longer, never shorter.
    """
    rest = [one for one in kept if one[0] > now_s - window_s]
    if by:
        rest.append((now_s, by))
    while len(rest) > MOST_ENTRIES:
        sign = [index for index, one in enumerate(rest) if (one[1] > 0) == (rest[0][1] > 0)][:2]
        first, second = sign
        rest[second] = (rest[second][0], rest[first][1] + rest[second][1])
        del rest[first]
    return tuple(rest)
