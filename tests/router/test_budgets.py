"""Budgets through real routers and a real ledger: no overrun, whatever comes at once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pointsman.api.callers import digest_of
from pointsman.api.profile import Parameter, Profile
from pointsman.api.table import Budget, Fallback, Price, Route, Target
from pointsman.events.ship import Target as Ledger
from pointsman.router.callers import Caller, callers_of
from pointsman.router.leases import Leaser
from pointsman.router.serve.budgets import Budgets
from pointsman.simulator.faults import Fault, FaultMode
from tests.ledger.test_service import Client, ledger
from tests.router.serve.world import Reply, World, chat, until, world

PICO = 1_000_000
"""A token costs a millionth: 1,000 billionths."""
ANSWER = 8
"""Tokens that a simulator answers with."""


@dataclass
class Desk:
    """Routers before a simulator each, and their ledger."""

    ledger: Client
    routers: list[World]
    leasers: list[Leaser]
    tasks: list[asyncio.Task[None]]

    def put(self, *budgets: Budget, fallback: bool = False) -> None:
        """This policy is in force in all routers."""
        for there in self.routers:
            chain = Fallback(chain=("large",)) if fallback else None
            route = Route(name="default", targets=(Target(backend="small"),), fallback=chain)
            there.put(route, budgets=budgets)

    async def lent(self) -> None:
        """Each router knows its slices."""
        for there in self.routers:
            purses = there.plane.budgets._purses
            async with asyncio.timeout(20):
                while not purses or not all(p.known for p in purses.values()):  # noqa: ASYNC110
                    await asyncio.sleep(0.001)

    async def told(self) -> None:
        """Everything that was used has been told to the ledger, and slices are given back."""
        for leaser, task in zip(self.leasers, self.tasks, strict=True):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await leaser.give_back()

    def stored(self, column: str = "used") -> int:
        """Of all budgets, in the store."""
        rows = self.ledger.store.query(f"SELECT coalesce(sum({column}), 0) FROM budgets", ())
        return int(str(rows[0][0]))

    def billed(self) -> int:
        """Tokens of prompts and answers, as the simulators counted them."""
        found = 0
        for there in self.routers:
            for tokens in there.metrics.backends.values():
                found += tokens.tokens.input_tokens + tokens.tokens.output_tokens
        return found


@asynccontextmanager
async def desk(folder: Path, routers: int = 1) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(ledger(folder))
        found = Desk(client, [], [], [])
        for _ in range(routers):
            there = await stack.enter_async_context(world())
            there.live.routers = routers
            for name in ("small", "large"):
                server, port = await there.simulated(name, output_tokens=ANSWER)
                assert server
                price = Price(input_pico=PICO, output_pico=PICO)
                there.place(name, port, context_window=100_000, prices=(price,))
            leaser = Leaser(there.plane.budgets, Ledger(url=f"http://127.0.0.1:{client.port}"))
            found.routers.append(there)
            found.leasers.append(leaser)
            found.tasks.append(asyncio.create_task(leaser.run()))
        try:
            yield found
        finally:
            for task in found.tasks:
                task.cancel()
            await asyncio.gather(*found.tasks, return_exceptions=True)


def budget(limit: int, **more: Any) -> Budget:
    fields = {"name": "b", "scope": "Policy", "window": "Month", "enforce": True}
    return Budget(**{**fields, "limit": limit, **more})


async def ask(there: World, **more: Any) -> Reply:
    return await there.ask(chat(max_tokens=ANSWER, **more))


@pytest.mark.parametrize(
    ("routers", "currency"),
    [
        (2, "USD"),
        pytest.param(2, "", marks=pytest.mark.extended),
        pytest.param(1, "USD", marks=pytest.mark.extended),
        pytest.param(1, "", marks=pytest.mark.extended),
    ],
)
@pytest.mark.slow
async def test_two_hundred_at_once_overrun_by_nothing(
    tmp_path: Path, routers: int, currency: str
) -> None:
    """
    At the limit, again and again, whole and streamed: the budget is never passed, and is used up.

    Up to what one more request would have had to reserve.
    """
    unit = PICO // 1000 if currency else 1
    async with desk(tmp_path, routers) as there:
        limit, most = 6_000 * unit, 400 * unit
        there.put(budget(limit, currency=currency))
        await there.lent()
        statuses: list[int] = []
        refused = 0
        while refused < 3:  # who is refused while more is asked for comes again
            waves = [
                ask(there.routers[number % routers], stream=number % 3 == 0,
                    stream_options={"include_usage": True} if number % 3 == 0 else None)
                for number in range(200)
            ]  # fmt: skip
            found = [reply.status for reply in await asyncio.gather(*waves)]
            assert set(found) <= {200, 429}
            assert there.billed() * unit <= limit
            statuses += found
            if 200 not in found:
                refused += 1
                await asyncio.sleep(0.2)
        await there.told()
        assert there.stored() == there.billed() * unit
        assert limit - most * routers < there.stored() <= limit
        assert statuses.count(429) >= 200


async def test_over_a_budget(tmp_path: Path) -> None:
    """429 with a code of its own; the SDKs are told not to try again."""
    async with desk(tmp_path) as there:
        there.put(budget(10))
        await there.lent()
        (router,) = there.routers
        await ask(router)
        reply = await ask(router)

        assert reply.status == 429
        assert reply.error["code"] == "budget_exceeded"
        assert reply.error["type"] == "insufficient_quota"
        assert reply.error["message"] == (
            "Budget b has too little left for this request in this month."
        )
        assert reply.headers["x-should-retry"] == "false"
        assert router.seen("small") == []
        assert router.count("over_budget_total", policy="desk", budget="b", mode="Enforce") == 2


async def test_without_a_ledger_nothing_is_promised() -> None:
    """Enforce refuses and says why; Shadow counts."""
    async with world() as there:
        await there.simulator("small")
        route = Route(name="default", targets=(Target(backend="small"),))
        there.put(route, budgets=(budget(10**6),))
        reply = await ask(there)
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert reply.error["code"] == "budget_unavailable"
        assert str(reply.error["message"]).endswith("this router has no ledger.")
        there.put(route, budgets=(budget(10**6, enforce=False),))
        assert (await ask(there)).status == 200


async def test_without_a_ledger_windows_that_are_over_are_forgotten() -> None:
    """Nobody asks for them: each stayed in memory for good."""
    hours = 0
    async with world() as there:
        live, metrics, plane = there.live, there.metrics, there.plane
        plane.budgets = budgets = Budgets(live, metrics, lambda: hours * 3600.0)
        await there.simulator("small")
        route = Route(name="default", targets=(Target(backend="small"),))
        there.put(route, budgets=(budget(10**6, window="Hour", enforce=False),))
        for hours in range(3):
            assert (await ask(there)).status == 200
            (purse,) = budgets._purses.values()
            assert purse.window.from_ms == hours * 3_600_000
            await until(lambda: budgets.held == 0)


@pytest.mark.slow
async def test_what_was_used_is_told_to_the_operator(tmp_path: Path) -> None:
    """By all routers, as the ledger knows it; the fullest first, and no more than sixteen."""
    async with desk(tmp_path, 2) as there:
        there.put(budget(10**6), budget(1000, name="r", scope="Rule"))
        await there.lent()
        for router in there.routers:
            assert (await ask(router)).status == 200
        for leaser, task in zip(there.leasers, there.tasks, strict=True):
            task.cancel()
            leaser._budgets._wall = lambda: time.time() + 10  # the next question is due
            while await leaser._ask():
                pass
        (uses,) = there.routers[1].live.budgets().values()
        assert [(use.name, use.subject, use.used) for use in uses] == [
            ("r", "default", there.billed()), ("b", "", there.billed()),
        ]  # fmt: skip


async def test_shadow_only_counts(tmp_path: Path) -> None:
    """Everything goes; what was used is told all the same."""
    async with desk(tmp_path) as there:
        there.put(budget(10, enforce=False))
        await there.lent()
        (router,) = there.routers
        assert [(await ask(router)).status for _ in range(3)] == [200] * 3
        assert router.count("over_budget_total", policy="desk", budget="b", mode="Shadow") == 3
        await there.told()
        assert there.stored() == there.billed() > 10


@pytest.mark.slow
async def test_each_caller_and_rule_has_its_own(tmp_path: Path) -> None:
    """One that has used up its budget does not keep others out."""
    async with desk(tmp_path) as there:
        (router,) = there.routers
        router.live.callers = callers_of(
            [Caller(name, "t", None, frozenset({digest_of(name.encode())})) for name in "ab"],
            complete=True,
        )
        there.put(budget(1500, name="c", scope="Caller"), budget(10**6, name="t", scope="Team"),
                  budget(10**6, name="r", scope="Rule"))  # fmt: skip
        await there.lent()
        body = chat(max_tokens=ANSWER)
        one = [(await router.ask(body, authorization="Bearer a")).status for _ in range(200)]
        other = await router.ask(body, authorization="Bearer b")

        assert {one[0], other.status} == {200}
        assert one[-1] == 429
        await there.told()
        rows = there.ledger.store.query("SELECT budget, used FROM budgets ORDER BY budget", ())
        used = {str(row[0]): int(str(row[1])) for row in rows}
        assert used.keys() == {
            "default/desk/c/Month/tokens/Caller/a", "default/desk/c/Month/tokens/Caller/b",
            "default/desk/t/Month/tokens/Team/t", "default/desk/r/Month/tokens/Rule/default",
        }  # fmt: skip
        assert used["default/desk/t/Month/tokens/Team/t"] == there.billed()


@pytest.mark.slow
async def test_a_fallback_does_not_overrun(tmp_path: Path) -> None:
    """The dearest of the candidates is reserved; only the one that answered is paid."""
    async with desk(tmp_path) as there:
        (router,) = there.routers
        router.simulators["small"].faults.order(Fault(FaultMode.ERROR_500))
        port = router.live.endpoints["default/large:8000"][0].port
        dear = Price(input_pico=20 * PICO, output_pico=20 * PICO)
        router.place("large", port, prices=(dear,))
        limit = 100_000 * PICO // 1000
        there.put(budget(limit, currency="USD"), fallback=True)
        await there.lent()
        for _ in range(10):
            found = await asyncio.gather(*(ask(router) for _ in range(50)))
            assert {reply.status for reply in found} <= {200, 429}
        await there.told()
        cost = router.metrics.backend("large").cost_nano["USD"]
        assert 0 < cost == there.stored() <= limit


@pytest.mark.slow
async def test_what_was_granted_goes_on_while_the_ledger_is_away(tmp_path: Path) -> None:
    """Half of what was left; then 429 until it is back. A router that knows no slice refuses."""
    async with desk(tmp_path) as there:
        there.put(budget(4000))
        await there.lent()
        (router,) = there.routers
        store = there.ledger.store
        there.ledger.store.close()
        count, reply = 0, await ask(router)
        while reply.status == 200:
            count, reply = count + 1, await ask(router)
        assert reply.error["code"] == "budget_exceeded"
        assert reply.headers["retry-after"] == "1"
        assert 1000 < there.billed() <= 2000
        there.put(budget(4000, name="new"))
        fresh = await ask(router)
        assert (fresh.status, fresh.error["code"]) == (503, "budget_unavailable")
        store.open()
        async with asyncio.timeout(20):
            while (await ask(router)).status != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert count > 10


@pytest.mark.slow
async def test_a_router_that_died_takes_no_more_than_its_slice(tmp_path: Path) -> None:
    """Another process is another holder: what the first one had is not given twice."""
    async with desk(tmp_path) as there:
        there.put(budget(4000))
        await there.lent()
        (router,) = there.routers
        granted = there.stored("granted")
        there.tasks[0].cancel()
        router.plane.budgets._purses.clear()
        router.plane.budgets._named_by = None
        again = Leaser(router.plane.budgets, Ledger(url=f"http://127.0.0.1:{there.ledger.port}"))
        there.tasks[0] = asyncio.create_task(again.run())
        there.leasers[0] = again
        await there.lent()
        for _ in range(100):
            await ask(router)
        await there.told()
        assert there.stored() == there.billed() <= 4000 - granted


@pytest.mark.parametrize("currency", ["", "USD"])
async def test_a_profile_counts_in_what_is_reserved(tmp_path: Path, currency: str) -> None:
    """By the longest answer that the backend is asked for, and with the system text it adds."""
    unit = PICO // 1000 if currency else 1
    clamp = (Parameter(name="max_tokens", max=str(ANSWER)),)
    async with desk(tmp_path) as there:
        (router,) = there.routers
        backend = router.backends["small"]
        for profile, status in (
            (Profile(parameters=clamp), 200),
            (Profile(parameters=clamp, prefix="x" * 3000), 429),
            (None, 429),
        ):
            router.backends["small"] = structs.replace(backend, profile=profile)
            there.put(budget(2_000 * unit, currency=currency))
            await there.lent()
            assert (await router.ask(chat(max_tokens=5_000))).status == status, profile


@pytest.mark.slow
@pytest.mark.parametrize("enforce", [True, False])
async def test_a_request_that_can_never_fit_takes_nothing_from_others(
    tmp_path: Path, enforce: bool
) -> None:
    """Its router asks for no more than before, and what it holds of a Shadow budget is bounded."""
    async with desk(tmp_path, 2) as there:
        there.put(budget(20_000, enforce=enforce))
        await there.lent()
        first, second = there.routers
        for _ in range(5):
            reply = await first.ask(chat(max_tokens=1000, n=128))
            assert reply.status == (429 if enforce else 200)
            if enforce:
                assert reply.headers["x-should-retry"] == "false"
        (purse,) = first.plane.budgets._purses.values()
        assert purse.missing == 0
        assert all(wanted.want <= 20_001 for wanted in first.plane.budgets.questions())
        assert (await ask(second)).status == 200


async def test_what_nobody_counted_poisons_no_question(tmp_path: Path) -> None:
    """A Shadow budget lets all pass: whoever leaves costs all that it reserved, but not more."""
    async with desk(tmp_path) as there:
        (router,) = there.routers
        there.put(budget(1000, enforce=False))
        await there.lent()
        (purse,) = router.plane.budgets._purses.values()
        router.simulators["small"].faults.order(Fault(FaultMode.HANG))
        for _ in range(3):
            with suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await router.ask(chat(max_tokens=1000, n=128))
        await until(lambda: purse.part.held == 0)
        assert 1001 <= purse.part.used <= 3 * 1001
        await there.told()
        assert there.stored() == purse.part.used


@pytest.mark.parametrize(
    "odd", [{"n": 128, "best_of": "x"}, {"n": "128"}, {"n": 128.5}, {"n": 0}, {"best_of": 2000},
            {"n": True}, {"N": 128}, {"max_tokens": 10**400}, {"n_predict": "9"}],
)  # fmt: skip
async def test_a_length_that_is_none_is_refused(odd: dict[str, Any]) -> None:
    """Some server would read more out of it than was reserved; with no budget as well."""
    async with world() as there:
        await there.simulator("small")
        there.put(Route(name="default", targets=(Target(backend="small"),)))
        reply = await there.ask(chat(**odd))

        assert reply.status == 400
        assert reply.error["param"] in {name.lower() for name in odd}
        assert there.seen("small") == []
