"""From samples to figures: medians over rounds, and ratios and differences within a round.

Pure. A ratio or a difference whose other side was not measured in that round is left out.
"""

import statistics
from collections.abc import Iterable, Sequence

from tests.perf.loads import Sample
from tests.perf.peers import AI
from tests.perf.resting import Resting

BASES = ("nginx", "sglang-router", "litellm")
REST = "rest"
"""The name of what is no load."""
Row = dict[str, object]
Rounds = dict[tuple[str, str, int], Sample]
Pair = tuple[Sample, Sample]
_MEDIANS = ("per_s", "cpu_ms", "busy", "others", "feeders", "p50_us", "p99_us", "gap_p99_us")
_RESTING = ("start_s", "rss_mib", "pss_mib", "streams", "rss_mib_1000", "pss_mib_1000")


def number(row: Row, name: str) -> float | None:
    """A figure of a row, if it has it."""
    found = row.get(name)
    return float(found) if isinstance(found, int | float) else None


def _pairs(by: Rounds, mine: Sequence[Sample], load: str, proxy: str) -> list[Pair]:
    found = [(sample, by.get((load, proxy, sample.round))) for sample in mine]
    return [(sample, base) for sample, base in found if base is not None]


def _ratios(pairs: Sequence[Pair]) -> list[float]:
    return [sample.cpu_ms / base.cpu_ms for sample, base in pairs if sample.cpu_ms and base.cpu_ms]


def _best_peers(by: Rounds, mine: Sequence[Sample]) -> list[Pair]:
    """Each with the AI peer, other than itself, that took the least CPU in the same round."""
    found = []
    for sample in mine:
        peers = [by.get((sample.load, name, sample.round)) for name in AI if name != sample.proxy]
        right = [peer for peer in peers if peer is not None and not peer.errors]
        if right:
            found.append((sample, min(right, key=lambda peer: peer.cpu_ms)))
    return found


def _row(by: Rounds, mine: Sequence[Sample]) -> Row:
    load, proxy = mine[0].load, mine[0].proxy
    row: Row = {"load": load, "proxy": proxy, "rounds": len(mine)}
    for name in _MEDIANS:
        row[name] = round(statistics.median(getattr(s, name) for s in mine), 3)
    for base in BASES:
        if ratios := _ratios(_pairs(by, mine, load, base)):
            row[f"x_{base}"] = round(statistics.median(ratios), 4)
            row[f"x_{base}_range"] = [round(min(ratios), 4), round(max(ratios), 4)]
    if ratios := _ratios(_best_peers(by, mine)):
        row["x_ai"] = round(statistics.median(ratios), 3)
    if proxy != "direct" and (pairs := _pairs(by, mine, load, "direct")):
        row["added_p50_us"] = round(statistics.median(s.p50_us - b.p50_us for s, b in pairs), 1)
        row["added_p99_us"] = round(statistics.median(s.p99_us - b.p99_us for s, b in pairs), 1)
    if load == "long" and (pairs := _pairs(by, mine, "r500", proxy)):
        row["beside_p99_us"] = round(statistics.median(s.p99_us - b.p99_us for s, b in pairs), 1)
    row["errors"] = sum(s.errors for s in mine)
    row["restless"] = sum(not s.rested for s in mine)
    return row


def rows(samples: Sequence[Sample]) -> list[Row]:
    """For each load and proxy."""
    by = {(s.load, s.proxy, s.round): s for s in samples}
    found = []
    for load, proxy in dict.fromkeys((s.load, s.proxy) for s in samples):
        found.append(_row(by, [s for s in samples if (s.load, s.proxy) == (load, proxy)]))
    _beside_nginx(found)
    return found


def _beside_nginx(table: Iterable[Row]) -> None:
    """What a proxy adds, in times of what nginx adds, where nginx adds anything."""
    by = {(row["load"], row["proxy"]): row for row in table}
    for (load, _), row in by.items():
        nginx = by.get((load, "nginx"), {})
        for name in ("added_p50", "added_p99"):
            own, base = number(row, f"{name}_us"), number(nginx, f"{name}_us")
            if own is not None and base is not None and base > 0:
                row[f"{name}_x_nginx"] = round(own / base, 2)


def resting_rows(found: Sequence[Resting]) -> list[Row]:
    """For each proxy: medians over its starts."""
    table: list[Row] = []
    for proxy in dict.fromkeys(each.proxy for each in found):
        mine = [each for each in found if each.proxy == proxy]
        row: Row = {"load": REST, "proxy": proxy, "rounds": len(mine)}
        for name in _RESTING:
            row[name] = round(statistics.median(getattr(each, name) for each in mine), 3)
        row["errors"] = sum(each.errors for each in mine)
        table.append(row)
    return table
