"""Governance on a control plane: who is left out, and an approval that ends without anybody."""

import json
import threading
import time
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.bench import Bench
from tests.e2e.fleet import CALLER_KEY, RELEASE, Fleet, install
from tests.operator.objects import backend, policy, target
from tests.operator.test_on_bench import apply, settles
from tests.operator.test_vetting import approval, asking, vetted
from tests.support.conditions import assert_well_formed, unexplained

pytestmark = pytest.mark.bench
NAMESPACE = "governance-bench"


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with three routers and nothing in it."""
    yield install(bench, NAMESPACE)
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def moment(after_s: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=after_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


def vetted_of(fleet: Fleet, kind: str, name: str) -> tuple[str, str]:
    found = fleet.condition(kind, name, "Vetted")
    return found.get("status", ""), found.get("reason", "")


def approved(name: str, until: str) -> dict[str, Any]:
    item = deepcopy(vetted(name))
    item["spec"]["governance"]["approval"] = approval(expiresAt=until)
    return item


class Callers:
    """Closed loops over all routers, each answer with the time at which it was asked for."""

    def __init__(self, fleet: Fleet, count: int = 6) -> None:
        self.answers: list[tuple[float, str]] = []
        self.failures: list[str] = []
        self._stop = threading.Event()
        urls = fleet.routers()
        self._threads = [
            threading.Thread(target=self._ask, args=(urls[n % len(urls)],)) for n in range(count)
        ]

    def _ask(self, url: str) -> None:
        messages = [{"role": "user", "content": "Which train leaves first?"}]
        body = json.dumps({"model": "auto", "messages": messages, "max_tokens": 4}).encode()
        headers = {"authorization": f"Bearer {CALLER_KEY}", "content-type": "application/json"}
        while not self._stop.is_set():
            at_s = time.time()
            try:
                with urlopen(Request(f"{url}/chat/completions", body, headers), timeout=20) as got:
                    got.read()
                    self.answers.append((at_s, got.headers["x-pointsman-backend"]))
            except OSError as error:
                self.failures.append(str(error))

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_an_approval_ends_under_load_with_no_operator_there(fleet: Fleet) -> None:
    """At its second by the routers alone: nothing fails, and afterwards nobody goes there."""
    desk = asking(policy(default={"targets": [target("a"), target("b", 5), target("c", 5)]}))
    apply(fleet, approved("a", moment(86_400)), approved("b", moment(86_400)), backend("c"), desk)
    fleet.wait_ready("modelbackends", "routingpolicies")
    settles(fleet, "c left out", lambda: vetted_of(fleet, "routingpolicy", "desk")[0] == "False")
    settles(
        fleet, "c not approved",
        lambda: vetted_of(fleet, "modelbackend", "c") == ("False", "NotApproved"),
    )  # fmt: skip
    assert vetted_of(fleet, "modelbackend", "a") == ("True", "Approved")

    ends = moment(15)
    end_s = datetime.fromisoformat(ends).timestamp()
    apply(fleet, approved("b", ends))
    settles(
        fleet, "the new end is in force",
        lambda: fleet.get("modelbackend", "b")["status"]["conditions"]
        and ends in fleet.condition("modelbackend", "b", "Vetted").get("message", ""),
    )  # fmt: skip
    fleet.wait_ready("routingpolicies")
    fleet.kubectl("scale", "deployment", f"{RELEASE}-operator", "--replicas=0")
    settles(fleet, "no operator", lambda: not fleet.pods("operator"))
    assert time.time() < end_s, "the bench was too slow for this test"
    with Callers(fleet) as callers:
        fleet.bench.wait_for(lambda: time.time() > end_s + 3, 30, "the end")

    before = [backend for at_s, backend in callers.answers if at_s < end_s]
    after = [backend for at_s, backend in callers.answers if at_s >= end_s]
    assert callers.failures == []
    assert set(before) == {"a", "b"}
    assert set(after) == {"a"}
    assert len(after) > 20

    fleet.kubectl("scale", "deployment", f"{RELEASE}-operator", "--replicas=1")
    settles(
        fleet, "the end is told",
        lambda: vetted_of(fleet, "modelbackend", "b") == ("False", "ApprovalExpired"), 60,
    )  # fmt: skip

    def message() -> str:
        return str(fleet.condition("routingpolicy", "desk", "Vetted")["message"])

    settles(fleet, "the policy tells it", lambda: "b: ApprovalExpired" in message())
    assert "c: NotApproved" in message()
    for kind, name in (("modelbackend", "b"), ("modelbackend", "c"), ("routingpolicy", "desk")):
        item = fleet.get(kind, name)
        assert_well_formed(item["status"], generation=item["metadata"]["generation"])
        assert unexplained(item["kind"], item["status"]) == []
