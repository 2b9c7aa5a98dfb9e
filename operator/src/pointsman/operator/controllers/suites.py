"""The EvaluationSuite controller: says of each suite whether it can be run, and if not, why.

A ConfigMap of prompts carries no label of ours, so it is not watched but read again each 10 s.
What was judged is kept by the versions of both objects, and judged in a thread: a suite may have
thousands of patterns.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from typing import Final

from pointsman.api.v1alpha1 import EvaluationSuite
from pointsman.api.validation import Invalid
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.controllers.backends import timestamp
from pointsman.operator.controllers.status import write_status
from pointsman.operator.plan.objects import meta, name_of, parsed
from pointsman.operator.plan.suite_status import Verdict, judge, lines_of, suite_status

POLL_S: Final = 10.0
"""Between two looks at the ConfigMaps; longer where there are so many that it would be 10 a second
and more."""


def suite_keys(items: Iterable[Object]) -> list[str]:
    """The keys of suites that are there."""
    return [f"suite/{name_of(item)}" for item in items]


class SuiteController:
    """Reconciles `suite/<name>`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._judged: dict[str, tuple[tuple[str, str], Verdict]] = {}
        """Name -> (version of the suite and hash of the text, verdict)."""
        self._referring: set[str] = set()
        """Suites with a ConfigMap."""

    async def run(self, add: Callable[[str], None]) -> None:
        """Look again, for ever."""
        while True:
            await asyncio.sleep(max(POLL_S, 0.1 * len(self._referring)))
            for name in sorted(self._referring):
                add(f"suite/{name}")

    async def reconcile(self, name: str) -> None:
        """Observe once, judge once, write once."""
        item = await self._api.get(kinds.EVALUATION_SUITE, name)
        if item is None or meta(item).get("deletionTimestamp"):
            self._judged.pop(name, None)
            self._referring.discard(name)
            return
        suite = parsed(EvaluationSuite, item)
        lines = lines_of(suite, await self._config_map(name, suite))
        verdict = await self._verdict(name, item, suite, lines)
        status = suite_status(item, suite, lines, verdict, now=timestamp())
        await write_status(self._api, kinds.EVALUATION_SUITE, item, status)

    async def _config_map(self, name: str, suite: EvaluationSuite | Invalid) -> Object | None:
        reference = None if isinstance(suite, Invalid) else suite.spec.config_map_ref
        (self._referring.add if reference else self._referring.discard)(name)
        return await self._api.get(kinds.CONFIG_MAP, reference.name) if reference else None

    async def _verdict(
        self, name: str, item: Object, suite: EvaluationSuite | Invalid, lines: str | None
    ) -> Verdict:
        about = meta(item)
        text = hashlib.sha256((lines or "").encode("utf-8", "replace")).hexdigest()
        version = (f"{about.get('uid')}/{about.get('generation')}", text)
        known = self._judged.get(name)
        if known is None or known[0] != version:
            verdict = await asyncio.to_thread(judge, suite, lines)
            self._judged[name] = known = (version, verdict)
        return known[1]
