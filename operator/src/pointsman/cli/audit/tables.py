"""PURE: the figures as a table for people, as CSV and as JSON for their programs."""

import csv
import io
from collections.abc import Iterator
from typing import Any, Final

from pointsman.cli.audit.figures import BUCKETS, DIMENSIONS, LARGEST, Dimension, Figures, Sums
from pointsman.cli.report.tables import columns
from pointsman.cli.traffic.money import Assumed
from pointsman.ledger.summary import money

_TITLES: Final[dict[Dimension, str]] = {
    "task": "task", "complexity": "complexity", "language": "language of the last user message",
    "context": "prompt tokens, estimated", "model": "model",
}  # fmt: skip
_HEAD: Final = ("", "requests", "share", "tokens in", "out", "cost", "of the cost")
_SHOWN: Final = 12
"""Values of a dimension in the table; all are in CSV and JSON."""
_ORDER: Final = {name: number for number, (_, name) in enumerate(BUCKETS)} | {LARGEST: len(BUCKETS)}


def values(figures: Figures, dimension: Dimension) -> list[tuple[str, Sums]]:
    """Lengths by length, all others by how often they were asked."""
    found = figures.by[dimension].items()
    if dimension == "context":
        return sorted(found, key=lambda one: _ORDER[one[0]])
    return sorted(found, key=lambda one: (-one[1].requests, one[0]))


def table(figures: Figures, of: str, assumed: Assumed) -> str:
    """Sums by each dimension, what the requests have, and what the figures rest on."""
    rows: list[tuple[str, ...]] = [_HEAD, _row("all", figures.total, figures)]
    for dimension in DIMENSIONS:
        found = values(figures, dimension)
        rows.append((_TITLES[dimension], *[""] * (len(_HEAD) - 1)))
        rows += [_row(f"  {value}", sums, figures) for value, sums in found[:_SHOWN]]
        if len(found) > _SHOWN:
            rest = Sums()
            for _, sums in found[_SHOWN:]:
                _join(rest, sums)
            rows.append(_row(f"  {len(found) - _SHOWN} more", rest, figures))
    parts = [of, "", *columns(rows, texts=1), "", *_having(figures), *_notes(figures, assumed)]
    return "\n".join([*parts, *_examples(figures)]) + "\n"


def _row(name: str, sums: Sums, figures: Figures) -> tuple[str, ...]:
    total = figures.total
    part = f"{sums.cost_nano / total.cost_nano:.1%}" if total.cost_nano else "-"
    known = money(sums.cost_nano, currency(figures)) if sums.priced else "-"
    return (
        name,
        f"{sums.requests:,}",
        f"{sums.requests / max(1, total.requests):.1%}",
        f"{sums.input_tokens:,}",
        f"{sums.output_tokens:,}",
        known,
        part,
    )


def _join(into: Sums, more: Sums) -> None:
    for name in Sums.__struct_fields__:
        setattr(into, name, getattr(into, name) + getattr(more, name))


def currency(figures: Figures) -> str:
    """Several are named together: then the sums mean little, and a note says so."""
    return "+".join(sorted(figures.currencies))


def _having(figures: Figures) -> Iterator[str]:
    total = max(1, figures.total.requests)
    named = ("tools", "images", "JSON mode", "streamed")
    having = [f"{name} {figures.having[name] / total:.1%}" for name in named]
    if figures.texts:
        having.append(f"system message {figures.having['system message'] / total:.1%}")
    yield "with " + ", ".join(having)
    if figures.texts:
        yield (
            f"asked before in the same words: {figures.repeated:,} requests,"
            f" {figures.repeated / figures.texts:.1%}"
        )
    yield ""


def _notes(figures: Figures, assumed: Assumed) -> Iterator[str]:
    total = figures.total
    silent = total.requests - total.stated
    if silent:
        yield (
            f"{silent:,} requests came without the tokens of their answer: tokens in are estimated,"
        )
        yield f"tokens out assumed: {assumed.words()} (--output-tokens)."
    if not total.priced:
        yield "No cost: give --price IN/OUT a million tokens, or -f with backends that have prices."
    elif total.priced < total.requests:
        left = total.requests - total.priced
        yield f"{left:,} requests have no price: their model has none, or none answered."
    if len(figures.currencies) > 1:
        yield "Costs are in several currencies, and are not converted."
    if not figures.texts:
        yield "A ledger holds no texts: task, language and length are those recorded at the time;"
        yield "what is asked again, system messages and what was not recorded cannot be told."


def _examples(figures: Figures) -> Iterator[str]:
    for task, shown in sorted(figures.examples.items()):
        yield f"\n{task}, for example"
        yield from (f"  {text}" for text in shown)


def csv_text(figures: Figures) -> str:
    """A row for each value of each dimension, money in billionths."""
    text = io.StringIO()
    names = ["by", "value", "share", "currency", *Sums.__struct_fields__]
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(_records(figures))
    return text.getvalue()


def _records(figures: Figures) -> Iterator[dict[str, Any]]:
    yield _record("all", "", figures.total, figures)
    for dimension in DIMENSIONS:
        for value, sums in values(figures, dimension):
            yield _record(dimension, value, sums, figures)


def _record(by: str, value: str, sums: Sums, figures: Figures) -> dict[str, Any]:
    share = sums.requests / max(1, figures.total.requests)
    numbers = {name: getattr(sums, name) for name in Sums.__struct_fields__}
    about = {"by": by, "value": value, "share": round(share, 6), "currency": currency(figures)}
    return {**about, **numbers}


def as_json(figures: Figures, bad: int) -> dict[str, Any]:
    """All of it as plain values; prompts only if they were asked for."""
    return {
        "lines": list(_records(figures)),
        "having": dict(figures.having),
        "texts": figures.texts,
        "repeated": figures.repeated,
        "bad_lines": bad,
        **({"examples": figures.examples} if figures.examples else {}),
    }
