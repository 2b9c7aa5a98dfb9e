"""Recorded requests and compiled policies for replays."""

from collections.abc import Sequence
from typing import Any

import msgspec

from pointsman.api import table
from pointsman.api.matches import HeaderMatch, Match
from pointsman.api.table import Backend, PolicyBlob, Price, Route, ServiceAddress, Target
from pointsman.ledger.recent import Recent, Recorded
from pointsman.operator.plan.rollout.replaying import Replayed, ReplayPlan
from pointsman.operator.plan.rollout.rerouting import Job, replay

CODE = Match(tasks=("Coding",))
LEGAL = Match(headers=(HeaderMatch(name="x-team", value="legal"),))
PRICES = {"a": 1, "b": 2, "c": 1}
"""Of a token in and one out, as parts of a thousandth of a cent; d has none."""


def backend(name: str, **fields: Any) -> Backend:
    """Behind a Service of its name."""
    price = PRICES.get(name, 0) * 10_000_000
    prices = (Price(input_pico=price, output_pico=price),) if price else ()
    address = ServiceAddress(namespace="ns", service=name, port=8000)
    return Backend(name=name, model=name, address=address, **{"prices": prices, **fields})


def rule(name: str, to: str | dict[str, int], match: Match | None = None) -> Route:
    """To one backend, or to several by weight."""
    weights = to if isinstance(to, dict) else {to: 1}
    targets = tuple(Target(backend=one, weight=weight) for one, weight in weights.items())
    return Route(name=name, targets=targets, match=match)


def blob(revision: str, *routes: Route, **backends: Backend) -> bytes:
    """Of the policy `desk`, over a, b, c and d."""
    found = {name: backends.get(name) or backend(name) for name in "abcd"}
    return table.encode(
        PolicyBlob(namespace="ns", name="desk", revision=revision, model_names=("auto",),
                   routes=routes, backends=found)
    )  # fmt: skip


def recorded(number: int, **fields: Any) -> Recorded:
    """A chat of 100 tokens, answered with 50, by the default of revision `desk-1`."""
    values: dict[str, Any] = {
        "decision": f"d-{number}", "at_ms": 1_800_000_000_000 + number, "revision": "desk-1",
        "rule": "default", "task": "Chat", "complexity": "Simple", "domain": "General",
        "language": "en", "context_tokens": 100, "input_tokens": 100, "output_tokens": 50,
    }  # fmt: skip
    return Recorded(**(values | fields))


def chats(count: int = 400, **fields: Any) -> list[Recorded]:
    return [recorded(number, **fields) for number in range(count)]


def job(
    stable: bytes, candidate: bytes, requests: Sequence[Recorded], plan: ReplayPlan | None = None
) -> Job:
    recent = msgspec.Raw(msgspec.json.encode(Recent(list(requests))))
    return Job(stable=stable, candidate=candidate, recent=recent,
               plan=plan or ReplayPlan(), now_s=1_800_000_100.0)  # fmt: skip


def replayed(
    stable: bytes, candidate: bytes, recent: Sequence[Recorded], /, **plan: Any
) -> Replayed:
    """In this process."""
    return replay(job(stable, candidate, recent, ReplayPlan(**plan)))
