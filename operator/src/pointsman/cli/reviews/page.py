"""PURE: reviews as rows, and one of them in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.cli.listing.page import Column, Page, Table, age
from pointsman.ledger.reviews.showing import pretty, visible

Json = Mapping[str, Any]


def page(reviews: Sequence[Json], now_ms: int) -> Page:
    """The queue, in the ledger's order."""
    columns = (
        Column("ID"), Column("STATE"), Column("PRIORITY"), Column("MODE"), Column("STAGE"),
        Column("POLICY"), Column("RULE"), Column("LEFT"), Column("CLAIMED-BY"), Column("AGE"),
        Column("CALLER", wide=True), Column("REASON", wide=True), Column("BACKEND", wide=True),
        Column("DECIDED-BY", wide=True),
    )  # fmt: skip
    rows = tuple(
        (
            one["id"], one["state"], one["priority"], one["mode"], one["stage"], one["policy"],
            one["rule"], _left(one, now_ms), claimed_by(one, now_ms),
            age((now_ms - one["created_ms"]) / 1000), one["caller"], one["reason"], one["backend"],
            one["decided_by"],
        )
        for one in reviews
    )  # fmt: skip
    return Page(
        tables=(Table(columns, rows),),
        items=tuple(reviews),
        names=tuple(f"review/{one['id']}" for one in reviews),
        empty="No review found.",
    )


def claimed_by(review: Json, now_ms: int) -> str:
    """Empty if nobody holds it now."""
    held = review["state"] == "Pending" and review["claimed_until_ms"] > now_ms
    return str(review["claimed_by"]) if held else ""


def _left(review: Json, now_ms: int) -> str:
    if review["state"] != "Pending" or not review["deadline_ms"]:
        return ""
    return age((review["deadline_ms"] - now_ms) / 1000)


def in_words(review: Json, texts: Mapping[str, str], now_ms: int) -> str:
    """Facts, then its texts as far as there are any."""
    held = claimed_by(review, now_ms)
    lines = [
        f"review    {review['id']}: {review['state']}",
        f"asks for  {review['mode']} of the {str(review['stage']).lower()}, {review['reason']}",
        f"policy    {review['policy']}, rule {review['rule']}, revision {review['revision']}",
        f"caller    {review['caller'] or 'anybody'} {review['team']}".rstrip(),
        f"model     {review['model']}{', by ' + review['backend'] if review['backend'] else ''}",
        f"hash      {review['request_hash']}",
    ]
    if left := _left(review, now_ms):
        lines.append(f"left      {left}")
    if held:
        lines.append(f"claimed   by {held}")
    if review["decided_by"]:
        lines.append(f"decided   by {review['decided_by']}: {review['message']}".rstrip(": "))
    for name, text in texts.items():
        if text:
            lines += ["", f"{name}:", *(f"  {line}" for line in pretty(text).splitlines())]
    return _printable(visible("\n".join(lines))) + "\n"


def _printable(text: str) -> str:
    """Callers wrote the texts: none may move the terminal's cursor."""
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in text)
