"""How new revisions of policies take over, and the orders that a person may give.

An order is the annotation that `pointsman rollout` writes. It is for the revision and the step that
the page showed: about another one by now, it is refused. Each is in the audit log before it is
given, with what came of it if it was not.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aiohttp import web
from markupsafe import Markup

from pointsman.api import orders
from pointsman.api.orders import Action, Order
from pointsman.ledger.asking import BadQuestion, number_of
from pointsman.ledger.console.drawn.interval import interval_picture
from pointsman.ledger.console.drawn.stages import stages_picture
from pointsman.ledger.console.fleet.seen import Away, Json, Policy, Seen
from pointsman.ledger.console.page import Missing, Page, Refused, Route
from pointsman.ledger.console.views.rollouts import course, courses
from pointsman.ledger.console.visit import Visit
from pointsman.ledger.people.person import Role
from pointsman.ledger.rows import MAX_NAME

_SAID: Final = {
    "pause": "Paused: it stays in this step.",
    "resume": "It goes on.",
    "approve": "Approved, under your name. The operator takes it within seconds.",
    "promote": "Promoted: the operator lets it take over within seconds.",
    "abort": "Aborted: the operator goes back to the stable revision within seconds.",
    "retry": "It begins once more.",
}
MOST: Final = 60
"""Policies on the page; those that wait for a person come first."""


async def listing(visit: Visit) -> web.Response:
    """All policies."""
    seen = visit.desk.fleet.seen()
    pictures = [
        (
            one,
            Markup(stages_picture(one)),  # noqa: S704 - its texts are escaped
            Markup(stages_picture(one, narrow=True)),  # noqa: S704
        )
        for one in courses(seen)[:MOST]
    ]
    return visit.show("rollouts.html", courses=pictures, fleet_problem=seen.problem)


async def one(visit: Visit) -> web.Response:
    """One policy, with its buttons."""
    fleet = visit.desk.fleet
    seen = fleet.seen()
    policy = _policy(visit, seen)
    found = course(policy, seen.revisions)
    why_not = ""
    if not visit.may(Role.OPERATOR):
        why_not = f"Orders are for the role operator; yours is {visit.person.role}."
    elif not fleet.writable:
        why_not = "This console only shows: it runs without --console-write."
    elif fleet.away():
        why_not = "Orders can be given again when the fleet is seen as it is now."
    return visit.show(
        "rollout.html",
        course=found,
        wide=Markup(stages_picture(found)),  # noqa: S704 - its texts are escaped
        narrow=Markup(stages_picture(found, narrow=True)),  # noqa: S704
        findings=[
            (one, Markup(interval_picture(one)))  # noqa: S704
            for one in (found.rollout.findings if found.rollout else ())
        ],
        can_order=not why_not,
        why_not=why_not,
        fleet_problem=seen.problem,
    )


async def give(visit: Visit) -> web.Response:
    """An order, as a form of that page has it."""
    fleet = visit.desk.fleet
    action, revision, step = _asked(visit.form)
    if not fleet.writable:
        raise Refused("this console only shows: it runs without --console-write")
    policy = _policy(visit, fleet.seen()).name
    detail = {"revision": revision, "step": step}
    subject = f"routingpolicy/{policy}"
    await visit.note(f"rollout-{action}", subject, detail)

    def decide(item: Json) -> Order:
        return orders.order(
            action, item, now=_now(visit.now_ms), approver=visit.person.name, revision=revision,
            step=step,
        )  # fmt: skip

    try:
        await fleet.annotate(policy, decide)
    except (orders.Refused, Away) as error:
        await visit.note(f"rollout-{action}-refused", subject, {**detail, "reason": str(error)})
        raise Refused(str(error)) from error
    return visit.go(f"/rollouts/{policy}", str(action))


def _policy(visit: Visit, seen: Seen) -> Policy:
    """The one that the path names. Raises Missing."""
    name = visit.path["policy"]
    found = seen.policy(name)
    if found is None:
        why = f": {seen.problem}" if seen.problem else ""
        raise Missing(f"no policy {name[:MAX_NAME]} is seen{why}")
    return found


def _asked(form: Mapping[str, str]) -> tuple[Action, str, int]:
    """Raises BadQuestion."""
    action, step = form.get("action", ""), number_of(form.get("step", ""))
    if action not in list(Action) or step is None:
        raise BadQuestion("action is an order, and step a number")
    revision = form.get("revision", "")
    if not 0 < len(revision) <= MAX_NAME:
        raise BadQuestion("revision has to be the one that the page showed")
    return Action(action), revision, step


def _now(now_ms: int) -> str:
    return datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


PAGE = Page(
    "Rollouts",
    "/rollouts",
    (
        Route("/rollouts", listing),
        Route("/rollouts/{policy}", one),
        Route("/rollouts/{policy}", give, "POST", Role.OPERATOR),
    ),
    said=_SAID,
)
