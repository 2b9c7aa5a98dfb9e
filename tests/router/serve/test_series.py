"""How many series a router has, by the formula of docs/metrics.md, whoever calls and answers."""

import asyncio
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pointsman.api.reviewing import HumanReview, Review
from pointsman.api.statuses import label_of
from pointsman.api.table import (
    Backend,
    Budget,
    Match,
    PolicyBlob,
    Route,
    ServiceAddress,
    Target,
)
from pointsman.router.live import Live
from pointsman.router.metrics import Metrics
from pointsman.router.serve.tracks import Tracks
from pointsman.routing import CompiledTable, compile_policy, compile_table
from tests.router.serve.world import World, chat

CODES, REASONS, TEAMS = 72, 110, 257


def most(routes: int, backends: int, budgets: int) -> int:
    """The formula: `routes` are (policy, rule, backend), and one for what is not routed."""
    of_routes = (routes + 1) * (CODES + REASONS + 37)
    of_backends = backends * (2 * REASONS + 41)
    return of_routes + of_backends + TEAMS * (CODES + 7) + 2 * budgets + 100


def series(registry: CollectorRegistry) -> int:
    return sum(len(metric.samples) for metric in registry.collect())


def table(prefix: str, policies: int, rules: int, backends: int) -> CompiledTable:
    """Each rule has a backend of its own as long as there are some."""
    found = []
    for number in range(policies):
        names = [f"{prefix}-b{(number * rules + rule) % backends}" for rule in range(rules)]
        routes = [
            Route(
                name=f"{prefix}-r{rule}",
                match=Match(tasks=("Coding",)) if rule < rules - 1 else None,
                targets=(Target(backend=name),),
            )
            for rule, name in enumerate(names)
        ]
        blob = PolicyBlob(
            namespace="default", name=f"{prefix}-p{number}", revision="r",
            model_names=(f"{prefix}-m{number}",), routes=tuple(routes),
            budgets=(Budget(f"{prefix}-u{number}", "Policy", "Day", True, 1),),
            backends={
                name: Backend(
                    name=name, model="m",
                    address=ServiceAddress(namespace="default", service=name, port=8000),
                )
                for name in names
            },
        )  # fmt: skip
        found.append(compile_policy(blob, f"digest-{prefix}-{number}"))
    return compile_table(found)


def use(
    tracks: Tracks, metrics: Metrics, live: Live, statuses: Iterator[int], times: int = 40
) -> None:
    """Each policy, rule and backend of the table, so many times, with the next statuses."""
    for policy in live.table.policies:
        for route in policy.routes:
            track = tracks.of(policy, route, route.orders[0][0])
            assert track.backend is not None
            for _ in range(times):
                status = next(statuses)
                track.route.answered(status)
                if status % 20:
                    continue
                track.route.fell_back(f"Http{label_of(status)}")
                track.backend.attempted(f"Http{label_of(status)}")
            track.route.first_token.observe(0.1)
            track.backend.held("Answered", 1.0)
            live.in_flight[track.backend.backend] = live.held[track.backend.backend] = 1
            metrics.not_told(policy.name, route.route.name)
            metrics.predicted(policy.name, track.backend.backend, "", "LowConfidence")
        metrics.over_budget(policy.name, policy.budgets[0].name, enforce=True)


def endless(begin: int = 100, end: int = 999) -> Iterator[int]:
    while True:
        yield from range(begin, end + 1)


@pytest.mark.slow
def test_a_thousand_backends_rules_and_callers_stay_within_the_formula() -> None:
    """20 policies of 50 rules, statuses that nobody knows, 3,000 teams, a task that is none."""
    live, metrics = Live(), Metrics()
    metrics.in_flight, metrics.held = live.in_flight, live.held
    live.table = table("a", 20, 50, 1000)
    use(Tracks(live, metrics), metrics, live, endless(), times=900)
    for number, status in zip(range(3_000), endless(), strict=False):
        team = metrics.team(f"team-{number}")
        team.answered(status)
        team.refused("Requests")
    found = series(metrics.registry)
    assert 100_000 < found <= most(1000, 1000, 20)


def test_names_that_are_gone_leave_no_series() -> None:
    """A policy of each pull request, for years: as many series as the table in force makes."""
    live, metrics = Live(), Metrics()
    metrics.in_flight, metrics.held = live.in_flight, live.held
    tracks = Tracks(live, metrics)
    for number in range(50):
        live.table = table(f"t{number}", 2, 2, 4)
        live.in_flight.clear()
        live.held.clear()
        use(tracks, metrics, live, endless(200, 299))
    text = generate_latest(metrics.registry).decode()
    assert "t49-p1" in text
    assert "t48-" not in text
    assert series(metrics.registry) <= most(4, 4, 2)


def test_a_change_of_the_table_keeps_the_counts_of_what_stays() -> None:
    """Counters go on, and weights are shifted by them."""
    live, metrics = Live(), Metrics()
    tracks = Tracks(live, metrics)
    for _ in range(3):
        live.table = table("t", 1, 2, 2)
        use(tracks, metrics, live, endless(200, 200))
    assert metrics.served()["t-p0"]["t-r0"]["t-b0"][0] == 3 * 40


def test_who_stands_in_for_a_person_is_counted_on_as_well() -> None:
    """No route names it, and a table changes with each edit of any policy."""
    live, metrics = Live(), Metrics()
    tracks = Tracks(live, metrics)
    for _ in range(3):
        backends = {
            name: Backend(
                name=name, model="m",
                address=ServiceAddress(namespace="default", service=name, port=8000),
            )
            for name in ("a", "large", "vetted")
        }  # fmt: skip
        route = Route(name="r", targets=(Target(backend="a"),), review=Review(mode="Escalate"))
        blob = PolicyBlob(
            namespace="default", name="p", revision="r", model_names=("m",), routes=(route,),
            backends=backends, review=HumanReview(fallback="large", escalate_to=("vetted",)),
        )  # fmt: skip
        live.table = compile_table([compile_policy(blob, "digest")])
        (policy,) = live.table.policies
        for name in ("large", "vetted"):
            tracks.of(policy, policy.routes[0], policy.backends[name]).route.answered(200)
    assert {name: metrics.served()["p"]["r"][name][0] for name in ("large", "vetted")} == {
        "large": 3, "vetted": 3,
    }  # fmt: skip


async def test_who_has_nothing_in_flight_says_so(there: World) -> None:
    """An autoscaler takes a router without the series for a busy one; it goes with its backend."""

    def told(backend: str) -> float | None:
        name = "pointsman_router_in_flight"
        return there.metrics.registry.get_sample_value(name, {"backend": backend})

    there.place("a")
    there.place("b")
    there.route("a")
    assert told("a") == 0
    there.live.begin("a")
    assert told("a") == 1
    there.live.end("a")
    assert told("a") == 0
    there.route("b")
    assert (told("a"), told("b")) == (None, 0)


def test_every_status_has_one_of_a_closed_set_of_labels() -> None:
    """Three digits or not."""
    labels = {label_of(status) for status in range(-10, 2_000)}
    assert len(labels - {"none"}) == CODES
    assert {label_of(200), label_of(499), label_of(599), label_of(1000)} == {
        "200", "499", "5xx", "none",
    }  # fmt: skip


@pytest.mark.slow
async def test_what_callers_and_backends_make_up_is_no_label(there: World) -> None:
    """Model names, metadata, headers, keys, paths; statuses that mean nothing."""
    statuses = endless(400, 799)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"error": {"message": "planted-reason", "type": "planted", "code": "planted"}}'
        head = f"HTTP/1.1 {next(statuses)} planted\r\nx-planted: planted\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        writer.write(head.encode() + b"connection: close\r\n\r\n" + body)
        await writer.drain()

    await there.scripted("a", answer)
    there.route("a")
    for number in range(150):
        word = f"planted-{number}"
        metadata = {"task": word, word: word}
        headers = {"authorization": f"Bearer {word}", "x_request_id": word, "user_agent": word}
        await there.ask(
            chat(word if number % 2 else "auto", user=word, metadata=metadata), **headers
        )
    text = generate_latest(there.metrics.registry).decode()
    assert "planted" not in text
    assert there.count("requests_total", policy="desk", rule="default", backend="a", code="4xx")
    assert series(there.metrics.registry) <= most(1, 1, 0)
