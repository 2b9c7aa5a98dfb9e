"""
Asks what is still to be asked, some calls at once, until all is done or the cap is reached.

Each call is kept before the next one of its prompt begins. At the cap no further call begins;
those under way end.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pointsman.evaluation.running.asking import Denied, Endpoint, Reply
from pointsman.evaluation.suite.calls import Call, Step, Unit, next_steps, units
from pointsman.evaluation.suite.content import Suite
from pointsman.evaluation.suite.outcome import Missing
from pointsman.evaluation.suite.spending import Purse, TokenPrices, Usage, most


class Asks(Protocol):
    """Who asks: an Asker, or one that chooses the router each time."""

    async def ask(self, endpoint: Endpoint, body: Mapping[str, Any], /) -> Reply:
        """The reply, within a deadline. Raises Denied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Who is evaluated, or who judges. `prices`: of each backend that may answer, by name."""

    name: str
    model: str
    endpoint: Endpoint
    price: TokenPrices | None = None
    """Where the backend is not said, or has none of its own."""
    prices: Mapping[str, TokenPrices] | None = None

    def dearest_nano(self, usage: Usage) -> int:
        """The most that a call can cost."""
        known = [*(self.prices or {}).values(), *([self.price] if self.price else [])]
        return max((one.cost_nano(usage) for one in known), default=0)

    def price_of(self, backend: str) -> TokenPrices | None:
        """Of who answered; None if nobody knows."""
        return (self.prices or {}).get(backend, self.price)

    def cost(self, backend: str, usage: Usage) -> tuple[int, str, bool]:
        """Of an answer, its currency, and whether it is only the most that it can be."""
        price = self.price_of(backend)
        if price is not None:
            return price.cost_nano(usage), price.currency, False
        currency = next((one.currency for one in (self.prices or {}).values()), "")
        return self.dearest_nano(usage), currency, bool(currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run."""

    suite: Suite
    targets: Sequence[Target]
    judge: Target | None
    runs: int
    concurrency: int


class Runner:
    """One run over what is done already; `done` grows as calls end."""

    def __init__(
        self,
        plan: Plan,
        done: dict[Unit, dict[str, Call]],
        *,
        purse: Purse,
        keep: Callable[[Call], None],
        progress: Callable[[], None],
    ) -> None:
        self._plan = plan
        self.done = done
        self.purse = purse
        self._keep = keep
        self._progress = progress
        self._targets = {one.name: one for one in plan.targets}
        self.capped = False
        self.denied = ""
        """Why asking on is no use."""
        for steps in done.values():
            for name in [name for name, call in steps.items() if call.again]:
                del steps[name]

    async def run(self, asker: Asks) -> None:
        """Until nothing is left, the cap is reached, or an endpoint denies all."""
        left = units(self._plan.suite, list(self._targets), self._plan.runs)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._plan.concurrency):
                group.create_task(self._work(left, asker))

    async def _work(self, left: Iterator[Unit], asker: Asks) -> None:
        for unit in left:
            if self.capped or self.denied:
                return
            await self._unit(unit, asker)
            self._progress()

    async def _unit(self, unit: Unit, asker: Asks) -> None:
        golden, done = self._plan.suite.prompts[unit.prompt], self.done.setdefault(unit, {})
        while steps := next_steps(golden, unit, self._plan.suite.judge, done):
            for step in steps:
                call = await self._call(unit, step, asker)
                if call is None:
                    return
                done[step.name] = call
                self._keep(call)
                if call.missing is not None:
                    return

    async def _call(self, unit: Unit, step: Step, asker: Asks) -> Call | None:
        """None if there is no money for it, or no use in it."""
        target = self._plan.judge if step.judge else self._targets[unit.target]
        assert target is not None, "a suite with checks of judge has a judge"
        usage = most(step.messages, step.max_tokens)
        aside = target.dearest_nano(usage)
        if not self.purse.take(aside):
            self.capped = True
            return None
        spent = aside
        try:
            reply = await asker.ask(target.endpoint, step.body(target.model))
            call = _call(unit, step, target, reply, usage)
            spent = call.cost_nano
        except Denied as denied:
            self.denied, spent = str(denied), 0
            return None
        finally:
            self.purse.settle(aside, spent)
        return call


def _call(unit: Unit, step: Step, target: Target, reply: Reply, usage: Usage) -> Call:
    """
    What is kept of a reply.

    A refusal costs nothing. What timed out or does not state its tokens may have cost the most
    that it can.
    """
    free = reply.missing in {Missing.REFUSED, Missing.ERROR}
    taken = Usage(input=0, output=0) if free else reply.usage or usage
    cost_nano, currency, unsure = target.cost(reply.backend, taken)
    return Call(
        target=unit.target,
        run=unit.run,
        prompt=unit.prompt,
        step=step.name,
        at_ms=time.time_ns() // 1_000_000,
        missing=reply.missing,
        why=reply.why,
        again=reply.again,
        text=reply.text,
        declined=reply.declined,
        finish=reply.finish,
        latency_ms=round(reply.latency_s * 1000, 3),
        input_tokens=taken.input,
        output_tokens=taken.output,
        cost_nano=cost_nano,
        currency=currency,
        estimated=(reply.usage is None or unsure) and not free,
        backend=reply.backend,
        model=reply.model,
        fingerprint=reply.fingerprint,
    )
