"""The demo's table: per class and arm, and what routing saved. Every figure is passed in."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from pointsman.cli.demo.figures import Row


def _backends(row: Row) -> str:
    total = sum(count for _, count in row.backends) or 1
    return ", ".join(
        name if count == total else f"{name} {count / total:.0%}"
        for name, count in row.backends[:3]
    )


def print_table(
    console: Console, arms: Sequence[tuple[str, Sequence[Row]]], *, title: str, currency: str
) -> None:
    """One block of rows for every class, one row in it for every arm."""
    table = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    table.add_column("class")
    table.add_column("arm")
    for heading in ("requests", "failed"):
        table.add_column(heading, justify="right")
    table.add_column("answered by", overflow="fold")
    for heading in ("p50 s", "p95 s", "correct\n(declared)", f"cost\n{currency}"):
        table.add_column(heading, justify="right")
    for index in range(len(arms[0][1])):
        for arm, rows in arms:
            row = rows[index]
            first = arm == arms[0][0]
            table.add_row(
                row.label if first else "",
                arm,
                f"{row.requests:,}",
                str(row.failed),
                _backends(row),
                f"{row.p50_s:.2f}",
                f"{row.p95_s:.2f}",
                f"{row.correct:.1%}",
                f"{row.cost:.4f}",
                style="bold" if first else "dim",
                end_section=arm == arms[-1][0],
            )
    console.print(table)


def savings(routed: Row, largest: Row, smallest: Row) -> str:
    """What the routed arm did against the other two, in one sentence each."""
    cost = _change(routed.cost, largest.cost, "less cost", "more cost")
    latency = _change(routed.p50_s, largest.p50_s, "lower median latency", "higher median latency")
    times = routed.cost / smallest.cost if smallest.cost else 0.0
    return (
        f"Against everything-to-the-largest: {cost}, {latency}, "
        f"{100 * (routed.correct - largest.correct):+.1f} points correct.\n"
        f"Against everything-to-the-smallest: {100 * (routed.correct - smallest.correct):+.1f} "
        f"points correct for {times:.1f} times its cost."
    )


def _change(value: float, base: float, down: str, up: str) -> str:
    """`37 % less cost`: how far `value` is below or above `base`."""
    share = value / base - 1 if base else 0.0
    return f"{abs(share):.0%} {down if share <= 0 else up}"
