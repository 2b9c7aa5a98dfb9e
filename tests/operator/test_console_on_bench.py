"""A day in the console's pages, on a cluster.

A reviewer edits an answer that an SDK's call waits for; an operator approves a rollout and aborts
another.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

from tests.bench import Bench
from tests.browser.chromium import Chromium
from tests.browser.conftest import browser, chromium, installed
from tests.browser.proxy import Proxy
from tests.e2e.fleet import Fleet, install, rendered
from tests.operator.objects import backend, policy, route
from tests.operator.test_scaling_on_bench import apply

__all__ = ["browser", "chromium", "installed"]
pytestmark = [pytest.mark.bench, pytest.mark.timeout(420)]
NAMESPACE = "console-bench"
VALUES = (
    "ledger.enabled=true,ledger.tokenSecret=ledger,ledger.sqlite.persistent=false,"
    "ledger.console.enabled=true,ledger.console.write=true,"
    "ledger.console.trustedProxies={0.0.0.0/0},ledger.console.roles={operator=platform,viewer=*},"
    "networkPolicy.ledgerFrom[0].ipBlock.cidr=0.0.0.0/0"
)
"""Whoever reaches the pod is the proxy here."""
ROLLOUT: dict[str, Any] = {
    "steps": [
        {"weightPercent": 20, "minRequests": 0, "minDuration": "1s", "approval": True},
        {"weightPercent": 60, "minRequests": 0, "minDuration": "1s", "approval": True},
    ]
}
"""Nobody asks anything: only a person lets a step end."""


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with a console, three backends and two policies."""

    def secret(made: Fleet) -> None:
        made.kubectl("create", "secret", "generic", "ledger", "--from-literal=token=t0ken-of-bench")

    found = install(bench, NAMESPACE, values=VALUES, after=secret)
    bench.wait_for(lambda: found.are_ready("ledger", 1), 120, "the ledger")
    (pod,) = found.pods("ledger")  # there is no DNS here, so routers get its address
    address = f"{VALUES},ledger.url=http://{pod['status']['podIP']}:9903"
    chart = rendered(bench, NAMESPACE, values=address)
    found.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=chart)
    found.kubectl("rollout", "status", f"deployment/{found.release}-router", "--timeout=120s")
    bench.wait_for(lambda: found.are_ready("router", 3), 120, "the new routers")
    apply(found, *map(backend, "abc"))
    apply(
        found, policy(default=route("a")), policy("help", model_names=("help",), default=route("a"))
    )
    found.wait_ready("modelbackends", "routingpolicies")
    yield found
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
def otto(fleet: Fleet) -> Iterator[str]:
    """Where he is signed in."""
    (pod,) = fleet.pods("ledger")
    with Proxy(9903, "otto", "platform", host=pod["status"]["podIP"]) as proxy:
        yield proxy.url


def rollout(fleet: Fleet, name: str) -> dict[str, Any]:
    """Of the present spec."""
    item = fleet.get("routingpolicy", name)
    if item["status"]["observedGeneration"] != item["metadata"]["generation"]:
        return {}
    found: dict[str, Any] = item["status"].get("rollout", {})
    return found


def until(fleet: Fleet, name: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The rollout once it is so."""
    end_s = time.monotonic() + 90
    while time.monotonic() < end_s:
        found = rollout(fleet, name)
        if holds(found):
            return found
        time.sleep(0.3)
    raise AssertionError(f"{name}: {found}\n{fleet.story()}")


def test_a_rollout_is_approved_and_another_aborted_in_the_page(
    fleet: Fleet, otto: str, browser: Chromium
) -> None:
    """By buttons; the operator obeys, and the audit log says who it was."""
    apply(
        fleet,
        policy(default=route("b"), rollout=ROLLOUT),
        policy("help", model_names=("help",), default=route("c"), rollout=ROLLOUT),
    )
    for name in ("desk", "help"):
        until(fleet, name, lambda found: found.get("phase") == "AwaitingApproval")
    browser.open(f"{otto}/console/rollouts")
    browser.shows("waits for a person")
    browser.find("a[href='/console/rollouts/desk']").click()
    browser.shows("Approve")
    candidate = rollout(fleet, "desk")["revision"]
    browser.shows(candidate)
    browser.press("Approve")
    browser.shows("Approved, under your name")
    approved = until(fleet, "desk", lambda found: found.get("step") == 1)
    assert approved["approvedBy"] == ["otto"]

    stable = rollout(fleet, "help")["stable"]
    browser.open(f"{otto}/console/rollouts/help")
    browser.shows("Abort…")
    browser.find("details.confirm:last-of-type > summary").click()
    browser.press("Yes, abort")
    browser.shows("Aborted")
    aborted = until(fleet, "help", lambda found: found.get("phase") == "Aborted")
    assert aborted["reason"] == "AbortRequested"
    assert fleet.get("routingpolicy", "help")["status"]["activeRevision"] == stable
    browser.shows("AbortRequested")  # the page follows by itself

    browser.open(f"{otto}/console/audit")
    for said in ("rollout-approve", "rollout-abort", "routingpolicy/desk", candidate, "otto"):
        browser.shows(said)
    assert browser.problems() == []


def _ask(sdk: openai.OpenAI) -> ChatCompletion:
    return sdk.chat.completions.create(
        model="careful", messages=[{"role": "user", "content": "May I end my lease early?"}]
    )


def test_a_held_call_returns_what_the_reviewer_wrote(
    fleet: Fleet, otto: str, browser: Chromium
) -> None:
    """From the SDK by a router's pod into the ledger's queue, to the page, and back."""
    careful = policy(
        "careful", model_names=("careful",), default={**route("a"), "review": {"mode": "Hold"}}
    )
    careful["spec"]["humanReview"] = {"deadline": "2m", "onTimeout": "Deny"}
    apply(fleet, careful)
    fleet.kubectl("wait", "--for=condition=Ready", "routingpolicy/careful", "--timeout=120s")
    with fleet.client(fleet.routers()[0]) as sdk, ThreadPoolExecutor(1) as callers:
        held = callers.submit(_ask, sdk)
        browser.open(f"{otto}/console/reviews")
        with suppress(TimeoutError):
            raise AssertionError(f"it was not held: {held.result(3)}")
        browser.shows("careful")
        browser.press("Claim the next one")
        area = browser.find("#text")
        area.clear()
        area.send_keys("Ask a lawyer; here is what the law says.")
        browser.press("Send this text")
        answer = held.result(60)
    assert answer.choices[0].message.content == "Ask a lawyer; here is what the law says."
    browser.open(f"{otto}/console/audit")
    browser.shows("review.edit")


def test_the_flow_shows_replicas_of_the_cluster(fleet: Fleet, otto: str, browser: Chromium) -> None:
    """As their status says."""
    browser.open(f"{otto}/console/flow")
    browser.shows("1 of 1")
    assert browser.problems() == []


def reload_until(browser: Chromium, page: str, holds: Callable[[], bool]) -> None:
    """The console looks at the cluster now and then: what is shown may be of before."""
    end_s = time.monotonic() + 90
    browser.open(page)
    while not holds():
        assert time.monotonic() < end_s, browser.text()
        time.sleep(1)
        browser.open(page)


def has_orders(browser: Chromium) -> bool:
    """Whether the page has buttons that order something."""
    return bool(browser.driver.find_elements("css selector", "button[name=action]"))


def test_while_the_api_server_is_away_the_console_is_read_only(
    fleet: Fleet, otto: str, browser: Chromium
) -> None:
    """It says so and has no buttons; they come back by themselves."""
    apply(fleet, policy(default=route("c"), rollout=ROLLOUT))
    until(fleet, "desk", lambda found: found.get("phase") == "AwaitingApproval")
    page = f"{otto}/console/rollouts/desk"
    reload_until(
        browser, page, lambda: "AwaitingApproval" in browser.text() and has_orders(browser)
    )
    fleet.bench.stop_api()
    try:
        reload_until(browser, page, lambda: "Read-only." in browser.text())
        assert not has_orders(browser)
        browser.shows("AwaitingApproval")
    finally:
        fleet.bench.start_api()
    reload_until(browser, page, lambda: has_orders(browser))
