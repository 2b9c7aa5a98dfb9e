"""Whether models are what they were, and the detector's evidence."""

from aiohttp import web
from markupsafe import Markup

from pointsman.ledger.console.drawn.dots import drift_picture
from pointsman.ledger.console.page import Page, Route
from pointsman.ledger.console.pages.asked import period_of
from pointsman.ledger.console.questions import PERIODS, ask_drift
from pointsman.ledger.console.visit import Visit

MOST = 30
"""Backends on the page; those that changed come first."""


async def drift(visit: Visit) -> web.Response:
    """A card for each backend that is watched."""
    period, seen = period_of(visit.query, "7d"), visit.desk.fleet.seen()
    found = await visit.ask(ask_drift, visit.desk.store, seen, period, visit.now_ms)
    pictures = [
        (
            one,
            Markup(drift_picture(one, found.from_ms, found.to_ms)),  # noqa: S704 - escaped
            Markup(drift_picture(one, found.from_ms, found.to_ms, narrow=True)),  # noqa: S704
        )
        for one in found.backends[:MOST]
    ]
    return visit.show(
        "drift.html",
        backends=pictures,
        period=period,
        periods=PERIODS,
        fleet_problem=seen.problem,
    )


PAGE = Page("Drift", "/drift", (Route("/drift", drift),))
