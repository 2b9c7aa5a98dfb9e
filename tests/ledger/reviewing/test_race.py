"""200 held requests, five reviewers who race, a ledger that is killed twice: one decision each."""

import http.client
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.conftest import Place
from tests.ledger.process import LedgerProcess
from tests.ledger.reviewing.desks import Caller, people_file
from tests.ledger.reviews.opened import answer_text, opening

pytestmark = pytest.mark.local
HELD = 200
PATIENCE_S = 120.0
REVIEWERS = dict.fromkeys(("ada", "ben", "cleo", "dora", "emil"), "reviewer")
STATES = {"approve": "Approved", "edit": "Edited", "reject": "Rejected"}
AWAY = (OSError, http.client.HTTPException)
HASHES = {f"d-{number}": opening(number).request_hash for number in range(HELD)}


class Reviewer(threading.Thread):
    """Takes what waits, at random; `answered`: decisions that were confirmed."""

    def __init__(self, port: int, name: str, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self._desk = Caller(port, name)
        self._over = over
        self._dice = random.Random(name)
        self.who = name
        self.answered: dict[str, str] = {}
        self.met: Counter[str] = Counter()
        """Refusals by code: a race has some."""

    def run(self) -> None:
        """Whatever is cut off is begun anew."""
        while not self._over.is_set():
            try:
                status, listed = self._desk.get("/v1/people/reviews?state=Pending&limit=20")
                if status == 200 and listed["reviews"]:
                    self._review(self._dice.choice(listed["reviews"])["id"])
                else:
                    time.sleep(0.05)
            except AWAY:
                self.met["cut"] += 1
                time.sleep(0.05)

    def _review(self, id_: str) -> None:
        claimed, told = self._desk.post(f"/v1/people/reviews/{id_}/claim")
        if claimed != 200:
            self.met[told.get("code", "none")] += 1
            return
        verdict = self._dice.choice(list(STATES))
        said = {"verdict": verdict, "request_hash": HASHES[id_], "message": self.who}
        if verdict == "edit":
            said["edited"] = answer_text(f"by {self.who}")
        decided, told = self._desk.post(f"/v1/people/reviews/{id_}/decide", said)
        if decided == 200:
            assert id_ not in self.answered
            self.answered[id_] = told["state"]
        else:
            self.met[told.get("code", "none")] += 1


class Router(threading.Thread):
    """Opens its share, each until it is confirmed, and waits for all of them together."""

    def __init__(self, port: int, ids: list[str]) -> None:
        super().__init__(daemon=True)
        self._ledger = Caller(port)
        self._ids = ids
        self.told: dict[str, Any] = {}
        self.again = 0

    def run(self) -> None:
        """Until each is told, or patience ends."""
        end_s = time.monotonic() + PATIENCE_S
        to_open, left = list(self._ids), set(self._ids)
        while left and time.monotonic() < end_s:
            try:
                while to_open:
                    number = int(to_open[-1].removeprefix("d-"))
                    status, _ = self._ledger.post("/v1/reviews", opening(number))
                    if status not in (200, 201):
                        raise OSError(status)
                    to_open.pop()
                self._wait(left)
            except AWAY:
                time.sleep(0.05)

    def _wait(self, left: set[str]) -> None:
        asked = {"ids": sorted(left), "wait_s": 2}
        status, ended = self._ledger.post("/v1/reviews/decided", asked)
        if status != 200:
            raise OSError(status)
        assert ended["unknown"] == []
        for one in ended["decided"]:
            self.again += one["id"] in self.told
            self.told[one["id"]] = one
            left.discard(one["id"])


def test_each_ends_in_one_decision(place: Place, tmp_path: Path) -> None:
    """None is lost, none is decided twice, and everybody is told the same."""
    people = f"--people={people_file(tmp_path, REVIEWERS)}"
    ledger = LedgerProcess(place.flag, people)
    port = ledger.port
    over = threading.Event()
    ids = list(HASHES)
    routers = [Router(port, ids[number::4]) for number in range(4)]
    reviewers = [Reviewer(port, name, over) for name in REVIEWERS]
    try:
        for thread in (*routers, *reviewers):
            thread.start()
        for share in (0.2, 0.6):  # in the middle of openings, claims and decisions
            _until(lambda share=share: _told(reviewers) > share * HELD)
            ledger.end(signal.SIGKILL)
            ledger = LedgerProcess(place.flag, people, port=port)
        for router in routers:
            router.join(PATIENCE_S)
        over.set()
        for reviewer in reviewers:
            reviewer.join(PATIENCE_S)
        audited = _audited(Caller(port, "ada"))
        assert ledger.end() == 0
    finally:
        over.set()
        ledger.end(signal.SIGKILL)

    told = {id_: one for router in routers for id_, one in router.told.items()}
    assert sorted(told) == sorted(ids)
    assert sum(router.again for router in routers) == 0
    stored = dict(place.execute("SELECT id, state FROM reviews"))
    assert {id_: one["state"] for id_, one in told.items()} == stored
    assert set(stored.values()) <= set(STATES.values())
    answered = Counter(id_ for reviewer in reviewers for id_ in reviewer.answered)
    assert max(answered.values()) == 1
    for reviewer in reviewers:  # what was confirmed is what stands, by whom it was
        for id_, state in reviewer.answered.items():
            assert (told[id_]["state"], told[id_]["by"]) == (state, reviewer.who)
    for one in told.values():
        wanted = {"Approved": answer_text(), "Edited": answer_text(f"by {one['by']}")}
        assert one.get("answer", "") == wanted.get(one["state"], "")

    decided = Counter(subject for action, subject in audited if action in STATES)
    assert decided == Counter(f"review/{id_}" for id_ in ids)
    assert place.execute("SELECT count(*) FROM pending")[0] == (HELD,)  # a label of each
    assert sum(reviewer.met["ClaimedBy"] for reviewer in reviewers) > 0  # they did race


def _told(reviewers: list[Reviewer]) -> int:
    return sum(len(reviewer.answered) for reviewer in reviewers)


def _until(true: Any) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def _audited(desk: Caller) -> list[tuple[str, str]]:
    """All of the trail, (verdict, subject); the chain holds."""
    assert desk.get("/v1/people/audit/check")[1]["broken"] == 0
    found: list[tuple[str, str]] = []
    after = 0
    while True:
        _, page = desk.get(f"/v1/people/audit?limit=1000&after={after}")
        if not page["entries"]:
            return found
        found += [(one["action"].removeprefix("review."), one["subject"])
                  for one in page["entries"]]  # fmt: skip
        after = page["entries"][-1]["seq"]
