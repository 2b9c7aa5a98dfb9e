"""PURE: `--fail-if`: conditions on an outcome.

| condition | fails if |
|---|---|
| `cost>+5%` | what is asked now costs over 5 % more; `cost>-10%`: saves less than 10 % |
| `latency>+10%` | the mean of the backends' medians grows by more |
| `quality<-0.02` | the mean rating, 0 to 1, falls by more than 0.02 |
| `changed>20%` | more of the requests go to another backend |
| `unroutable>0`, `unroutable>0.1%` | more requests, or a larger share, find no backend |

Guarantees that what cannot be told fails: a gate that knows nothing must not open.
"""

import re
from typing import Final

import msgspec

from pointsman.api.spelling import did_you_mean
from pointsman.cli.simulate.outcome import Outcome
from pointsman.ledger.summary import Estimate

METRICS: Final = {
    "cost": "cost>+5%",
    "latency": "latency>+10%",
    "quality": "quality<-0.02",
    "changed": "changed>20%",
    "unroutable": "unroutable>0 or unroutable>0.1%",
}
"""How each is written."""
_CHANGES: Final = ("cost", "latency", "quality")
_SHAPE: Final = re.compile(r"([A-Za-z]+)\s*([<>])\s*([+-]?)(\d{1,9}(?:\.\d{1,9})?)\s*(%?)")


class BadCondition(ValueError):
    """The text says how one is written."""


class Condition(msgspec.Struct, frozen=True):
    """`bound` is a share for percentages."""

    text: str
    metric: str
    above: bool
    bound: float
    percent: bool


class Verdict(msgspec.Struct, frozen=True):
    """`words` say what was found."""

    condition: str
    failed: bool
    words: str


def read_conditions(texts: list[str]) -> list[Condition]:
    """With commas, or one a text. Raises BadCondition."""
    return [_read(part.strip()) for text in texts for part in text.split(",")]


def _read(text: str) -> Condition:
    found = _SHAPE.fullmatch(text)
    name = re.match(r"[A-Za-z]*", text)
    metric = name[0] if name else ""
    if metric not in METRICS:
        hint = did_you_mean(metric, list(METRICS)) or f"; there are: {', '.join(METRICS)}"
        raise BadCondition(f"--fail-if {text!r}: no such figure{hint}")
    percent = bool(found and found[5])
    signed = bool(found and found[3])
    fits = (
        found is not None
        and signed == (metric in _CHANGES)
        and (metric == "unroutable" or percent == (metric != "quality"))
    )
    if not fits or found is None:
        raise BadCondition(f"--fail-if {text!r}: is written as {METRICS[metric]}")
    bound = float(f"{found[3]}{found[4]}") / (100 if percent else 1)
    return Condition(text, metric, found[2] == ">", bound, percent)


def judge(condition: Condition, outcome: Outcome) -> Verdict:
    """By the value itself; its interval is told."""
    if condition.metric == "unroutable" and not condition.percent:
        count = outcome.unroutable_requests
        failed = count > condition.bound if condition.above else count < condition.bound
        return Verdict(condition.text, failed, f"{count:,} requests")
    found: Estimate | None = getattr(outcome, condition.metric)
    if found is None:
        why = outcome.unknown.get(condition.metric, "it is unknown")
        return Verdict(condition.text, True, f"cannot be told, {why}")
    value = found.value
    failed = value > condition.bound if condition.above else value < condition.bound
    signed = condition.metric in _CHANGES
    return Verdict(condition.text, failed, words(found, signed=signed, percent=condition.percent))


def words(found: Estimate, *, signed: bool, percent: bool) -> str:
    """`+5.2 % [+4.1, +6.3]`."""
    sign = "+" if signed else ""
    factor, digits = (100, 1) if percent else (1, 3)
    value, low, high = (
        f"{one * factor:{sign}.{digits}f}" for one in (found.value, found.low, found.high)
    )
    return f"{value}{' %' if percent else ''} [{low}, {high}]"
