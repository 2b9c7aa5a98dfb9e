"""A desk with four models, two teams and a rollout: what the pages of these tests show.

`python -m tests.ledger.console.showing FOLDER` writes its ledger and its fleet there, as of now.
"""

import json
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from pointsman.api.predicting import Choice, Rated
from pointsman.events.schema import Evaluation, Event, Feedback, Request, Try
from pointsman.ledger.console.fleet.files import STATE, write_whole
from pointsman.ledger.contract import Store
from pointsman.ledger.rows import DAY_MS
from pointsman.ledger.stores.sqlite import SqliteStore
from tests.ledger.events import batch

Json = dict[str, Any]
BACKENDS = ("qwen-light", "qwen-large", "hosted-gpt", "llama-old")
MODELS = {
    "qwen-light": "qwen-2.5-7b", "qwen-large": "qwen-2.5-72b", "hosted-gpt": "gpt-4o",
    "llama-old": "llama-3-8b",
}  # fmt: skip
TASKS = ("coding", "reasoning", "document", "conversation", "extraction")
GOODNESS = {"qwen-light": 0.74, "qwen-large": 0.88, "hosted-gpt": 0.93, "llama-old": 0.61}
PRICES = {"qwen-light": 60_000, "qwen-large": 420_000, "hosted-gpt": 2_400_000, "llama-old": 40_000}
REPLAY = json.dumps({"verdict": "Pass", "message": "2,000 requests, 12.0 % go elsewhere"})
HOSTILE = "</text><script>alert('team')</script>"
"""A name that a caller could choose."""


def requests(count: int, from_ms: int, to_ms: int) -> Iterator[Event]:
    """In the order of time, more by day than by night; every fifth is rated."""
    dice = random.Random(11)
    for number in range(count):
        at_ms = from_ms + (to_ms - from_ms) * number // count
        backend = dice.choices(BACKENDS, (50, 25, 15, 4))[0]
        task = dice.choice(TASKS)
        failed = dice.random() < (0.2 if backend == "llama-old" else 0.01)
        tried = dice.random() < 0.03
        cost = int(PRICES[backend] * dice.lognormvariate(0, 0.4))
        yield Request(
            decision=f"{number:08x}-c0de-4a11-9e5d",
            at_ms=at_ms,
            policy=("support", "search", "batch")[number % 7 % 3],
            revision="support-58e62958bf",
            rule=f"{task}-first",
            task=task,
            complexity=("Simple", "Moderate", "Complex")[number % 3],
            domain="Software",
            language="en",
            confidence=0.6 + 0.39 * dice.random(),
            evidence=(f"{task}: words {task}", "complexity: 2.5 points by length, steps"),
            context_tokens=900,
            team=dice.choices(("blue", "green", HOSTILE, ""), (60, 30, 2, 8))[0],
            caller=f"app-{number % 5}",
            candidates=(backend, "hosted-gpt") if backend != "hosted-gpt" else (backend,),
            skipped=(Try(backend="llama-old", reason="context too small"),)
            if number % 4 == 0
            else (),
            left=(Try(backend="qwen-light", reason="FirstTokenTimeout"),)
            if tried and backend != "qwen-light"
            else (),
            choice=Choice(
                mode="Apply", backend=backend, why="Best", confidence=0.8,
                candidates=(
                    Rated(backend, GOODNESS[backend], cost, "USD"),
                    Rated(backend="llama-old", quality=0.41, left_out="below minQuality 0.6"),
                ),
            )
            if number % 3 == 0
            else None,
            backend=backend,
            model=MODELS[backend],
            status=502 if failed else 200,
            outcome="Http500" if failed else "Ok",
            duration_us=int(dice.lognormvariate(13.5, 0.6)),
            first_token_us=int(dice.lognormvariate(11.8, 0.5)),
            overhead_us=210,
            input_tokens=900,
            output_tokens=0 if failed else 250,
            cost_nano=0 if failed else cost,
            baseline_nano=0 if failed else int(2_400_000 * dice.lognormvariate(0, 0.1)),
            currency="USD",
            response_id=f"chatcmpl-{number:x}",
            finish="stop",
        )  # fmt: skip
        if number % 5 == 0 and not failed:
            yield Feedback(
                id=f"f-{number}", at_ms=at_ms + 5_000, decision=f"{number:08x}-c0de-4a11-9e5d",
                caller=f"app-{number % 5}",
                score=min(1.0, max(0.0, dice.gauss(GOODNESS[backend], 0.15))),
                comment="<img src=x onerror=alert(1)> not what I asked" if number % 50 == 0 else "",
            )  # fmt: skip


def runs(now_ms: int) -> Iterator[Event]:
    """Golden prompts, each 6 hours of a week; llama-old gets worse in its middle."""
    dice = random.Random(5)
    for backend in BACKENDS:
        for run in range(28):
            at_ms = now_ms - (28 - run) * DAY_MS // 4
            good = GOODNESS[backend] - (0.22 if backend == "llama-old" and run >= 15 else 0.0)
            for prompt in range(40):
                yield Evaluation(
                    id=f"{backend}-{run}-{prompt}", at_ms=at_ms + prompt * 1000, suite="golden",
                    content="c1", backend=backend, model=MODELS[backend],
                    task=TASKS[prompt % len(TASKS)], prompt=f"p{prompt}", run=run,
                    score=float(dice.random() < good), latency_us=1, currency="USD",
                )  # fmt: skip


def fill(store: Store, count: int = 6_000, days: float = 2.0) -> None:
    """With requests that end now, feedback and runs."""
    now_ms = time.time_ns() // 1_000_000
    events = [
        *requests(count, int(now_ms - days * DAY_MS), now_ms - 1000), *runs(now_ms)
    ]  # fmt: skip
    for first in range(0, len(events), 500):
        part = events[first : first + 500]
        store.ingest([batch(part, first + 1, "world-0000000001")], now_ms)


def backend(name: str, **status: Any) -> Json:
    """As the API server has it, ready and steady."""
    conditions = [
        {"type": "Ready", "status": "True", "reason": "Ready", "message": "all replicas answer"},
        {"type": "Drifted", "status": "False", "reason": "Steady",
         "message": "no change against 5 runs of 40 prompts"},
    ]  # fmt: skip
    kind = {"external": {"url": "https://models.example.com"}} if name == "hosted-gpt" else {
        "deployment": {"engine": "VLLM"}
    }  # fmt: skip
    counted = {} if name == "hosted-gpt" else {"replicas": 2, "readyReplicas": 2, "queueDepth": 5}
    return {
        "metadata": {"name": name},
        "spec": {"model": MODELS[name], **kind},
        "status": {"conditions": conditions, **counted} | status,
    }


def policy(name: str, rollout: Json | None, **annotations: str) -> Json:
    """One that sends most to qwen-light; its operator has seen its spec."""
    steps = [
        {"weightPercent": 5, "minRequests": 100, "minDuration": "5m"},
        {"weightPercent": 25, "minRequests": 500, "minDuration": "15m", "approval": True},
        {"weightPercent": 50, "minRequests": 1000, "minDuration": "30m"},
    ]
    status: Json = {
        "observedGeneration": 2,
        "activeRevision": f"{name}-58e62958bf",
        "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "ok"}],
    }
    if rollout is not None:
        status["rollout"] = rollout
    return {
        "metadata": {
            "name": name, "generation": 2, "resourceVersion": "7", "annotations": annotations
        },
        "spec": {
            "modelNames": [name],
            "default": {"targets": [{"backendRef": {"name": "qwen-light"}}]},
            "rollout": {"steps": steps, "replay": {"requests": 2000}},
        },
        "status": status,
    }  # fmt: skip


def awaiting(name: str) -> Json:
    """In its second step, and somebody has to approve it."""
    return {
        "phase": "AwaitingApproval", "reason": "ApprovalNeeded", "revision": f"{name}-6d0f3c5b1e",
        "stable": f"{name}-58e62958bf", "step": 1, "steps": 3,
        "weights": {"desired": 25, "verified": 25},
        "message": f"step 2 of 3: 25 % go to {name}-6d0f3c5b1e, the step needs an approval",
        "startTime": "2026-11-26T10:00:00Z",
        "replay": {"verdict": "Pass", "requests": 2000, "message": "2,000 requests, 12.0 % go"
                   " elsewhere; cost -31.2 % [-33.0, -29.4], 25 % more are allowed"},
        "findings": [
            {"guardrail": "Errors", "verdict": "Pass", "value": "-0.5", "low": "-1.3",
             "high": "0.7", "limit": "2",
             "message": "-0.5 points [-1.3, +0.7] against the control, 2 are allowed"},
            {"guardrail": "Latency", "verdict": "Inconclusive", "value": "4", "low": "-9",
             "high": "31", "limit": "25",
             "message": "+4.0 % [-9.0, +31.0] against the control, 25 are allowed"},
            {"guardrail": "Cost", "verdict": "Pass", "value": "-31", "low": "-33", "high": "-29",
             "limit": "25", "message": "-31.2 % [-33.0, -29.4], 25 are allowed"},
        ],
        "approvedBy": ["grace"],
    }  # fmt: skip


def aborted(name: str) -> Json:
    """Rolled back by a guardrail in its first step."""
    return {
        "phase": "Aborted", "reason": "GuardrailFailed", "revision": f"{name}-1f0c27a6bd",
        "stable": f"{name}-58e62958bf", "step": 0, "steps": 3,
        "weights": {"desired": 0, "verified": 0},
        "message": f"{name}-1f0c27a6bd is rolled back to {name}-58e62958bf: GuardrailFailed,"
        " Errors: +9.1 points [+4.2, +15.0], 2 are allowed",
        "replay": {"verdict": "Pass", "message": "2,000 requests"},
        "findings": [{"guardrail": "Errors", "verdict": "Fail", "value": "9.1", "low": "4.2",
                      "high": "15", "limit": "2",
                      "message": "+9.1 points [+4.2, +15.0] against the control, 2 are allowed"}],
    }  # fmt: skip


def fleet(now_ms: int) -> dict[str, list[Json]]:
    """All objects."""
    since = datetime.fromtimestamp((now_ms - 13 * DAY_MS // 4) / 1000, UTC)
    old = backend("llama-old", queueDepth=20, readyReplicas=1)
    old["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "reason": "PodFailing", "message": "OOMKilled"},
        {"type": "Drifted", "status": "True", "reason": "Worse",
         "message": "coding: 21.4 points worse [-31.0, -12.2] since "
         f"{since:%Y-%m-%dT%H:%M:%SZ}; of backends that do not change 1 % at most are ever called"
         " drifted"},
    ]  # fmt: skip
    old["status"]["drift"] = [
        {"task": "coding", "direction": "Worse", "points": "-21.4", "low": "-31.0",
         "high": "-12.2", "sinceTime": f"{since:%Y-%m-%dT%H:%M:%SZ}", "evidence": "412",
         "probes": 96},
        {"task": "reasoning", "direction": "Worse", "suspected": True, "points": "-9.0",
         "low": "-20.1", "high": "2.3", "sinceTime": f"{since:%Y-%m-%dT%H:%M:%SZ}",
         "evidence": "6.1", "probes": 96},
    ]  # fmt: skip
    scaled = {"previous": 1, "desired": 2, "reason": "LoadRose"}
    return {
        "backends": [
            backend("qwen-light", lastScale=scaled), backend("qwen-large"), backend("hosted-gpt"),
            old,
        ],
        "policies": [
            policy("support", awaiting("support")), policy("search", aborted("search")),
            policy("batch", None),
        ],
        "revisions": [
            {"metadata": {"name": f"{name}-{mark}", "labels": {"pointsman.dev/policy": name},
                          "creationTimestamp": f"2026-11-2{day}T09:30:00Z",
                          "annotations": {"pointsman.dev/replay": REPLAY} if day == 5 else {}}}
            for name, marks in (
                ("support", ("58e62958bf", "6d0f3c5b1e")), ("search", ("58e62958bf", "1f0c27a6bd")),
                ("batch", ("58e62958bf",)),
            )
            for day, mark in enumerate(marks, start=4)
        ],
    }  # fmt: skip


def show(folder: Path, objects: dict[str, list[Json]]) -> None:
    """As local mode does."""
    write_whole(folder / STATE, msgspec.json.encode(objects))


def main(folder: Path) -> None:
    """A ledger and its fleet."""
    store = SqliteStore(folder / "ledger.db", keep_events_ms=30 * DAY_MS)
    store.open()
    fill(store)
    store.close()
    show(folder, fleet(time.time_ns() // 1_000_000))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
