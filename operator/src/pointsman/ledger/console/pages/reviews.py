"""The review inbox: what waits for a person, and one of them to be claimed and decided."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from pointsman.ledger.asking import BadQuestion
from pointsman.ledger.console.conversation import answered, asked
from pointsman.ledger.console.page import Page, Route
from pointsman.ledger.console.visit import Visit
from pointsman.ledger.people.person import Person, Role
from pointsman.ledger.reviewing.desk import Shown
from pointsman.ledger.reviews import storing
from pointsman.ledger.reviews.editing import text_of, with_text
from pointsman.ledger.reviews.errors import BadEdit, ClaimedBy, Ended, ReviewError
from pointsman.ledger.reviews.review import STATES, Decision, Review, holder
from pointsman.ledger.rows import MAX_NAME

_Step = Callable[[Person, str], Awaitable[Review]]
_EACH = 50
_MESSAGE = 2_000


async def inbox(visit: Visit) -> web.Response:
    """What waits, by priority and deadline; or what is over, the newest first."""
    state = "Ended" if visit.query.get("state") == "ended" else "Pending"
    policy, after = visit.query.get("policy", "")[:MAX_NAME], visit.query.get("after", "")
    try:
        found = await visit.desk.reviews.listed(
            visit.person,
            state=state,
            policy=policy,
            limit=_EACH,
            after=after,
        )
    except ValueError:
        raise BadQuestion("after is what the page before gave") from None
    return visit.show(
        "reviews.html",
        reviews=[(one, holder(one, visit.now_ms)) for one in found.reviews],
        after=found.after,
        ended=state == "Ended",
        policy=policy,
        first="after" not in visit.query,
        may_review=visit.may(Role.REVIEWER),
    )


async def one(visit: Visit) -> web.Response:
    """With its texts."""
    return await _page(visit)


async def claim(visit: Visit) -> web.Response:
    """Mine for five minutes; again, too."""
    return await _step(visit, visit.desk.reviews.claim, "claimed")


async def release(visit: Visit) -> web.Response:
    """Anybody's again."""
    return await _step(visit, visit.desk.reviews.release, "released")


async def take_next(visit: Visit) -> web.Response:
    """Claim the first that nobody holds."""
    found = await visit.desk.reviews.listed(visit.person, state="Pending", limit=_EACH)
    for review in found.reviews:
        if holder(review, visit.now_ms) not in ("", visit.person.name):
            continue
        try:
            await visit.desk.reviews.claim(visit.person, review.id)
        except (ClaimedBy, Ended):
            continue
        return visit.go(f"/reviews/{review.id}", "claimed")
    return visit.go("/reviews", "none")


async def decide(visit: Visit) -> web.Response:
    """Approve, edit or reject; a text that cannot be taken comes back with what is wrong."""
    form, id_ = visit.form, visit.path["id"]
    verdict = form.get("verdict", "")
    message = form.get("message", "").strip()
    if verdict not in STATES or len(message) > _MESSAGE:
        raise BadQuestion("a decision is approve, edit or reject, with 2,000 characters at most")
    try:
        edited = ""
        if verdict == "edit":
            edited = form.get("edited", "")
            if "text" in form:
                shown = await visit.desk.reviews.shown(visit.person, id_)
                edited = with_text(shown.texts.answer, form["text"].replace("\r\n", "\n"))
        decision = Decision(
            verdict=verdict, request_hash=form.get("request_hash", ""), message=message,
            edited=edited,
        )  # fmt: skip
        await visit.desk.reviews.decide(visit.person, id_, decision)
    except ReviewError as error:
        return await _page(visit, error)
    return visit.go("/reviews", verdict)


async def _step(visit: Visit, step: _Step, said: str) -> web.Response:
    id_ = visit.path["id"]
    try:
        await step(visit.person, id_)
    except ReviewError as error:
        return await _page(visit, error)
    return visit.go(f"/reviews/{id_}" if said == "claimed" else "/reviews", said)


async def _page(visit: Visit, problem: ReviewError | None = None) -> web.Response:
    """The review as it is now, with what was typed and why that was not taken."""
    shown = await visit.desk.reviews.shown(visit.person, visit.path["id"])
    review = shown.review
    history = await visit.desk.reviews.audited(
        visit.person, (0, visit.now_ms + 1000), subject=f"review/{review.id}", limit=_EACH
    )
    held_by = holder(review, visit.now_ms)
    return visit.show(
        "review.html",
        status=HTTPStatus(problem.status) if problem else HTTPStatus.OK,
        review=review,
        texts=shown.texts,
        conversation=asked(shown.texts.request),
        answer=answered(shown.texts.answer),
        edited=_edited(shown),
        text=text_of(shown.texts.answer),
        held_by=held_by,
        mine=held_by == visit.person.name,
        waits=review.state == "Pending",
        history=history[::-1],
        problem=str(problem) if problem else "",
        is_bad_edit=isinstance(problem, BadEdit),
        draft=visit.form,
    )


def _edited(shown: Shown) -> str:
    """What the caller got instead, to be read; the text alone where there is one."""
    edited = shown.texts.edited
    return (text_of(edited) or edited) if shown.review.stage == "Answer" else edited


async def _count(visit: Visit) -> int:
    rows = await visit.ask(visit.desk.store.query, *storing.counted())
    return sum(int(str(row[2])) for row in rows)


PAGE = Page(
    "Reviews",
    "/reviews",
    (
        Route("/reviews", inbox),
        Route("/reviews/next", take_next, "POST", Role.REVIEWER),
        Route("/reviews/{id}", one, least=Role.REVIEWER),
        Route("/reviews/{id}/claim", claim, "POST", Role.REVIEWER),
        Route("/reviews/{id}/release", release, "POST", Role.REVIEWER),
        Route("/reviews/{id}/decide", decide, "POST", Role.REVIEWER),
    ),
    said={
        "claimed": "It is yours for five minutes: nobody else can decide it meanwhile.",
        "released": "Released: anybody may claim it now.",
        "approve": "Approved.",
        "edit": "Edited: the caller gets what you wrote.",
        "reject": "Rejected: the caller is told.",
        "none": "Nothing waits that nobody has claimed.",
    },
    count=_count,
)
