"""PURE: a report as a table for people, and its progress in a line."""

from collections.abc import Sequence
from typing import Final

from pointsman.cli.report.tables import columns
from pointsman.evaluation.suite.summary import Line, Quality, Report
from pointsman.ledger.summary import money

_HEAD: Final = (
    "who", "task", "quality", "prompts", "scored", "not scored", "p50", "p95", "calls", "cost",
)  # fmt: skip
SHOWN: Final = 10


def table(report: Report) -> str:
    """Lines by target and task, who answered, and the first answers that are not right."""
    rows = [_row(line) for line in report.lines]
    runs = "run" if report.runs == 1 else "runs"
    parts = [
        f"suite {report.suite} (content {report.content}), {report.runs} {runs}",
        "",
        *columns((_HEAD, *rows), texts=2),
        "",
        *_wrong(report),
        *_notes(report),
    ]
    return "\n".join(parts) + "\n"


def _row(line: Line) -> tuple[str, ...]:
    absent = [f"{count} {reason}" for reason, count in line.not_scored.items()]
    absent += [f"{line.missing} not asked"] if line.missing else []
    return (
        line.target,
        line.task,
        _quality(line.quality),
        f"{line.prompts:,}",
        f"{line.scored:,}",
        ", ".join(absent) or "-",
        _seconds(line.p50_ms),
        _seconds(line.p95_ms),
        f"{line.calls:,}",
        (money(line.cost_nano, line.currency) + ("~" if line.estimated else ""))
        if line.currency
        else "-",
    )


def _quality(quality: Quality | None) -> str:
    if quality is None:
        return "-"
    return f"{quality.value:.2f} [{quality.low:.2f}, {quality.high:.2f}]"


def _seconds(time_ms: float | None) -> str:
    return "-" if time_ms is None else f"{time_ms / 1000:.2f} s"


def _wrong(report: Report) -> list[str]:
    """The first few that are below 1, each once, with the reason of its first such run."""
    found = [
        f"{one.target}: {one.prompt}: {score:.2g}: {reason}"
        for one in report.prompts
        for score, reason in [_first_wrong(one.scores, one.reasons)]
        if score is not None
    ]
    if not found:
        return []
    more = [f"... and {len(found) - SHOWN} more; -o json has all"] if len(found) > SHOWN else []
    return ["not right:", *(f"  {line}" for line in found[:SHOWN]), *more, ""]


def _first_wrong(
    scores: Sequence[float | None], reasons: Sequence[str]
) -> tuple[float | None, str]:
    for score, reason in zip(scores, reasons, strict=True):
        if score is not None and score < 1:
            return score, reason
    return None, ""


def _notes(report: Report) -> list[str]:
    notes = [
        "quality: weighted mean of the prompts' scores, 0 to 1, with its 95 % interval (Wilson).",
        "not scored: no wrong answers; they count in no quality.",
    ]
    estimated = sum(line.estimated for line in report.lines if line.task != "all")
    if estimated:
        notes.append(
            f"~ {estimated:,} calls without stated tokens or a known price: counted as the most."
        )
    for target, names in report.identities.items():
        notes.append(f"{target} answered as {', '.join(names) or 'nobody'}")
    return notes


def progress(*, done: int, total: int, absent: int, cost: str, elapsed_s: float) -> str:
    """`37/120 asked, 2 not scored, 0.0120 USD, 14 s left`; the time left once a tenth is done."""
    parts = [f"{done}/{total} asked"]
    parts += [f"{absent} not scored"] if absent else []
    parts += [cost] if cost else []
    if done and done * 10 >= total:
        parts.append(f"{elapsed_s / done * (total - done):.0f} s left")
    return ", ".join(parts)
