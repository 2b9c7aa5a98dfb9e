"""What requests cost and saved over time."""

from aiohttp import web
from markupsafe import Markup

from pointsman.ledger.console.drawn.bars import cost_picture
from pointsman.ledger.console.page import Page, Route
from pointsman.ledger.console.pages.asked import period_of
from pointsman.ledger.console.questions import PERIODS, ask_cost
from pointsman.ledger.console.visit import Visit


async def cost(visit: Visit) -> web.Response:
    """Of one period and currency."""
    period = period_of(visit.query, "24h")
    currency = visit.query.get("currency", "")
    found = await visit.ask(ask_cost, visit.desk.store, period, currency, visit.now_ms)
    return visit.show(
        "cost.html",
        cost=found,
        periods=PERIODS,
        wide=Markup(cost_picture(found)),  # noqa: S704 - its texts are escaped
        narrow=Markup(cost_picture(found, narrow=True)),  # noqa: S704
    )


PAGE = Page("Cost", "/cost", (Route("/cost", cost),))
