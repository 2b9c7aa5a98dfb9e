"""A desk of three models in virtual time: who is asked, how good it is, who says so, and then."""

import random
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pointsman.analysis import Analysis, AnalysisSettings, Prompt, Task
from pointsman.analysis.analysis import judge, observe
from pointsman.analysis.text import Text
from pointsman.api.table import decode_blob
from pointsman.api.v1alpha1 import ModelBackend, RoutingPolicy
from pointsman.api.validation import parse
from pointsman.ledger.labels import USUAL_EACH, Label
from pointsman.operator.fitter import fitted
from pointsman.operator.plan.blobs import compile_blob
from pointsman.operator.plan.learning import Job, Wish, is_due, job_of, wish_of
from pointsman.operator.plan.predicting import Learned
from pointsman.routing import CompiledPolicy, RequestFacts, compile_policy, decide
from pointsman.routing.choosing import Asked, choose
from tests.analysis.own_prompts import OWN_PROMPTS

HOUR_S: Final = 3600.0
BEGIN_S: Final = 1_795_000_000.0
BACKENDS: Final = ("alpha", "beta", "gamma")
TASKS: Final = (Task.CODING, Task.CHAT, Task.REASONING)
GOOD: Final = {
    "alpha": {Task.CODING: 0.9, Task.CHAT: 0.8, Task.REASONING: 0.6},
    "beta": {Task.CODING: 0.7, Task.CHAT: 0.7, Task.REASONING: 0.7},
    "gamma": {Task.CODING: 0.5, Task.CHAT: 0.6, Task.REASONING: 0.9},
}
"""How many of their answers are good, while nothing is wrong."""
_SUBJECTS: Final = ("orders", "invoices", "tickets", "trains", "parcels", "seats", "rooms", "users")


@dataclass(frozen=True)
class Trouble:
    """A backend that is bad at a task, from an hour on and until another."""

    backend: str
    task: Task
    quality: float
    from_h: int
    until_h: int


@dataclass(frozen=True)
class Plan:
    """One run. `rated` of the answers get a thumb."""

    hours: int
    trouble: Trouble | None = None
    requests_an_hour: int = 60
    rated: float = 0.3
    half_life_h: int = 24
    min_samples: int = 30
    exploration_percent: int = 0
    refit_h: int = 1
    observed_h: int = 12
    """So long the mode is Observe: each model answers a third."""
    quality: Mapping[str, Mapping[Task, float]] = field(default_factory=lambda: GOOD)
    tasks: Sequence[Task] = TASKS
    """Of the requests, as many of each."""


@dataclass
class Hour:
    """Who was asked, by task, and why; and how many ratings there were of each when it ended."""

    asked: dict[Task, Counter[str]]
    why: Counter[str]
    rated: dict[tuple[str, Task], int]
    good: int = 0
    """Answers of all tasks."""


def share(hours: Sequence[Hour], backend: str, task: Task) -> float:
    """Of the task's requests, how many went there."""
    asked = [hour.asked[task] for hour in hours]
    return sum(one[backend] for one in asked) / max(1, sum(one.total() for one in asked))


def _policy(plan: Plan, mode: str) -> RoutingPolicy:
    return parse(
        RoutingPolicy,
        {
            "metadata": {"name": "desk"},
            "spec": {
                "modelNames": ["auto"],
                "default": {
                    "targets": [{"backendRef": {"name": n}} for n in ("beta", "alpha", "gamma")],
                },
                "predictor": {
                    "mode": mode,
                    "objective": {"prefer": "Quality"},
                    "minSamples": plan.min_samples,
                    "halfLife": f"{plan.half_life_h}h",
                    "explorationPercent": plan.exploration_percent,
                },
            },
        },
    )


_MODELS: Final = {
    name: parse(
        ModelBackend,
        {
            "metadata": {"name": name},
            "spec": {"model": name, "family": "Other", "service": {"name": name, "port": 80}},
        },
    )
    for name in BACKENDS
}


class Desk:
    """One seed of a plan, hour after hour."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self._plan = plan
        self._dice = random.Random(seed)
        self._spec = _policy(plan, "Observe" if plan.observed_h else "Apply").spec
        wish = wish_of(self._spec, _MODELS)
        assert wish is not None
        self._wish: Wish = wish
        self._labels: dict[tuple[str, str], deque[Label]] = defaultdict(
            lambda: deque(maxlen=USUAL_EACH)
        )
        """As the ledger hands them out: the newest of each backend and task."""
        self._job: Job | None = None
        self._learned: Learned | None = None
        self._policy = self._compiled()
        self._read: dict[str, tuple[Analysis, Text]] = {}
        self._count = 0
        self._rated: Counter[tuple[str, Task]] = Counter()

    def run(self) -> list[Hour]:
        """All hours."""
        return [self._hour(number) for number in range(self._plan.hours)]

    def _compiled(self) -> CompiledPolicy:
        blob = compile_blob(
            namespace="ns", policy="desk", revision="r", spec=self._spec, backends=_MODELS,
            model_names=("auto",), learned=self._learned,
        )  # fmt: skip
        return compile_policy(decode_blob(blob), "digest")

    def _hour(self, number: int) -> Hour:
        hour = Hour({task: Counter() for task in TASKS}, Counter(), {})
        if number and number == self._plan.observed_h:
            self._spec = _policy(self._plan, "Apply").spec
            self._policy = self._compiled()
        for _ in range(self._plan.requests_an_hour):
            self._request(number, hour)
        if (number + 1) % self._plan.refit_h == 0:
            self._learn(BEGIN_S + (number + 1) * HOUR_S)
        hour.rated = dict(self._rated)
        return hour

    def _request(self, number: int, hour: Hour) -> None:
        task, text = self._prompt()
        analysis, reading = self._reading(text)
        facts = RequestFacts(analysis=analysis)
        at_s = BEGIN_S + (number + self._dice.random()) * HOUR_S
        decision = decide(self._policy, facts, dice=self._dice.random())
        assert self._policy.chooser is not None
        asked = Asked(reading, facts, at_s, self._dice.random())
        decision, choice = choose(self._policy.chooser, decision, asked)
        backend = decision.candidates[0].name
        hour.asked[task][backend] += 1
        hour.why[choice.abstained or choice.why] += 1
        good = self._dice.random() < self._quality(backend, task, number)
        hour.good += good
        if self._dice.random() < self._plan.rated:
            self._count += 1
            label = Label(
                decision=f"d-{self._count:07}", at_ms=int(at_s * 1000), backend=backend,
                quality=float(good), source="Rating",
                task=str(analysis.task) if analysis.decided else "",
                complexity=str(analysis.complexity), domain=str(analysis.domain),
                language=analysis.language, context_tokens=analysis.context_tokens, text=text,
            )  # fmt: skip
            self._labels[backend, label.task].append(label)
            self._rated[backend, task] += 1

    def _quality(self, backend: str, task: Task, number: int) -> float:
        bad = self._plan.trouble
        if bad and (backend, task) == (bad.backend, bad.task) and (
            bad.from_h <= number < bad.until_h
        ):  # fmt: skip
            return bad.quality
        return self._plan.quality[backend][task]

    def _prompt(self) -> tuple[Task, str]:
        task = self._dice.choice(self._plan.tasks)
        text = self._dice.choice(_PROMPTS[task])
        return task, f"{text} It is about {self._dice.choice(_SUBJECTS)}."

    def _reading(self, text: str) -> tuple[Analysis, Text]:
        found = self._read.get(text)
        if found is None:
            facts = observe(Prompt(user=text, total_chars=len(text)), AnalysisSettings())
            found = self._read[text] = (judge(facts), facts.text)
        return found

    def _learn(self, now_s: float) -> None:
        oldest_ms = (now_s - 6 * self._wish.half_life_s) * 1000
        labels = [one for kept in self._labels.values() for one in kept if one.at_ms > oldest_ms]
        job = job_of(self._wish, labels, now_s)
        if is_due(self._job, job):
            self._job, self._learned = job, fitted(job).learned()
            self._policy = self._compiled()


def _prompts() -> Mapping[Task, Sequence[str]]:
    """Those that the analysis takes for what they are: here models are bad, not the analysis."""
    found: dict[Task, list[str]] = {task: [] for task in TASKS}
    for task, text in OWN_PROMPTS:
        whole = f"{text} It is about orders."
        if task in found and len(text) < 400:
            facts = observe(Prompt(user=whole, total_chars=len(whole)), AnalysisSettings())
            if judge(facts).task is task:
                found[task].append(text)
    return found


_PROMPTS: Final = _prompts()
