"""What `make bench-router` measures, of command line and environment, and how long it takes.

Guarantees that the length is known before; the usual run takes less than 25 minutes, QUICK=1 less
than one.
"""

import argparse
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.perf import peers
from tests.perf.loads import LOADS, skipped, times_s

DEFAULT_JSON = Path(__file__).parents[2] / "build" / "bench-router.json"
DEFAULT = ("direct", "nginx", "haproxy", "sglang-router", "vllm-router", "plain", "tasks",
           "compiled-plain", "image-plain")  # fmt: skip
"""`plain` and `tasks` are ours: rules on headers; rules on the text, so that it is analyzed.

With `compiled-` the same from a compiled wheel. `bare` passes bytes on in Python and does no more.
"""
QUICK = ("direct", "nginx", "sglang-router", "plain")
PROXIES = tuple(dict.fromkeys((*DEFAULT, *peers.SLOW, *peers.OURS)))
_SETTLE_S, _REST_S, _SLOW_REST_S = 0.6, 5.0, 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured; `resting` is how often each is started for what it takes at rest."""

    loads: tuple[str, ...]
    proxies: tuple[str, ...]
    rounds: int
    seconds: float
    resting: int


def usual() -> Plan:
    """Without arguments; QUICK=1 and PEERS=all in the environment change it."""
    quick = bool(os.environ.get("QUICK"))
    loads = ("c32", "r500", "s256") if quick else tuple(LOADS)
    proxies: tuple[str, ...] = QUICK if quick else DEFAULT
    if os.environ.get("PEERS") == "all":
        proxies += peers.SLOW
    if quick:
        return Plan(loads, proxies, rounds=2, seconds=0.6, resting=1)
    return Plan(loads, proxies, rounds=5, seconds=2.0, resting=3)


def arguments() -> tuple[Plan, Path]:
    """Of the command line."""
    plan = usual()
    loads, proxies = ",".join(plan.loads), ",".join(plan.proxies)
    parser = argparse.ArgumentParser(description="What the router costs beside its peers.")
    parser.add_argument("--loads", default=loads, help=f"of {','.join(LOADS)}")
    parser.add_argument("--proxies", default=proxies, help=f"of {','.join(PROXIES)}")
    parser.add_argument("--rounds", type=int, default=plan.rounds)
    parser.add_argument("--seconds", type=float, default=plan.seconds)
    parser.add_argument("--resting", type=int, default=plan.resting, help="starts of each")
    parser.add_argument("--json", type=Path, default=DEFAULT_JSON, help="where figures go")
    found = parser.parse_args()
    asked, names = tuple(found.loads.split(",")), tuple(found.proxies.split(","))
    if unknown := (set(asked) - set(LOADS)) | (set(names) - set(PROXIES)):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if min(found.rounds, found.seconds) <= 0 or found.seconds > 60 or found.resting < 0:
        parser.error("at least one round, and more than 0 to 60 seconds")
    return Plan(asked, names, found.rounds, found.seconds, found.resting), found.json


def estimate_s(plan: Plan) -> float:
    """How long it takes once everything is built and installed."""
    total_s = 0.0
    for name in plan.proxies:
        for load in plan.loads:
            rounds = sum(not skipped(load, name, number) for number in range(plan.rounds))
            total_s += rounds * (sum(times_s(load, name, plan.seconds)) + _SETTLE_S)
        if name != "direct":
            total_s += plan.resting * (_SLOW_REST_S if name in peers.SLOW else _REST_S)
    return total_s


def command(plan: Plan, usual: Plan) -> str:
    """As one would type it again, wherever its figures go."""
    told = [f"{name}={os.environ[name]}" for name in ("QUICK", "PEERS") if os.environ.get(name)]
    if plan == usual:
        return " ".join([*told, "make bench-router"])
    given = ["python -m tests.perf.router"]
    for name, value in asdict(plan).items():
        if value != getattr(usual, name):
            shown = ",".join(value) if isinstance(value, tuple) else f"{value:g}"
            given.append(f"--{name} {shown}")
    return " ".join([*told, *given])
