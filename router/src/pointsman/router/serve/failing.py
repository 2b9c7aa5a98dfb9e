"""Which backends answer no request: looked at whenever the operator is told of what was served.

Costs requests nothing but a count of those that were answered with 404. Decided in
policy/failing.py.
"""

from collections.abc import Callable

from pointsman.router.live import Live
from pointsman.router.metrics import Metrics
from pointsman.router.policy.failing import Run, is_fault, looked


class Failing:
    """Of one router; `clock` is monotonic seconds."""

    def __init__(self, live: Live, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._live = live
        self._metrics = metrics
        self._clock = clock
        self._runs: dict[str, Run] = {}

    def told(self) -> dict[str, str]:
        """Backend -> how its attempts end, if none is answered."""
        now_s, runs = self._clock(), dict[str, Run]()
        for series in self._metrics.backends.values():
            name = series.backend
            unknown = self._live.unknown.get(name, 0)
            failures = {word: n for word, n in series.attempts.items() if is_fault(word)}
            if unknown:
                failures["Http404"] = unknown
            if failures:
                answers = series.attempts.get("Ok", 0) - unknown
                runs[name] = looked(self._runs.get(name), answers, failures, now_s)
        self._runs = runs
        return {name: run.word for name, run in runs.items() if run.word}
