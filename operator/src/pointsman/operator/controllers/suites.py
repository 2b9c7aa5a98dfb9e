"""The EvaluationSuite controller: says of each suite whether it can be run, and if not, why.

A ConfigMap of prompts carries no label of ours, so it is not watched but read again each 10 s; so
is what is left of a draw from the ledger.
What was judged is kept by the versions of both objects, and judged in a thread: a suite may have
thousands of patterns.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pointsman.api.conditions import ConditionType
from pointsman.api.v1alpha1 import EvaluationSuite
from pointsman.api.validation import Invalid
from pointsman.evaluation.suite.content import Drawing, Suite
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.controllers.backends import timestamp
from pointsman.operator.controllers.drawing import Drawer
from pointsman.operator.controllers.status import write_status
from pointsman.operator.errors import ReconcileError
from pointsman.operator.plan.evaluating.telling import Hindrance, no_suite, not_ready
from pointsman.operator.plan.objects import meta, name_of, parsed
from pointsman.operator.plan.suite_status import Verdict, judge, lines_of, suite_status

log = logging.getLogger("pointsman.suites")

FIRST_S: Final = 2.0
POLL_S: Final = 10.0
"""Between two looks at the ConfigMaps; longer where there are so many that it would be 10 a second
and more."""


def suite_keys(items: Iterable[Object]) -> list[str]:
    """The keys of suites that are there."""
    return [f"suite/{name_of(item)}" for item in items]


class SuiteController:
    """Reconciles `suite/<name>`."""

    def __init__(
        self,
        api: Api,
        on_judges: Callable[[Mapping[str, str]], None] = lambda _: None,
        drawer: Drawer | None = None,
    ) -> None:
        self._api = api
        self._drawer = drawer or Drawer(api, None)
        self._tell_judges = on_judges
        """Told whom suites name as their judge, by suite, once all suites are known."""
        self._judges: dict[str, str] | None = None
        self._found: dict[str, Suite | Hindrance] = {}
        self._gone: set[str] = set()
        """Suites that went while the first list was looked through."""
        self._judged: dict[str, tuple[tuple[str, str, str], Verdict]] = {}
        """Name -> (version of the suite, hashes of the text and of the draw; verdict)."""
        self._referring: set[str] = set()
        """Suites with a ConfigMap or a draw."""

    def found(self, name: str) -> Suite | Hindrance | None:
        """As it is run, or why it is not; None while nobody knows."""
        if self._judges is None:
            return None
        return self._found.get(name) or no_suite(name)

    def known(self) -> list[str]:
        """The keys of suites that were seen and not yet missed."""
        return [f"suite/{name}" for name in self._found]

    async def run(self, add: Callable[[str], None]) -> None:
        """Look again, for ever; first at all of them."""
        while self._judges is None:
            try:
                await self._begin()
            except ReconcileError as error:
                log.warning("suites not read", extra={"reason": error.reason, "error": str(error)})
                await asyncio.sleep(FIRST_S)
        while True:
            await asyncio.sleep(max(POLL_S, 0.1 * len(self._referring)))
            for name in sorted(self._referring):
                add(f"suite/{name}")

    async def _begin(self) -> None:
        """From here on a suite that is not known is none."""
        items = await self._api.list_all(kinds.EVALUATION_SUITE)
        for item in items:
            await self._observe(name_of(item), item)
        for name in self._gone:
            self._found.pop(name, None)
        self._judges = {}
        self._judge_anew()

    def _judge_anew(self) -> None:
        judges = {
            name: suite.judge.model
            for name, suite in self._found.items()
            if isinstance(suite, Suite) and suite.judge
        }
        if self._judges is not None:
            self._judges = judges
            self._tell_judges(judges)

    async def reconcile(self, name: str) -> None:
        """Observe once, judge once, write once."""
        item = await self._api.get(kinds.EVALUATION_SUITE, name)
        if item is None or meta(item).get("deletionTimestamp"):
            self._judged.pop(name, None)
            self._found.pop(name, None)
            self._gone |= {name} if self._judges is None else set()
            self._referring.discard(name)
            self._drawer.forget(name)
            self._judge_anew()
            return
        self._gone.discard(name)
        status = await self._observe(name, item)
        self._judge_anew()
        await write_status(self._api, kinds.EVALUATION_SUITE, item, status)

    async def _observe(self, name: str, item: Object) -> dict[str, Any]:
        """Its status, and what is run of it."""
        suite = parsed(EvaluationSuite, item)
        lines = lines_of(suite, await self._config_map(name, suite))
        draw = None if isinstance(suite, Invalid) else await self._drawer.observe(item, suite)
        verdict = await self._verdict(name, item, suite, lines, draw.drawing if draw else None)
        status = suite_status(item, suite, lines, verdict, draw, now=timestamp())
        ready = next(one for one in status["conditions"] if one["type"] == ConditionType.READY)
        if isinstance(verdict, Suite) and ready["status"] == "True":
            self._found[name] = verdict
        else:
            self._found[name] = not_ready(name, ready["message"])
        return status

    async def _config_map(self, name: str, suite: EvaluationSuite | Invalid) -> Object | None:
        reference = None if isinstance(suite, Invalid) else suite.spec.config_map_ref
        looks = reference or (not isinstance(suite, Invalid) and suite.spec.ledger)
        (self._referring.add if looks else self._referring.discard)(name)
        return await self._api.get(kinds.CONFIG_MAP, reference.name) if reference else None

    async def _verdict(
        self,
        name: str,
        item: Object,
        suite: EvaluationSuite | Invalid,
        lines: str | None,
        drawing: Drawing | None,
    ) -> Verdict:
        about = meta(item)
        text = hashlib.sha256((lines or "").encode("utf-8", "replace")).hexdigest()
        version = (f"{about.get('uid')}/{about.get('generation')}", text, _version(drawing))
        known = self._judged.get(name)
        if known is None or known[0] != version:
            verdict = await asyncio.to_thread(judge, suite, lines, drawing)
            self._judged[name] = known = (version, verdict)
        return known[1]


def _version(drawing: Drawing | None) -> str:
    """Of what was drawn and what is left of it."""
    if drawing is None:
        return ""
    digest = hashlib.sha256(drawing.pins)
    for one in drawing.prompts:
        digest.update(one.name.encode())
    return digest.hexdigest()
