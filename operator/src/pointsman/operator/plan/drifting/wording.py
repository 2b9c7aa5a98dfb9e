"""Sentences and figures about drift, as status, Events and people have them."""

from datetime import UTC, datetime

from pointsman.evaluation.drift.stream import Direction
from pointsman.evaluation.drift.verdict import Drift
from pointsman.operator.plan.drifting.identifying import Renamed

FIELDS = {"model": "model", "fingerprint": "system_fingerprint"}


def at(time_ms: int) -> str:
    """RFC 3339 in whole seconds."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def points(share: float) -> str:
    """A difference of scores, as `-16.7`."""
    text = f"{100 * share:.1f}"
    return "0.0" if text == "-0.0" else text


def evidence(value: float) -> str:
    """As `1.0e5`; small ones as they are."""
    if value < 1000:
        return f"{value:.1f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def percent(alpha: float) -> str:
    """As `1 %`."""
    return f"{100 * alpha:g} %"


def changed(task: str, drift: Drift, since_ms: int) -> str:
    """One task in a sentence."""
    assert drift.direction is not None, "something is to be told"
    amount = f"{points(drift.change)} points (95 %: {points(drift.low)} to {points(drift.high)})"
    word = "worse" if drift.direction is Direction.WORSE else "better"
    return (
        f"{task}: {word}, {amount} since about {at(since_ms)}; evidence"
        f" {evidence(drift.evidence)}, needed {evidence(drift.needed)}; {drift.count} probes"
    )


def renamed(field: str, before: str, after: str) -> str:
    """One field of what it calls itself."""
    return f"answers say {FIELDS[field]} {after!r}, and said {before!r}"


def back(one: Renamed) -> str:
    """It is called again what it was."""
    return f"answers say {FIELDS[one.field]} {one.after!r} again"
