"""What is known of backends, in few words."""

from collections.abc import Mapping
from typing import Any

from pointsman.operator.plan.reevaluating.evidence import ALL, Drift, Facts, Price, Quality

RUN = "2026-11-26T10:00:00Z"


def quality(score: float, *, half: float = 0.04, time: str = RUN) -> Quality:
    return Quality(score, max(0.0, score - half), min(1.0, score + half), time)


def facts(
    name: str,
    score: float | None = 0.8,
    *,
    state: str = "Steady",
    price: int | None = None,
    task: str = ALL,
    half: float = 0.04,
    time: str = RUN,
    **more: Any,
) -> Facts:
    """`state` is the condition's reason; `price` of a token both ways, None: never told."""
    drifted = {"Steady": "False", "Suspected": "False", "NoBaseline": "Unknown"}.get(state, "True")
    drift = (Drift(task, state, "-16.7", "-25.4", "-8.0", RUN),) if drifted == "True" else ()
    found: dict[str, Any] = {
        "name": name,
        "quality": {} if score is None else {task: quality(score, half=half, time=time)},
        "drift": drift,
        "drifted": drifted,
        "reason": state,
        "price": None if price is None else Price("USD", price, price),
        "free": price is None,
    }
    return Facts(**(found | more))


def known(*found: Facts) -> dict[str, Facts]:
    return {one.name: one for one in found}


def status_of(
    *,
    state: str = "Steady",
    score: float = 0.8,
    half: float = 0.04,
    task: str = ALL,
    time: str = RUN,
    content: str = "abc",
) -> Mapping[str, Any]:
    """A ModelBackend's status, as evaluation and detector write it."""
    word = {"Steady": "False", "Suspected": "False", "NoBaseline": "Unknown"}.get(state, "True")
    drift = {"task": task, "direction": state, "points": "-16.7", "low": "-25.4", "high": "-8.0",
             "sinceTime": RUN, "evidence": "1.0e5", "probes": 51}  # fmt: skip
    return {
        "quality": [
            {"task": task, "score": f"{score:.2f}", "low": f"{score - half:.2f}",
             "high": f"{score + half:.2f}", "prompts": 200, "time": time}
        ],
        "drift": [drift] if word == "True" else [],
        "evaluation": {"content": "of the run under way", "qualityContent": content},
        "conditions": [
            {"type": "Drifted", "status": word, "reason": state, "message": "said so",
             "observedGeneration": 1, "lastTransitionTime": RUN}
        ],
    }  # fmt: skip
