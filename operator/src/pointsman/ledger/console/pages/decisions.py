"""Looks for decisions, and shows one with all that is known of it."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from aiohttp import web

from pointsman.ledger.asking import BadQuestion, number_of, window_of
from pointsman.ledger.console.page import Missing, Page, Route
from pointsman.ledger.console.questions import ask_decision, ask_decisions, ask_names
from pointsman.ledger.console.views.decisions import BY, Wanted, facts, plain
from pointsman.ledger.console.visit import Visit
from pointsman.ledger.rows import MAX_NAME

_TIMES: Final = {"since": "24h", "until": "0s"}


async def search(visit: Visit) -> web.Response:
    """A page of them, the newest first; an id leads to that one."""
    asked = {name: visit.query.get(name, "").strip() for name in ("id", *BY)}
    asked |= {name: visit.query.get(name, "").strip() or usual for name, usual in _TIMES.items()}
    if max(map(len, asked.values())) > MAX_NAME:
        raise BadQuestion(f"names have at most {MAX_NAME} characters")
    if asked["id"]:
        return visit.go(f"/decisions/{quote(asked['id'], safe='')}")
    failed = visit.query.get("failed", "") == "yes"
    wanted = _wanted(asked, visit.query.get("after", ""), visit.now_ms, failed=failed)
    entries, after = await visit.ask(ask_decisions, visit.desk.store, wanted)
    names = await visit.ask(ask_names, visit.desk.store)
    return visit.show(
        "decisions.html",
        asked={**asked, "failed": failed},
        names=names,
        entries=entries,
        further=_further(asked, after, failed=failed) if after else "",
    )


def _wanted(asked: Mapping[str, str], after: str, now_ms: int, *, failed: bool) -> Wanted:
    """Raises BadQuestion."""
    from_ms, to_ms = window_of(asked, now_ms)
    last: tuple[int, str] | None = None
    if after:
        at, _, decision = after.partition(":")
        at_ms = number_of(at)
        if at_ms is None or len(decision) > MAX_NAME:
            raise BadQuestion("after is what the page before gave")
        last = at_ms, decision
        to_ms = min(to_ms, last[0] + (1 if decision else 0))
    return Wanted(
        from_ms=from_ms,
        to_ms=max(from_ms, to_ms),
        **{name: asked[name] for name in BY},
        failed=failed,
        after=last if last and last[1] else None,
    )


def _further(asked: Mapping[str, str], after: str, *, failed: bool) -> str:
    query = {name: value for name, value in asked.items() if value and name != "id"}
    query |= {"after": after} | ({"failed": "yes"} if failed else {})
    return f"/console/decisions?{urlencode(query)}"


async def one(visit: Visit) -> web.Response:
    """All of one."""
    decision = visit.path["decision"]
    found = await visit.ask(ask_decision, visit.desk.store, decision[:MAX_NAME])
    if found is None:
        raise Missing(f"the ledger has no decision {decision[:MAX_NAME]}")
    return visit.show(
        "decision.html", decided=found, facts=facts(found.event), whole=plain(found.event)
    )


PAGE = Page(
    "Decisions", "/decisions", (Route("/decisions", search), Route("/decisions/{decision}", one))
)
