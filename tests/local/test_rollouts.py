"""Rollouts of `pointsman up`: an edited file is an edit, an annotation of it an order."""

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pointsman.cli.ledger import opened
from tests.local.running import DEADLINE_S, up
from tests.operator.objects import backend, golden, policy, route

pytestmark = pytest.mark.local
BACKENDS = "".join(
    f"""\
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {{name: {name}}}
spec: {{model: m, deployment: {{engine: Simulator}}}}
---
"""
    for name in ("old", "new")
)
POLICY = """\
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: desk, annotations: {ORDERS}}
spec:
  modelNames: [chat]
  default: {targets: [{backendRef: {name: BACKEND}}]}
  rollout:
    steps: [{weightPercent: 50, minRequests: 1, minDuration: 1s}]
"""


def _said(backend: str, **orders: str) -> str:
    text = json.dumps({f"pointsman.dev/rollout-{key}": value for key, value in orders.items()})
    return BACKENDS + POLICY.replace("{ORDERS}", text).replace("BACKEND", backend)


def _ask(url: str, conversations: int) -> Counter[str]:
    """Who answered, of so many conversations."""
    found: Counter[str] = Counter()
    for number in range(conversations):
        request = urllib.request.Request(
            f"{url}/chat/completions",
            json.dumps(
                {
                    "model": "chat",
                    "max_tokens": 1,
                    "messages": [{"role": "user", "content": f"question {number}"}],
                }
            ).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            found[answer.headers["x-pointsman-backend"]] += 1
    return found


@pytest.fixture
def edit(tmp_path: Path) -> Callable[..., Path]:
    file = tmp_path / "fleet.yaml"

    def write(backend: str, **orders: str) -> Path:
        file.write_text(_said(backend, **orders))
        return file

    return write


@pytest.mark.timeout(180)
def test_an_edit_is_rolled_out_and_an_order_obeyed(edit: Callable[..., Path]) -> None:
    """Half of the conversations; abort brings all back, retry and promote make it take over."""
    with up(str(edit("old")), "--port", "0") as session:
        session.wait_for("ready")
        assert _ask(session.url, 8).keys() == {"old"}
        edit("new")
        begun = session.wait_for("RolloutBegun")
        candidate = begun.split("RolloutBegun: ")[1].split()[0]
        session.wait_for("% go to")
        shared = _ask(session.url, 32)
        assert shared.keys() == {"old", "new"}, shared
        session.wait_for("not sure of Errors")

        edit("new", abort=candidate)
        session.wait_for("RolloutAborted")
        assert _ask(session.url, 32).keys() == {"old"}

        edit("new", abort=candidate, retry=candidate)
        session.wait_for("RolloutBegun", times=2)
        edit("new", abort=candidate, retry=candidate, promote=candidate)
        session.wait_for("RolloutPromoted")
        assert _ask(session.url, 8).keys() == {"new"}


@pytest.mark.timeout(120)
def test_the_stable_one_again_ends_it(edit: Callable[..., Path]) -> None:
    """Nothing is left of a candidate whose edit was taken back; a third edit begins anew."""
    with up(str(edit("old")), "--port", "0") as session:
        session.wait_for("ready")
        edit("new")
        session.wait_for("RolloutBegun")
        edit("old")
        session.wait_for("RolloutEnded")
        assert _ask(session.url, 16).keys() == {"old"}


def _quiet(to: str) -> str:
    """Three backends with golden prompts, and a policy that nobody asks."""
    backends = [
        backend(
            name,
            deployment={"engine": "Simulator", "args": ["--ttft=0", f"--quality=Coding={right}"]},
            evaluation={"suiteRef": {"name": "golden"}, "interval": "720h"},
        )
        for name, right in (("old", 1.0), ("new", 1.0), ("bad", 0.3))
    ]
    rollout = {
        "steps": [{"weightPercent": 50, "minRequests": 1, "minDuration": "1s"}],
        "stepDeadline": "3s",
        "guardrails": {"maxQualityPoints": 15},
    }
    made = [golden(40), *backends, policy(default=route(to), rollout=rollout)]
    return "---\n".join(
        yaml.safe_dump({**one, "metadata": {"name": one["metadata"]["name"]}}) for one in made
    )


@pytest.mark.timeout(240)
def test_golden_prompts_decide_where_nobody_asks(tmp_path: Path) -> None:
    """One that is as good takes over, a worse one is rolled back; both are asked for it."""
    file = tmp_path / "fleet.yaml"
    file.write_text(_quiet("old"))
    with up(str(file), "--port", "0") as session:
        session.wait_for("ready")
        file.write_text(_quiet("new"))
        session.wait_for("RolloutProbing")
        assert "ProbesPassed" in session.wait_for("RolloutPromoted")
        file.write_text(_quiet("bad"))
        said = session.wait_for("RolloutAborted")
        assert "ProbesFailed" in said
        assert "Golden/Coding" in said


def _wait_for_rows(file: Path, count: int) -> None:
    """Until the ledger has so many requests."""
    end = time.monotonic() + DEADLINE_S
    with opened(str(file)) as ledger:
        while (found := len(list(ledger.requests("1h", "0s")))) < count:
            assert time.monotonic() < end, found
            time.sleep(0.05)


@pytest.mark.timeout(180)
def test_an_edit_is_replayed_on_what_was_recorded(tmp_path: Path) -> None:
    """One that costs twice as much is taken back before anybody is sent to it."""
    file = tmp_path / "fleet.yaml"
    costs = {"old": "{inputPerMillion: '1', outputPerMillion: '1'}",
             "new": "{inputPerMillion: '2', outputPerMillion: '2'}"}  # fmt: skip

    def write(backend: str) -> None:
        text = _said(backend).replace("  rollout:\n", "  rollout:\n    replay: {minRequests: 20}\n")
        for name, cost in costs.items():
            begin = f"metadata: {{name: {name}}}\nspec: {{"
            text = text.replace(begin, f"{begin}cost: {cost}, ")
        file.write_text(text)

    write("old")
    with up(str(file), "--port", "0", "--ledger", str(tmp_path / "ledger.db")) as session:
        session.wait_for("ready")
        _ask(session.url, 40)
        _wait_for_rows(tmp_path / "ledger.db", 40)
        write("new")
        said = session.wait_for("RolloutAborted")
        assert "ReplayFailed" in said
        assert "cost +100.0 %" in said
        assert _ask(session.url, 8).keys() == {"old"}
