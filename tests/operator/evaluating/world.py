"""An Evaluator whose reconciles and calls are played here; time is a number."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from pointsman.api.v1alpha1 import EvaluationSuiteSpec, ModelBackend
from pointsman.api.validation import Invalid, parse
from pointsman.evaluation.running.asking import Denied, Endpoint, Reply
from pointsman.evaluation.suite.content import Suite, compile_suite
from pointsman.evaluation.suite.outcome import Missing
from pointsman.evaluation.suite.spending import Usage
from pointsman.events.schema import Evaluation
from pointsman.operator.controllers.evaluating import Evaluator
from pointsman.operator.plan.backend_status import Surroundings, backend_status
from pointsman.operator.plan.evaluating.suite_run import SuiteRun
from pointsman.operator.plan.evaluating.telling import Hindrance, kept, no_suite
from pointsman.operator.plan.objects import observed_backend, parsed
from tests.operator.objects import NAMESPACE, backend
from tests.support.conditions import assert_well_formed, unexplained

BEGIN_S = 1_800_000_000.0
"""A January morning of 2027."""
COST = {"inputPerMillion": "1", "outputPerMillion": "1"}
Says = Callable[[str, str], Reply]


def suite(
    *prompts: str, judge: str = "", rubrics: int = 1, word: str = "right", max_tokens: int = 16
) -> Suite:
    """Prompts whose answer has to hold a word, or whom a judge likes."""
    check: dict[str, Any] = {"judge": {"rubric": "It is kind."}} if judge else {"contains": word}
    metadata = {"pointsman-simulator-task": "Coding"}
    spec: dict[str, Any] = {
        "prompts": [
            {
                "name": name,
                "prompt": f"Say {name}.",
                "task": "Coding",
                "metadata": metadata,
                "maxTokens": max_tokens,
                "checks": [check] * rubrics,
            }
            for name in prompts
        ]
    }
    if judge:
        spec["judge"] = {"model": judge}
    found = compile_suite(parse(EvaluationSuiteSpec, spec))
    assert isinstance(found, Suite)
    return found


def answered(text: str, *, tokens: int = 10) -> Reply:
    """An answer, and what it took."""
    return Reply(text=text, usage=Usage(input=tokens, output=tokens), backend="a", latency_s=0.1)


class Asker:
    """Answers as `says` says, once `gate` is open; remembers whom it asked what."""

    def __init__(self) -> None:
        self.says: Says = lambda _backend, _prompt: answered("All right.")
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[tuple[str, str]] = []

    async def ask(self, endpoint: Endpoint, body: Mapping[str, Any]) -> Reply:
        who = endpoint.headers["x-pointsman-pin"]
        text = str(body["messages"][-1]["content"])
        self.asked.append((who, text))
        await self.gate.wait()
        return self.says(who, text)


class World:
    """Backends, suites, and a stored status of each backend; `reconcile` is the controller's."""

    def __init__(self) -> None:
        self.now_s = BEGIN_S
        self.items: dict[str, dict[str, Any]] = {}
        self.suites: dict[str, Suite | Hindrance] = {}
        self.asker = Asker()
        self.due: list[str] = []
        self.events: list[Evaluation] = []
        self.runs: list[SuiteRun] = []
        self.written: list[str] = []
        self.refusing = False
        """True while the API server takes no status."""
        self.suspected: set[str] = set()
        self.wanted: dict[str, float] = {}
        """Since when somebody waits for a run."""
        self.evaluator = self.start()
        self._tasks: asyncio.TaskGroup | None = None

    def start(self) -> Evaluator:
        """A new process, which knows only what is stored."""
        self.evaluator = Evaluator(
            self.asker,
            lambda name: self.suites.get(name) or no_suite(name),
            lambda: {name: parsed(ModelBackend, item) for name, item in self.items.items()},
            self.due.append,
            put=self.events.append,
            listeners=[self.runs.append],
            suspected=lambda name: name in self.suspected,
            wanted=lambda name: int(self.wanted.get(name, 0.0) * 1000),
            clock=lambda: self.now_s,
            monotonic=lambda: self.now_s,
        )
        return self.evaluator

    def put(self, name: str, *, order: str = "", cost: bool = True, **evaluation: Any) -> None:
        """A backend, new or edited; it keeps its status."""
        spec: dict[str, Any] = {"cost": COST} if cost else {}
        if evaluation or order:
            evaluation.setdefault("suiteRef", {"name": "desk"})
            spec["evaluation"] = evaluation
        item = backend(name, **spec)
        if order:
            item["metadata"]["annotations"] = {"pointsman.dev/evaluate": order}
        before = self.items.get(name, {})
        self.items[name] = {**item, "status": before.get("status", {})}

    def status(self, name: str = "a") -> dict[str, Any]:
        """As stored."""
        found: dict[str, Any] = self.items[name]["status"]
        return found

    def condition(self, name: str = "a") -> tuple[str, str]:
        """Status and reason of Evaluated."""
        found = {c["type"]: c for c in self.status(name)["conditions"]}["Evaluated"]
        return found["status"], found["reason"]

    def reconcile(self, name: str) -> None:
        """As BackendController does: observe, write, say that it was written."""
        item = self.items[name]
        observed = observed_backend(item)
        told = kept(item["status"])
        if not isinstance(observed.parsed, Invalid):
            found = self.evaluator.observe(item, observed.parsed)
            told = found or kept({})
        else:
            self.evaluator.unreadable(name)
        status = backend_status(
            observed,
            Surroundings(),
            namespace=NAMESPACE,
            stored=item["status"],
            now="2027-01-15T08:00:00Z",
            evaluated=told,
        )
        assert_well_formed(status, generation=1)
        assert unexplained("ModelBackend", status) == []
        if status != item["status"] and not self.refusing:
            item["status"] = json.loads(json.dumps(status))
            self.written.append(name)
            self.evaluator.wrote(name)

    def settle(self) -> None:
        """Every reconcile that is asked for, and what follows from it."""
        for _ in range(100):
            if not self.due:
                return
            for name in dict.fromkeys([self.due.pop(0) for _ in list(self.due)]):
                if name in self.items:
                    self.reconcile(name)
        raise AssertionError("it never settles")

    async def go(self, seconds: float = 0.0, *, step_s: float = 1.0) -> None:
        """Let so much time pass."""
        until_s = self.now_s + seconds
        while True:
            self.evaluator.tick()
            for _ in range(30):
                self.settle()
                await asyncio.sleep(0)
            if self.now_s >= until_s:
                return
            self.now_s += step_s

    async def __aenter__(self) -> "World":
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self.lead()
        return self

    def lead(self) -> None:
        """The present process may begin runs."""
        self.evaluator.group = self._tasks
        for name in self.items:
            self.reconcile(name)

    async def __aexit__(self, *error: object) -> None:
        for name in list(self.items):
            self.evaluator.forget(name)
        assert self._tasks is not None
        await self._tasks.__aexit__(None, None, None)


__all__ = ["BEGIN_S", "COST", "Denied", "Missing", "World", "answered", "suite"]
