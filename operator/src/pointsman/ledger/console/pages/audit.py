"""Who did what: the audit log, which only grows, and whether its chain of hashes holds."""

from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from pointsman.ledger.asking import BadQuestion, number_of, window_of
from pointsman.ledger.console.page import Page, Route
from pointsman.ledger.console.questions import AUDIT_PAGE, ask_audit
from pointsman.ledger.console.visit import Visit
from pointsman.ledger.rows import MAX_NAME

_USUAL: Final = {"since": "7d", "until": "0s"}


async def audit(visit: Visit) -> web.Response:
    """The newest first."""
    asked = {name: visit.query.get(name, "").strip() or usual for name, usual in _USUAL.items()}
    asked["subject"] = visit.query.get("subject", "").strip()
    after = number_of(visit.query.get("after", "0"))
    if after is None or len(asked["subject"]) > MAX_NAME:
        raise BadQuestion("after is what the page before gave, and subject a name")
    store = visit.desk.store
    between = window_of(asked, visit.now_ms)
    entries = await visit.ask(ask_audit, store, between, asked["subject"], after)
    shown = entries[:AUDIT_PAGE]
    further = ""
    if len(entries) > AUDIT_PAGE:
        query = {name: value for name, value in asked.items() if value}
        further = f"/console/audit?{urlencode({**query, 'after': shown[-1].seq})}"
    checks = visit.query.get("check") == "yes"
    chain = await visit.desk.reviews.checked(visit.person) if checks else None
    return visit.show("audit.html", asked=asked, entries=shown, further=further, chain=chain)


PAGE = Page("Audit", "/audit", (Route("/audit", audit),))
