"""The demo's table: per task and arm, and what routing saved. Every figure is passed in."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from pointsman.cli.demo.figures import Row
from pointsman.events.schema import NANO


def _backends(row: Row) -> str:
    total = sum(count for _, count in row.backends) or 1
    return ", ".join(
        name if count == total else f"{name} {count / total:.0%}" for name, count in row.backends
    )


def print_table(
    console: Console, arms: Sequence[tuple[str, Sequence[Row]]], *, title: str, currency: str
) -> None:
    """One section for every task, one row in it for every arm that has it."""
    console.print(title, style="bold")
    table = Table(header_style="bold", pad_edge=False)
    table.add_column("requests", no_wrap=True)
    table.add_column("task, answered by", overflow="fold")
    for heading in ("p50 s", "p95 s", "correct", f"cost {currency}"):
        table.add_column(heading, justify="right", no_wrap=True)
    of = {arm: {row.label: row for row in rows} for arm, rows in arms}
    for first in arms[0][1]:
        table.add_row(f"{first.requests:,}", first.label, style="bold")
        for arm, _ in arms:
            row = of[arm].get(first.label)
            if row is None:
                continue
            failed = f"{row.failed} failed; " if row.failed else ""
            table.add_row(
                f"  {arm}",
                failed + _backends(row),
                f"{row.p50_s:.2f}",
                f"{row.p95_s:.2f}",
                f"{row.correct:.1%}",
                f"{row.cost:.4f}",
                end_section=first is arms[0][1][-2] and arm == arms[-1][0],
            )
    console.print(table)


def balance(billed_nano: int, booked_nano: int, currency: str) -> str:
    """Whether the ledger has what the models billed, to the billionth."""
    billed = f"{billed_nano / NANO:.9f} {currency}"
    if billed_nano == booked_nano:
        return f"The models billed {billed}, and that is what the ledger has."
    return f"The models billed {billed}, but the ledger has {booked_nano / NANO:.9f} {currency}."


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
