"""The ledger as the chart installs it: routers and operator ship to it, through ends and back."""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from pointsman.api.table import PolicyEntry, decode_manifest
from tests.bench import Bench
from tests.e2e.fleet import Fleet, install, rendered
from tests.operator.objects import backend, policy, rule
from tests.operator.test_scaling_on_bench import apply

NAMESPACE = "ledger-bench"
TOKEN = "bench-ledger-token-0123456789abcdef"
pytestmark = [pytest.mark.bench, pytest.mark.timeout(420)]
COST = {"inputPerMillion": "1", "outputPerMillion": "10"}


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release whose routers send to its ledger; there is no DNS here, so by its address."""
    fleet = install(bench, NAMESPACE)
    fleet.kubectl("create", "secret", "generic", "ledger", f"--from-literal=token={TOKEN}")
    values = "ledger.enabled=true,ledger.tokenSecret=ledger,ledger.sqlite.persistent=false"
    _apply(fleet, values)
    bench.wait_for(lambda: fleet.are_ready("ledger", 1), 120, "the ledger")
    (pod,) = fleet.pods("ledger")
    _apply(fleet, f"{values},ledger.url=http://{pod['status']['podIP']}:9903")
    rollout = ("rollout", "status", f"deployment/{fleet.release}-router", "--timeout=120s")
    fleet.kubectl(*rollout)
    bench.wait_for(lambda: fleet.are_ready("router", 3), 120, "the new routers")
    apply(fleet, backend("a", cost=COST), policy())
    fleet.wait_ready("modelbackends", "routingpolicies")
    yield fleet
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _apply(fleet: Fleet, values: str) -> None:
    """What `helm upgrade` would apply."""
    text = rendered(fleet.bench, NAMESPACE, fleet.release, values=values)
    fleet.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)


def _ask(fleet: Fleet, path: str, token: str = TOKEN) -> dict[str, Any]:
    (pod,) = fleet.pods("ledger")
    url = f"http://{pod['status']['podIP']}:9903{path}"
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _total(fleet: Fleet) -> dict[str, Any]:
    try:
        totals = _ask(fleet, "/v1/summary?since=1h")["totals"]
    except OSError:
        return {"requests": -1}
    return totals[0] if totals else {"requests": 0}


def test_every_request_of_every_router_is_in_the_ledger(fleet: Fleet) -> None:
    """Also those that were made while it was away; their cost is what the models billed."""
    billed = asked = 0
    for round_ in range(3):
        for url in fleet.routers():
            with fleet.client(url) as client:
                answer = client.chat.completions.create(
                    model="auto", messages=[{"role": "user", "content": "hi"}], max_tokens=5
                )
            assert answer.usage is not None
            billed += answer.usage.prompt_tokens * 1_000 + answer.usage.completion_tokens * 10_000
            asked += 1
        if round_ == 1:
            (pod,) = fleet.pods("ledger")
            fleet.bench.kill(NAMESPACE, pod["metadata"]["name"])
    fleet.bench.wait_for(lambda: _total(fleet)["requests"] == asked, 90, "all requests")
    total = _total(fleet)
    assert (total["cost_nano"], total["errors"]) == (billed, 0)
    time.sleep(1)
    assert _total(fleet)["requests"] == asked, "none twice"


def _used(fleet: Fleet) -> str:
    budgets = fleet.get("routingpolicy", "desk").get("status", {}).get("budgets") or [{}]
    return str(budgets[0].get("used", ""))


def _ask_each(fleet: Fleet) -> int:
    """One request of each router; the tokens of all."""
    tokens = 0
    for url in fleet.routers():
        with fleet.client(url) as client:
            answer = client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "hi"}], max_tokens=5
            )
        assert answer.usage is not None
        tokens += answer.usage.total_tokens
    return tokens


def test_what_is_used_of_a_budget_is_in_the_status(fleet: Fleet) -> None:
    """Of all routers, to a percent; an operator that ends in between takes nothing away."""
    desk = policy()
    desk["spec"]["budgets"] = [
        {"name": "month", "window": "Month", "tokens": 100, "mode": "Shadow"}
    ]
    apply(fleet, desk)
    fleet.bench.wait_for(lambda: _used(fleet) == "0 tokens", 60, "the budget in the status")
    used = _ask_each(fleet)
    fleet.bench.wait_for(lambda: _used(fleet) == f"{used} tokens", 60, f"{used} tokens")

    (operator,) = fleet.pods("operator")
    fleet.bench.kill(NAMESPACE, operator["metadata"]["name"])
    used += _ask_each(fleet)
    assert _used(fleet) != "0 tokens"
    fleet.bench.wait_for(lambda: _used(fleet) == f"{used} tokens", 90, f"{used} tokens")


def test_what_replicas_cost_by_the_hour_is_in_the_ledger(fleet: Fleet) -> None:
    """From their pods' nodes to their backend's end, though the operator began anew between."""
    begun_s = time.monotonic()
    apply(fleet, backend("paid", replicas=2, cost={"replicaHour": "3600", "currency": "EUR"}))
    fleet.wait_ready("modelbackends")
    ready_s = time.monotonic()
    (operator,) = fleet.pods("operator")
    fleet.bench.kill(NAMESPACE, operator["metadata"]["name"])
    ask = ("get", "lease", "-o", "jsonpath={.items[*].spec.leaseTransitions}")
    before = fleet.kubectl(*ask)
    fleet.bench.wait_for(lambda: fleet.kubectl(*ask) != before, 60, "an operator that leads anew")
    time.sleep(3)
    least_s = time.monotonic() - ready_s
    fleet.kubectl("delete", "modelbackend", "paid")
    took_s = time.monotonic() - begun_s

    def told() -> list[dict[str, Any]]:
        try:
            found = _ask(fleet, "/v1/summary?since=1h")["hosted"]
        except OSError:
            return []
        return [one for one in found if one["backend"] == "paid"]

    fleet.bench.wait_for(lambda: bool(told()), 60, "replica-hours")
    (paid,) = told()
    assert 2_000 * least_s <= paid["replica_ms"] <= 2_000 * (took_s + 5)
    assert paid["unknown_ms"] > 0
    assert paid["cost_nano"] == paid["replica_ms"] * 1_000_000
    assert (paid["currency"], paid["requests"]) == ("EUR", 0)


def test_nobody_without_the_token_reads_it(fleet: Fleet) -> None:
    """Off loopback there is no way around."""
    with pytest.raises(urllib.error.HTTPError, match="401"):
        _ask(fleet, "/v1/summary", "another-token")


def _answers(fleet: Fleet, url: str, to: str = "") -> tuple[str, str]:
    """Who answered a question, and the decision's id; a rule sends it where its metadata says."""
    with fleet.client(url) as client:
        said = client.chat.completions.with_raw_response.create(
            model="auto", messages=[{"role": "user", "content": "Hello, who are you?"}],
            max_tokens=5, metadata={"to": to} if to else {},
        )  # fmt: skip
    return said.headers["x-pointsman-backend"], said.headers["x-pointsman-decision-id"]


def test_what_people_say_of_answers_moves_traffic(fleet: Fleet) -> None:
    """Into all routers; an operator that begins anew unlearns nothing and writes no table."""
    apply(fleet, backend("b", cost=COST))
    desk = policy(rules=tuple(rule(f"to-{n}", {"metadata": {"to": n}}, n) for n in "ab"))
    apply(fleet, desk)
    fleet.wait_ready("modelbackends", "routingpolicies")
    first, *_ = fleet.routers()
    for _ in range(8):
        for name in "ab":
            backend_, decision = _answers(fleet, first, to=name)
            assert backend_ == name
            with fleet.client(first) as client:
                told = {"decision_id": decision, "score": float(name == "b")}
                client.post("/feedback", body=told, cast_to=object)
    asked = "/v1/labels?policy=desk&since=1h"
    fleet.bench.wait_for(lambda: len(_ask(fleet, asked)["labels"]) == 16, 60, "the ratings")
    assert _answers(fleet, first)[0] == "a"
    desk["spec"]["predictor"] = {
        "mode": "Apply", "candidates": [{"name": "a"}, {"name": "b"}], "minSamples": 5,
    }  # fmt: skip
    apply(fleet, desk)

    def learned() -> int:
        status = fleet.get("routingpolicy", "desk").get("status", {})
        return int(status.get("predictor", {}).get("samples", 0))

    def chosen() -> set[str]:
        return {_answers(fleet, url)[0] for url in fleet.routers()}

    fleet.bench.wait_for(lambda: learned() == 16, 90, "a fit")
    fleet.bench.wait_for(lambda: chosen() == {"b"}, 30, "the choice of all routers")
    manifest = ("get", "configmap", f"{fleet.release}-routing-table", "-o")
    before = fleet.kubectl(*manifest, "jsonpath={.binaryData.manifest}")
    (operator,) = fleet.pods("operator")
    ask = ("get", "lease", "-o", "jsonpath={.items[*].spec.leaseTransitions}")
    leads = fleet.kubectl(*ask)
    fleet.bench.kill(NAMESPACE, operator["metadata"]["name"])
    fleet.bench.wait_for(lambda: fleet.kubectl(*ask) != leads, 60, "an operator that leads anew")
    time.sleep(5)
    assert chosen() == {"b"}
    assert learned() == 16
    after = fleet.kubectl(*manifest, "jsonpath={.binaryData.manifest}")
    assert _entries(after) == _entries(before)


def _entries(packed: str) -> tuple[PolicyEntry, ...]:
    return decode_manifest(base64.b64decode(packed)).policies
