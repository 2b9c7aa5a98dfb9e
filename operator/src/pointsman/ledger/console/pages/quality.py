"""How good answers are, model by task."""

from aiohttp import web

from pointsman.ledger.asking import BadQuestion
from pointsman.ledger.console.page import Page, Route
from pointsman.ledger.console.pages.asked import period_of
from pointsman.ledger.console.questions import PERIODS, ask_quality
from pointsman.ledger.console.views.quality import FEW
from pointsman.ledger.console.visit import Visit


async def quality(visit: Visit) -> web.Response:
    """By ratings, or by golden prompts."""
    period, source = period_of(visit.query, "7d"), visit.query.get("of", "ratings")
    if source not in ("ratings", "golden"):
        raise BadQuestion("of is ratings or golden")
    heat = await visit.ask(ask_quality, visit.desk.store, source, period, visit.now_ms)
    return visit.show("quality.html", heat=heat, period=period, periods=PERIODS, few=FEW)


PAGE = Page("Quality", "/quality", (Route("/quality", quality),))
