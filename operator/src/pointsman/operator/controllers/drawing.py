"""Draws golden prompts from the ledger, and holds the texts of a draw as long as it may.

Guarantees that no text is written anywhere: the ConfigMap of a draw has ids. A text is forgotten
when its time is over, one that was deleted in the ledger at the next look (REFRESH_S), all of them
when the policy stops letting texts be kept. A draw is stored before it is run.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from pointsman.api.names import ANNOTATION_REDRAW
from pointsman.api.v1alpha1 import EvaluationSuite, LedgerDraw, RoutingPolicy
from pointsman.evaluation.suite.drawn import (
    Remembered,
    asked,
    drawing,
    left_of,
    of,
    remembered,
    stays,
    why_anew,
)
from pointsman.events.draws import Drawn
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.drawing import Ask, NotOurs, read_draw, write_draw
from pointsman.operator.errors import ReconcileError, Waiting
from pointsman.operator.plan.evaluating.drawing import (
    Draw,
    drawn,
    hindrance_of,
    taken,
    too_few,
    unreachable,
    without_ledger,
)
from pointsman.operator.plan.objects import annotations_of, meta, parsed

REFRESH_S: Final = 600.0
"""Between two looks at what the ledger still has of a draw."""
RETRY_S: Final = 60.0
"""After a draw that was none, or a ledger that did not answer."""
MAX_ORDER: Final = 253


@dataclass(slots=True)
class _Known:
    uid: str
    policy: str
    record: Remembered | None
    found: tuple[Drawn, ...] | None = None
    """None: it has to be read."""
    read_again_s: float = -1e9
    away: str = ""
    """Why the last look got no answer."""
    tried_s: float = -1e9
    tried: tuple[str, int, str] | None = None
    """What was wanted of the draw that was tried last."""
    problem: Draw | None = None


class _Scene(NamedTuple):
    item: Object
    before: Object | None
    """The ConfigMap as it is stored."""
    spec: LedgerDraw
    ordered: str


class Drawer:
    """Of all suites with `spec.ledger`. `ask` is None without a ledger."""

    def __init__(
        self,
        api: Api,
        ask: Ask | None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._ask = ask
        self._clock = clock
        self._monotonic = monotonic
        self._known: dict[str, _Known] = {}
        self._lock = asyncio.Lock()

    def forget(self, name: str) -> None:
        """It is gone, or draws nothing any more."""
        self._known.pop(name, None)

    async def observe(self, item: Object, suite: EvaluationSuite) -> Draw | None:
        """What is drawn for it now; None if nothing is to be. Raises ReconcileError."""
        name, spec = suite.metadata.name, suite.spec.ledger
        if spec is None:
            self.forget(name)
            return None
        if self._ask is None:
            return without_ledger()
        policy = await self._api.get(kinds.ROUTING_POLICY, spec.policy_ref.name)
        found = parsed(RoutingPolicy, policy) if policy else None
        if (hindrance := hindrance_of(found, spec.policy_ref.name)) is not None:
            self.forget(name)
            return hindrance
        async with self._lock:
            try:
                return await self._look(name, item, spec, self._ask)
            except NotOurs as error:
                self.forget(name)
                return taken(str(error))

    async def _look(self, name: str, item: Object, spec: LedgerDraw, ask: Ask) -> Draw:
        before, record = await read_draw(self._api, name)
        uid = str(meta(item).get("uid"))
        known = self._known.get(name)
        if known is None or (known.uid, known.policy) != (uid, spec.policy_ref.name):
            known = self._known[name] = _Known(uid, spec.policy_ref.name, record)
        if known.record != record:
            known.record, known.found, known.read_again_s = record, None, -1e9
        await self._read(known, spec, ask)
        ordered = annotations_of(item).get(ANNOTATION_REDRAW, "")[:MAX_ORDER]
        problem: Draw | None = None
        # Nobody knows how many are left while the ledger is silent: that is no reason for a draw.
        if known.away:
            problem = unreachable(known.away)
        elif self._is_due(known, spec, ordered):
            problem = await self._draw(known, _Scene(item, before, spec, ordered), ask)
        left = self._left(known)
        if known.record is not None and stays(known.record, spec, left=len(left)):
            why = problem.why.message if problem and problem.why else ""
            return drawn(known.record, drawing(known.record, left, spec), spec, why)
        return problem or unreachable("nothing was drawn")

    def _left(self, known: _Known) -> tuple[Drawn, ...]:
        """Texts whose time is over are forgotten."""
        if known.found is not None:
            known.found = left_of(known.found, self._now_ms())
        return known.found or ()

    def _is_due(self, known: _Known, spec: LedgerDraw, ordered: str) -> bool:
        left = len(self._left(known))
        return bool(why_anew(known.record, spec, ordered, left=left, now_ms=self._now_ms()))

    async def _read(self, known: _Known, spec: LedgerDraw, ask: Ask) -> None:
        """What the ledger still has of the draw, if it is time to look."""
        now_s = self._monotonic()
        if known.record is None:
            known.away = ""
        if known.record is None or now_s < known.read_again_s:
            return
        try:
            told = await ask(asked(spec, known.record.pins))
        except Waiting as error:
            known.away, known.read_again_s = str(error), now_s + RETRY_S
        else:
            known.away, known.read_again_s = "", now_s + REFRESH_S
            known.found = tuple(told.prompts)

    async def _draw(self, known: _Known, scene: _Scene, ask: Ask) -> Draw | None:
        """Draw anew, unless that was tried just now; why there is no other draw."""
        spec, ordered = scene.spec, scene.ordered
        now_s, wish = self._monotonic(), (of(spec), spec.minimum, ordered)
        if known.tried == wish and now_s - known.tried_s < RETRY_S:
            return known.problem
        known.tried, known.tried_s, known.problem = wish, now_s, None
        try:
            told = await ask(asked(spec))
        except Waiting as error:
            known.problem = unreachable(str(error))
            return known.problem
        if len(told.prompts) < spec.minimum:
            known.problem = too_few(spec, len(told.prompts), told.candidates)
            return known.problem
        record = remembered(told, spec, ordered, self._now_ms())
        try:
            await write_draw(self._api, scene.item, scene.before, record)
        except ReconcileError:
            known.tried = None
            raise
        known.record, known.found = record, tuple(told.prompts)
        known.read_again_s = now_s + REFRESH_S
        return None

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
