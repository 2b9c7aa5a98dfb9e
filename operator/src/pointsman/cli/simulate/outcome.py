"""PURE: what a replay says: shares and changes, each with its interval of 95 %, or why not."""

import msgspec

from pointsman.cli.simulate.measured import Compared
from pointsman.cli.simulate.replay import Replay
from pointsman.ledger.ratio import ratio
from pointsman.ledger.summary import Estimate, interval


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What is None is unknown, and `unknown` says why."""

    requests: int
    unroutable: Estimate
    """Share of the requests that no backend can take, after."""
    unroutable_requests: int
    changed: Estimate | None
    """Share of the requests that go to another backend first."""
    cost: Estimate | None
    """Relative change."""
    latency: Estimate | None
    """Relative change of the mean of the backends' medians."""
    latency_s: Compared | None
    quality: Estimate | None
    """Difference of the mean rating, 0 to 1."""
    quality_of: Compared | None
    unknown: dict[str, str]


def outcome(
    replay: Replay,
    *,
    latency: Compared | None,
    quality: Compared | None,
    two: bool,
    why_not_measured: str,
) -> Outcome:
    """`two`: there is something to compare with; `why_not_measured` for both of a ledger."""
    n = max(1, replay.requests)
    flows = replay.flows()
    lost = sum(count for (_, after), count in flows.items() if not after)
    moved = sum(count for (before, after), count in flows.items() if before != after)
    unknown: dict[str, str] = {}
    alone = "there is nothing to compare with: give --against"
    if not two:
        unknown = dict.fromkeys(("changed", "cost", "latency", "quality"), alone)
    cost = None
    if two:
        why = _no_cost(replay)
        cost = None if why else ratio(replay.moments)
        if why:
            unknown["cost"] = why
        for name, found in (("latency", latency), ("quality", quality)):
            if found is None or (name == "latency" and not found.before):
                unknown[name] = why_not_measured
    return Outcome(
        requests=replay.requests,
        unroutable=_share(lost, n),
        unroutable_requests=lost,
        changed=_share(moved, n) if two else None,
        cost=cost,
        latency=_relative(latency) if two else None,
        latency_s=latency,
        quality=quality.difference if quality and two else None,
        quality_of=quality,
        unknown=unknown,
    )


def _share(count: int, n: int) -> Estimate:
    return Estimate(count / n, *interval(count / n, n))


def _no_cost(replay: Replay) -> str:
    if len(replay.currencies) > 1:
        return f"costs are in {' and '.join(sorted(replay.currencies))}"
    if replay.unpriced:
        return f"no price: {', '.join(sorted(replay.unpriced))}"
    if replay.unpriced_before:
        return f"{replay.unpriced_before:,} requests went to backends without a price before"
    if not replay.moments.a:
        return "what there is now costs nothing"
    return ""


def _relative(found: Compared | None) -> Estimate | None:
    if found is None or not found.before:
        return None
    by = found.difference
    return Estimate(by.value / found.before, by.low / found.before, by.high / found.before)
