"""Learners of tests: what the ledger says and how it is fitted are values."""

from dataclasses import dataclass, field

from pointsman.ledger.labels import Label, Labels
from pointsman.operator.controllers.learning import Learner
from pointsman.operator.errors import Waiting
from pointsman.operator.plan.learning import Fitted, Job, samples_of, traits_of
from tests.routing.learned import weights


def label(number: int, backend: str = "a", quality: float = 1.0, **fields: object) -> Label:
    """Of a chat that was rated."""
    values: dict[str, object] = {
        "decision": f"d-{number}", "at_ms": 1_000 * number, "backend": backend,
        "quality": quality, "source": "Rating", "task": "Chat", **fields,
    }  # fmt: skip
    return Label(**values)  # type: ignore[arg-type]


@dataclass
class Ledger:
    """Labels, or why there are none; remembers what was asked."""

    labels: list[Label] = field(default_factory=list)
    away: str = ""
    asked: list[tuple[str, float]] = field(default_factory=list)

    async def ask(self, policy: str, since_s: float) -> Labels:
        """As the ledger answers."""
        self.asked.append((policy, since_s))
        if self.away:
            raise Waiting(self.away)
        return Labels(list(self.labels), more=False)


@dataclass
class Fits:
    """A fit that takes the mean of each backend's labels; remembers its jobs."""

    jobs: list[Job] = field(default_factory=list)
    fails: str = ""

    async def fit(self, job: Job) -> Fitted:
        """At once."""
        self.jobs.append(job)
        if self.fails:
            raise Waiting(self.fails)
        samples = samples_of(job)
        means = {
            name: sum(one.quality for one in job.labels if one.backend == name) / count
            for name, count in samples.items()
            if count
        }
        found = weights(means, labels=tuple(map(float, samples.values()))) if means else None
        if found and len(found.labels) != len(found.backends):
            found = weights(means, labels=tuple(float(n) for n in samples.values() if n))
        return Fitted(weights=found, traits=traits_of(job), samples=samples)


async def _never(job: Job) -> Fitted:
    raise AssertionError(job)


def idle_learner() -> Learner:
    """Without a ledger."""
    return Learner(None, _never, lambda: None)
