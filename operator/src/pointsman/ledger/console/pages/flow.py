"""The live flow: who asks, which policy decides, which backend answers."""

from aiohttp import web
from markupsafe import Markup

from pointsman.ledger.console.drawn.flow import flow_picture
from pointsman.ledger.console.page import Page, Route
from pointsman.ledger.console.questions import ask_flow
from pointsman.ledger.console.visit import Visit


async def flow(visit: Visit) -> web.Response:
    """Of the last minutes; the page's script asks for it again every 5 s."""
    seen = visit.desk.fleet.seen()
    found = await visit.ask(ask_flow, visit.desk.store, seen, visit.now_ms)
    return visit.show(
        "flow.html",
        flow=found,
        nodes={node.name: node for node in found.backends},
        ready=sum(one.ready == "True" for one in seen.backends),
        wide=Markup(flow_picture(found)),  # noqa: S704 - its texts are escaped
        narrow=Markup(flow_picture(found, narrow=True)),  # noqa: S704
        fleet_problem=seen.problem,
    )


PAGE = Page("Flow", "/flow", (Route("/flow", flow),))
