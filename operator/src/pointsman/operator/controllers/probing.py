"""Golden prompts in the place of traffic: which runs count for a rollout, and who is asked now.

Kept is the last whole run of each backend that a rollout may have to ask about, in memory: a new
process asks once more. Nothing is run here: the evaluator runs what is wanted, within its caps.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pointsman.api.conditions import Condition, Reason
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.operator.plan.blobs import Backends
from pointsman.operator.plan.evaluating.record import COMPLETE
from pointsman.operator.plan.evaluating.suite_run import SuiteRun
from pointsman.operator.plan.rollout.probing import (
    Probe,
    Probed,
    ProbeLimits,
    Question,
    probed,
)
from pointsman.operator.plan.rollout.state import Rollout

_NOT_RUN: Final = frozenset(
    {
        Reason.SUITE_NOT_FOUND,
        Reason.SUITE_NOT_READY,
        Reason.JUDGE_NOT_FOUND,
        Reason.CURRENCIES_DIFFER,
    }
)
"""Nobody has to wait for what somebody has to mend first."""
_Key = tuple[str, float, tuple[tuple[str, int], ...]]
"""Candidate, when its rollout began, and when the run of each backend did."""
_NO_SUITE: Final = "it has no EvaluationSuite (spec.evaluation)"


class Prober:
    """What a step without traffic asks; it follows the rollouts that go on."""

    def __init__(self) -> None:
        self.evaluated: Callable[[str], Condition | None] = lambda _: None
        """What the status of a backend says of its golden prompts."""
        self._going: Sequence[tuple[Rollout, Question]] = ()
        self._backends: Backends = {}
        self._runs: dict[str, SuiteRun] = {}
        self._last: dict[_Key, tuple[Question, ProbeLimits, Probed]] = {}
        """What runs said: to compare thousands of prompts takes milliseconds, each two seconds."""

    def know(self, backends: Backends) -> None:
        """As they are now."""
        self._backends = backends

    def follow(self, going: Sequence[tuple[Rollout, Question]]) -> None:
        """These go on now; runs of others are forgotten."""
        self._going = going
        named = {name for _, question in going for name in question.backends}
        self._runs = {name: run for name, run in self._runs.items() if name in named}
        known = {(rollout.candidate, rollout.began_s) for rollout, _ in going}
        self._last = {key: one for key, one in self._last.items() if key[:2] in known}

    def hear(self, run: SuiteRun) -> None:
        """A run that is over."""
        named = any(run.backend in question.backends for _, question in self._going)
        if named and run.ended == COMPLETE:
            self._runs[run.backend] = run

    def wanted_ms(self, backend: str) -> int:
        """A run that began before this (Unix ms) does not do; 0: nobody wants one."""
        since_ms = [0]
        for rollout, question in self._going:
            if rollout.probing_since_s is None or backend not in question.backends:
                continue
            if self._fresh(backend, rollout) is None:
                since_ms.append(int(rollout.probing_since_s * 1000))
                since_ms.append(self._other_since_ms(backend, rollout))
        return max(since_ms)

    def _other_since_ms(self, backend: str, rollout: Rollout) -> int:
        """When its suite was first run as it is now; not in a pause: it may change each time."""
        run = self._runs.get(backend)
        if run is None or rollout.reason != "WaitingForProbes":
            return 0
        newest = self._newest(run.suite)
        return newest.began_ms if newest.content != run.content else 0

    def _newest(self, suite: str) -> SuiteRun:
        return max(
            (one for one in self._runs.values() if one.suite == suite), key=lambda r: r.began_ms
        )

    def probed(self, rollout: Rollout, question: Question, limits: ProbeLimits) -> Probed:
        """What runs that began after the rollout say."""
        fresh = {
            name: run
            for name in sorted(question.backends)
            if (run := self._fresh(name, rollout)) is not None
        }
        runs = tuple((name, run.began_ms) for name, run in fresh.items())
        key = (rollout.candidate, rollout.began_s, runs)
        known = self._last.get(key)
        if known is not None and known[:2] == (question, limits):
            return known[2]
        probes = {name: _probe(run) for name, run in fresh.items()}
        found = self._asked(question, probes, limits)
        if len(probes) == len(question.backends):
            self._last[key] = (question, limits, found)
        return found

    def _asked(
        self, question: Question, probes: Mapping[str, Probe], limits: ProbeLimits
    ) -> Probed:
        blocked, late = dict[str, str](), dict[str, str]()
        for name in question.backends - probes.keys():
            said, backend = self.evaluated(name), self._backends.get(name)
            if not isinstance(backend, ModelBackend):
                blocked[name] = "there is no valid ModelBackend of this name"
            elif backend.spec.evaluation is None:
                blocked[name] = _NO_SUITE
            elif said is not None and said.reason in _NOT_RUN:
                blocked[name] = f"{said.reason}: {said.message}"
            elif said is not None and said.status is False:
                late[name] = said.reason
        return probed(question, probes, blocked, limits, late=late)

    def _fresh(self, name: str, rollout: Rollout) -> SuiteRun | None:
        """Of its model of now and its suite as it was run last, begun after the rollout."""
        run, backend = self._runs.get(name), self._backends.get(name)
        if run is None or not isinstance(backend, ModelBackend):
            return None
        same = run.model == backend.spec.model and run.content == self._newest(run.suite).content
        return run if same and run.began_ms >= rollout.began_s * 1000 else None


def _probe(run: SuiteRun) -> Probe:
    currencies = {one.currency for one in run.evaluations if one.currency}
    return Probe(content=run.content, currency="/".join(sorted(currencies)), answers=run.answers)
