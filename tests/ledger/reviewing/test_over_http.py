"""Reviews over HTTP, in a process as it is run: routers on one side, people on the other."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from pointsman.events.reviews import Opening
from pointsman.ledger.reviewing.desk import MAX_POLLS
from tests.ledger.conftest import Place
from tests.ledger.process import LedgerProcess, ledger_process
from tests.ledger.reviewing.desks import Caller, people_file
from tests.ledger.reviews.opened import answer_text, hash_of, opening, request_text

pytestmark = pytest.mark.local
TOKEN = "the ledger's own"


@pytest.fixture
def ledger(place: Place, tmp_path: Path) -> Iterator[LedgerProcess]:
    """With a viewer, two reviewers and an operator."""
    with ledger_process(place.flag, f"--people={people_file(tmp_path)}") as process:
        yield process


@pytest.fixture
def router(ledger: LedgerProcess) -> Caller:
    return Caller(ledger.port)


@pytest.fixture
def ada(ledger: LedgerProcess) -> Caller:
    return Caller(ledger.port, "ada")


def said(asked: Opening, verdict: str = "approve", **more: Any) -> dict[str, Any]:
    """A decision about just this request."""
    return {"verdict": verdict, "request_hash": asked.request_hash, **more}


def test_from_the_request_to_the_decision(router: Caller, ada: Caller) -> None:
    """A router opens, a reviewer claims and approves, the router is told."""
    asked = opening()

    status, opened = router.post("/v1/reviews", asked)
    assert (status, opened["review"], opened["state"]) == (201, "d-1", "Pending")
    assert router.post("/v1/reviews", asked) == (200, opened)
    same = f"caller=app&policy=support&request_hash={asked.request_hash}"
    assert router.get(f"/v1/reviews?{same}") == (200, opened)
    assert router.post("/v1/reviews/decided", {"ids": ["d-1"], "wait_s": 0.1}) == (
        200,
        {"decided": [], "unknown": []},
    )

    _, listed = ada.get("/v1/people/reviews?state=Pending")
    assert [one["id"] for one in listed["reviews"]] == ["d-1"]
    assert ada.post("/v1/people/reviews/d-1/claim")[0] == 200
    assert ada.get("/v1/people/reviews/d-1")[1]["texts"]["answer"] == asked.answer
    status, review = ada.post("/v1/people/reviews/d-1/decide", said(asked))
    assert (status, review["state"]) == (200, "Approved")

    _, ended = router.post("/v1/reviews/decided", {"ids": ["d-1", "d-9"], "wait_s": 5})
    assert ended["unknown"] == ["d-9"]
    (decided,) = ended["decided"]
    assert (decided["state"], decided["by"], decided["answer"]) == (
        "Approved", "ada", asked.answer,
    )  # fmt: skip
    assert router.get("/v1/reviews/d-1?caller=app") == (200, decided)
    assert router.get("/v1/reviews/d-1?caller=other")[0] == 404
    assert router.post("/v1/reviews/d-1/delivered")[0] == 200
    assert router.get(f"/v1/reviews?{same}")[1]["code"] == "Unknown"

    _, audit = ada.get("/v1/people/audit")
    assert [one["action"] for one in audit["entries"]] == ["review.approve", "review.claim"]
    assert ada.get("/v1/people/audit/check")[1]["broken"] == 0


def test_who_waits_is_told_at_once(router: Caller, ada: Caller) -> None:
    """Not when the wait is over."""
    asked = opening()
    router.post("/v1/reviews", asked)
    ada.post("/v1/people/reviews/d-1/claim")
    found: list[Any] = []

    def wait() -> None:
        question = {"ids": ["d-1"], "wait_s": 20}
        begun_s = time.monotonic()
        found.append((router.post("/v1/reviews/decided", question), time.monotonic() - begun_s))

    waiting = threading.Thread(target=wait)
    waiting.start()
    ada.post("/v1/people/reviews/d-1/decide", said(asked))
    waiting.join(30)
    ((status, ended), waited_s) = found[0]
    assert (status, ended["decided"][0]["state"]) == (200, "Approved")
    assert waited_s < 10


def test_routers_that_ask_anew_leave_room_for_others(router: Caller) -> None:
    """A wait whose router has left is over soon: it counts among no 256 that may wait."""
    router.post("/v1/reviews", opening())
    question = {"ids": ["d-1"], "wait_s": 20}
    for _ in range(MAX_POLLS):
        connection = http.client.HTTPConnection("127.0.0.1", router.port, timeout=30)
        connection.request("POST", "/v1/reviews/decided", json.dumps(question))
        connection.close()
    by_s = time.monotonic() + 10
    while router.post("/v1/reviews/decided", question | {"wait_s": 0})[0] != 200:
        assert time.monotonic() < by_s


def test_a_decision_at_one_replica_is_told_by_the_other(
    postgres_place: Place, tmp_path: Path
) -> None:
    """Two ledgers on one PostgreSQL are one queue."""
    people = f"--people={people_file(tmp_path)}"
    with (
        ledger_process(postgres_place.flag, people) as one,
        ledger_process(postgres_place.flag, people) as two,
    ):
        asked, ada, ben = opening(), Caller(two.port, "ada"), Caller(one.port, "ben")
        assert Caller(one.port).post("/v1/reviews", asked)[0] == 201
        assert Caller(two.port).post("/v1/reviews", asked)[0] == 200
        assert ada.post("/v1/people/reviews/d-1/claim")[0] == 200
        assert _code(ben.post("/v1/people/reviews/d-1/claim")) == (409, "ClaimedBy")
        assert ada.post("/v1/people/reviews/d-1/decide", said(asked))[0] == 200
        question = {"ids": ["d-1"], "wait_s": 20}
        _, ended = Caller(one.port).post("/v1/reviews/decided", question)
        assert ended["decided"][0]["by"] == "ada"


def test_a_page_of_another_site_decides_nothing(sqlite_place: Place) -> None:
    """It could act for whoever is at this machine."""
    with ledger_process(sqlite_place.flag, "--local-person=otto") as ledger:
        here = Caller(ledger.port)
        assert here.post("/v1/reviews", opening())[0] == 201
        path = "/v1/people/reviews/d-1/claim"
        for foreign in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert here.ask("POST", path, None, foreign)[0] == 403
        assert here.get("/v1/people/reviews")[1]["reviews"][0]["claimed_by"] == ""
        assert here.post(path)[1]["claimed_by"] == "otto"


def test_a_deadline_is_told_without_anybodys_asking(router: Caller, ada: Caller) -> None:
    """By the ledger's clock; a decision after it is refused, and the wait ends with it."""
    asked = opening(within_ms=1_000)
    router.post("/v1/reviews", asked)
    ada.post("/v1/people/reviews/d-1/claim")
    _, ended = router.post("/v1/reviews/decided", {"ids": ["d-1"], "wait_s": 20})
    assert ended["decided"][0]["state"] == "TimedOut"
    status, refused = ada.post("/v1/people/reviews/d-1/decide", said(asked))
    assert (status, refused["code"], refused["state"]) == (409, "Ended", "TimedOut")
    assert router.post("/v1/reviews/d-1/end", {"state": "Withdrawn"})[1]["state"] == "TimedOut"
    status, metrics = router.ask("GET", "/metrics", plain=True)
    assert 'reviews_ended_total{mode="Hold",state="TimedOut"} 1.0' in metrics


def test_each_refusal_has_its_code(router: Caller, ada: Caller, ledger: LedgerProcess) -> None:
    """Forged hash, two who claim, an edit that is no JSON: refused, and nothing is lost."""
    ben = Caller(ledger.port, "ben")
    wanted: dict[str, Any] = {"response_format": {"type": "json_object"}}
    asked = opening(request=request_text(**wanted), answer=answer_text('{"refund": true}'))
    router.post("/v1/reviews", asked)
    decide = "/v1/people/reviews/d-1/decide"
    assert _code(ada.post(decide, said(asked))) == (409, "NotClaimed")
    ada.post("/v1/people/reviews/d-1/claim")
    status, told = ben.post("/v1/people/reviews/d-1/claim")
    assert (status, told["code"], told["by"]) == (409, "ClaimedBy", "ada")
    assert told["until_ms"] > 0
    assert _code(ben.post(decide, said(asked))) == (409, "ClaimedBy")
    forged = said(asked) | {"request_hash": hash_of("forged")}
    assert _code(ada.post(decide, forged)) == (409, "HashMismatch")
    status, told = ada.post(decide, said(asked, "edit", edited=answer_text("Yes.")))
    assert (status, told["code"], told["where"]) == (
        422, "BadEdit", "edited.choices[0].message.content",
    )  # fmt: skip
    assert _code(ada.post("/v1/people/reviews/d-9/claim")) == (404, "Unknown")
    assert _code(router.post("/v1/reviews/d-1/take", {"holder": "r1"})) == (409, "NotApproved")
    clash = opening(request=request_text("another"))
    assert _code(router.post("/v1/reviews", clash)) == (409, "HashMismatch")

    better = answer_text('{"refund": false}')
    assert ada.post(decide, said(asked, "edit", edited=better))[0] == 200
    assert router.get("/v1/reviews/d-1?caller=app")[1]["answer"] == better
    assert _code(ada.post(decide, said(asked))) == (409, "Ended")


def test_a_full_queue_says_when_to_come_again(router: Caller) -> None:
    """429, Retry-After; what waits is not touched."""
    assert router.post("/v1/reviews", opening(1, max_held=1))[0] == 201
    assert _code(router.post("/v1/reviews", opening(2, max_held=1))) == (429, "Full")
    assert router.post("/v1/reviews", opening(1, max_held=1))[0] == 200


CHANGES: Final[tuple[dict[str, Any], ...]] = (
    {"request": "no JSON"},
    {"request": "[]"},
    {"answer": ""},
    {"stage": "Request"},
    {"request_hash": "abc"},
    {"id": "../x"},
    {"id": "d-1\n"},
    {"within_ms": 10},
    {"webhooks": [{"name": "../key", "url": "https://hooks.example/"}]},
    {"webhooks": [{"name": "a.b", "url": "file:///etc/passwd"}]},
    {"webhooks": 5 * [{"name": "a.b", "url": "https://hooks.example/"}]},
    {"caller": "a\0b"},
    {"more": 1},
)


def test_an_opening_that_cannot_be_is_refused(router: Caller) -> None:
    """400 with the reason; nothing is opened."""
    for change in CHANGES:
        body = msgspec.to_builtins(opening()) | change
        status, told = router.post("/v1/reviews", body)
        assert status == 400, (change, told)
        assert told["reason"].startswith("no opening of a review")
        assert router.get("/v1/reviews/d-1?caller=app")[0] == 404


def test_who_may_do_what(ledger: LedgerProcess, router: Caller) -> None:
    """A viewer sees the queue and the trail, no text, and decides nothing; a stranger nothing."""
    asked = opening()
    router.post("/v1/reviews", asked)
    statuses = {
        who: [
            Caller(ledger.port, who).ask(method, f"/v1/people/{path}", body)[0]
            for method, path, body in (
                ("GET", "reviews", None),
                ("GET", "audit", None),
                ("GET", "reviews/d-1", None),
                ("POST", "reviews/d-1/claim", None),
                ("POST", "reviews/d-1/decide", said(asked)),
            )
        ]
        for who in ("", "mallory", "vera", "otto")
    }
    assert statuses == {
        "": 5 * [401],
        "mallory": 5 * [401],
        "vera": [200, 200, 403, 403, 403],
        "otto": 5 * [200],
    }


def test_a_person_is_no_router_and_a_router_no_person(place: Place, tmp_path: Path) -> None:
    """Each side's token opens its own side only."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    people = people_file(tmp_path)
    with ledger_process(place.flag, f"--people={people}", f"--token-file={token}") as ledger:
        as_router = {"Authorization": f"Bearer {TOKEN}"}
        nobody, ada = Caller(ledger.port), Caller(ledger.port, "ada")
        assert nobody.ask("POST", "/v1/reviews", opening(), as_router)[0] == 201
        assert ada.post("/v1/reviews", opening(2))[0] == 401
        assert nobody.post("/v1/reviews", opening(2))[0] == 401
        assert nobody.ask("GET", "/v1/people/reviews", None, as_router)[0] == 401
        assert ada.get("/v1/people/reviews")[0] == 200


def test_questions_that_mean_nothing(ada: Caller, router: Caller) -> None:
    """400, whatever is in them."""
    for path in (
        "reviews?state=Open", "reviews?limit=0", "reviews?limit=9999", "reviews?after=x",
        "reviews?after=a:b:c", "audit?after=x", "audit?since=yesterday", "audit?limit=5000",
        "audit?limit=000000001999999999", f"reviews?limit={'1' * 5000}",
    ):  # fmt: skip
        assert ada.get(f"/v1/people/{path}")[0] == 400, path
    for path, body in (
        ("/v1/reviews/decided", {"ids": []}),
        ("/v1/reviews/decided", {"ids": ["x"], "wait_s": 21}),
        ("/v1/reviews/d-1/end", {"state": "Approved"}),
        ("/v1/reviews/d-1/take", {}),
        ("/v1/reviews/d-1/answer", b"{"),
    ):
        assert router.post(path, body)[0] == 400, path
    decision = {"verdict": "maybe", "request_hash": "x"}
    assert ada.post("/v1/people/reviews/d-1/decide", decision)[0] == 400
    long = {"verdict": "reject", "request_hash": "x", "message": "x" * 2001}
    assert ada.post("/v1/people/reviews/d-1/decide", long)[0] == 400


def _code(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["code"]
