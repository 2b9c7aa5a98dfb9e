"""The figures as Markdown: what `make bench-router` prints, and writes into docs/performance.md.

Pure but for `write`. What misses its target says so beside the target.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.perf import marks
from tests.perf.figures import REST, Row, number
from tests.perf.targets import Verdict

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN = "<!-- what follows is written by `make bench-router DOCS=1` -->\n"
END = "<!-- until here -->\n"


@dataclass(frozen=True, slots=True)
class Run:
    """When, with what and how the figures were taken."""

    date: str
    command: str
    versions: Mapping[str, str]
    cores: int
    rounds: int
    seconds: float
    others: float
    """Share of the measured core that other work took."""
    omitted: tuple[str, ...]
    """What was not measured, each with its reason."""


def _shown(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _with(value: str, more: str) -> str:
    return value if more == "-" else f"{value} ({more})"


def _spread(row: Row) -> str:
    spread = row.get("x_nginx_range")
    if not isinstance(spread, list) or row["proxy"] == "nginx":
        return "-"
    return "-".join(_shown(value, 2) for value in spread)


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    rows = [f"| {' | '.join(row)} |\n" for row in (head, *body)]
    return "".join([rows[0], "|---" * len(head), "|\n", *rows[1:]])


def loads_table(table: Sequence[Row]) -> str:
    """Under load; a row with errors has no figures."""
    head = ("load", "proxy", "a second", "CPU ms for 1,000", "times nginx (range)",
            "times the best AI peer", "p50 µs (added)", "p99 µs (added)")  # fmt: skip
    body = []
    for row in table:
        if row["load"] == REST:
            continue
        if row["errors"]:
            body.append([str(row["load"]), str(row["proxy"]), f"{row['errors']} errors", *"-----"])
            continue
        body.append([
            str(row["load"]), str(row["proxy"]), _shown(number(row, "per_s")),
            _shown(number(row, "cpu_ms"), 1) if row["proxy"] != "direct" else "-",
            _with(_shown(number(row, "x_nginx"), 2), _spread(row)),
            _shown(number(row, "x_ai"), 2),
            _with(_shown(number(row, "p50_us")), _shown(number(row, "added_p50_us"))),
            _with(_shown(number(row, "p99_us")), _shown(number(row, "added_p99_us"))),
        ])  # fmt: skip
    return _table(head, body)


def resting_table(table: Sequence[Row]) -> str:
    """At rest, resident (proportional)."""
    head = ("proxy", "start to first answer s", "idle MiB RSS (PSS)",
            "1,000 silent streams MiB RSS (PSS)", "streams open")  # fmt: skip
    body = [
        [
            str(row["proxy"]), _shown(number(row, "start_s"), 2),
            _with(_shown(number(row, "rss_mib"), 1), _shown(number(row, "pss_mib"), 1)),
            _with(_shown(number(row, "rss_mib_1000"), 1), _shown(number(row, "pss_mib_1000"), 1)),
            _shown(number(row, "streams")),
        ]
        for row in table
        if row["load"] == REST
    ]  # fmt: skip
    return _table(head, body) if body else ""


def targets_table(found: Sequence[Verdict]) -> str:
    """The value beside its target."""
    head = ("what", "proxy", "value", "at most", "")
    body = [
        [
            each.target.what,
            each.proxy,
            _shown(each.value, 3 if each.target.most < 0.1 else 2),
            f"{each.target.most:g}",
            f"**{each.said}**" if each.said == "MISSED" else each.said,
        ]
        for each in found
    ]
    return _table(head, body)


def markdown(run: Run, table: Sequence[Row], found: Sequence[Verdict]) -> str:
    """All of it."""
    with_what = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    text = (
        f"{run.date}, `{run.command}`: {run.rounds} interleaved rounds of {run.seconds:g} s, "
        f"{run.cores} cores; other work took {run.others:.0%} of the measured one. {with_what}.\n\n"
    )
    text += "".join(f"- not measured: {each}\n" for each in run.omitted)
    parts = (loads_table(table), resting_table(table), targets_table(found))
    return text + "".join(f"\n{part}" for part in parts if part)


def placed(page: str, text: str) -> str:
    """The page with this text between its marks; ValueError if it has not both."""
    return marks.placed(page, text, begin=BEGIN, end=END)


def write(text: str) -> None:
    """Into docs/performance.md."""
    PAGE.write_text(placed(PAGE.read_text(), text))
