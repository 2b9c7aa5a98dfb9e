"""Tables and verdicts as Markdown, and the same figures as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tests.sim.scaling.contenders import FIXED, OURS
from tests.sim.scaling.sweep import Row

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Result:
    """One trace: everyone at its default, and everyone at the same hours."""

    trace: str
    requests: int
    defaults: Sequence[Row]
    equal: Sequence[Row]


def _line(row: Row) -> str:
    one = row.figures
    hours = f"{one.replica_hours:.2f}" + ("" if row.equal else " (nearest)")
    return (
        f"| {row.name} | {row.target:.2f} | {hours} | {one.wait_p50_s:.2f} | {one.wait_p95_s:.2f} "
        f"| {one.wait_p99_s:.2f} ± {one.wait_p99_deviation_s:.2f} | {100 * one.over_1s:.2f} "
        f"| {one.first_token_p99_s:.2f} | {one.cold_starts:.1f} | {one.flaps:.1f} |"
    )


HEAD = (
    "| algorithm | target | replica-hours | wait p50 s | p95 s | p99 s | over 1 s, % "
    "| first token p99 s | cold starts | flaps |\n|---|---|---|---|---|---|---|---|---|---|"
)


def table(rows: Sequence[Row]) -> str:
    """Return one table."""
    return "\n".join([HEAD, *(_line(row) for row in rows)])


def compare(result: Result) -> Json:
    """Return ours beside the best of the others at equal hours, with and without the fixed fleet.

    Who needs more hours than ours whatever its target still counts as one of the others; who used
    fewer and waits more does too. `worst`: nobody waits longer than ours.
    """
    ours = next(row for row in result.equal if row.name == OURS).figures.wait_p99_s
    scalers = {
        row.name: row.figures.wait_p99_s for row in result.equal if row.name not in {OURS, FIXED}
    }
    fleet = next(row for row in result.equal if row.name == FIXED).figures.wait_p99_s
    best = min(scalers, key=lambda name: scalers[name])
    return {
        "trace": result.trace,
        "ours_p99_s": ours,
        "best_other": best,
        "best_other_p99_s": scalers[best],
        "fixed_p99_s": fleet,
        "at_most_half": ours <= scalers[best] / 2,
        "at_most_half_of_fixed_too": ours <= min(scalers[best], fleet) / 2,
        "worst": ours > max(*scalers.values(), fleet),
    }


def verdicts(results: Sequence[Result]) -> str:
    """Return the goal's lines, one for each trace."""
    head = (
        "| trace | pointsman p99 s | best other autoscaler | its p99 s | fixed fleet p99 s "
        "| at most half | worst of all |"
    )
    lines = [head, "|---|---|---|---|---|---|---|"]
    for result in results:
        one = compare(result)
        lines.append(
            f"| {one['trace']} | {one['ours_p99_s']:.2f} | {one['best_other']} "
            f"| {one['best_other_p99_s']:.2f} | {one['fixed_p99_s']:.2f} "
            f"| {'yes' if one['at_most_half'] else 'no'} | {'yes' if one['worst'] else 'no'} |"
        )
    return "\n".join(lines)


def markdown(results: Sequence[Result]) -> str:
    """Return everything that is printed."""
    parts = ["### At equal replica-hours, in short\n", verdicts(results)]
    for title, pick in (("Everyone's defaults", 0), ("Everyone at our replica-hours", 1)):
        parts.append(f"\n### {title}")
        for result in results:
            rows = (result.defaults, result.equal)[pick]
            parts.append(f"\n**{result.trace}** ({result.requests} requests a run)\n")
            parts.append(table(rows))
    return "\n".join(parts) + "\n"


def as_json(results: Sequence[Result], settings: Json) -> Json:
    """Return the figures for machines."""
    return {
        "settings": settings,
        "verdicts": [compare(result) for result in results],
        "traces": {
            result.trace: {
                "requests": result.requests,
                "defaults": [asdict(row) for row in result.defaults],
                "equal_hours": [asdict(row) for row in result.equal],
            }
            for result in results
        },
    }
