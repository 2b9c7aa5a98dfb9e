"""PURE: for each request, who may answer in LiteLLM and who would here, and why they differ.

Theirs are the documented rules, ours the router's own decision over the imported (or edited) YAML.
A difference is explained if a comment of the import tells it: a model that was not taken over, a
context window that is kept here, a tag that cannot be matched.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import msgspec

from pointsman.cli.migration.conversion import Imported
from pointsman.cli.migration.policies import TAGS_HEADER
from pointsman.cli.migration.rules import Rules
from pointsman.cli.traffic.seen import Seen
from pointsman.routing import CompiledTable, Decision, decide
from pointsman.routing.deciding import first_choices

TOLERANCE: Final = 0.01
"""Of a share: weights are whole numbers here."""
NOBODY: Final = "nobody"
Shares = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one request. `reasons` is empty if both agree."""

    group: str
    theirs: str
    ours: str
    reasons: tuple[str, ...] = ()
    explained: bool = True

    @property
    def agrees(self) -> bool:
        """Both would ask the same, with the same shares, then the same."""
        return not self.reasons


@dataclass(slots=True)
class Comparison:
    """Over all requests."""

    by_group: dict[str, Counter[str]] = field(default_factory=dict)
    """`same`, `explained` and `different`, by the model that was asked for."""
    differences: Counter[Verdict] = field(default_factory=Counter)

    def add(self, verdict: Verdict) -> None:
        """One request."""
        counts = self.by_group.setdefault(verdict.group, Counter())
        if verdict.agrees:
            counts["same"] += 1
            return
        counts["explained" if verdict.explained else "different"] += 1
        self.differences[verdict] += 1

    @property
    def unexplained(self) -> int:
        """Requests that differ, and nothing says why."""
        return sum(counts["different"] for counts in self.by_group.values())


class Judge:
    """Compares request by request."""

    def __init__(self, made: Imported, table: CompiledTable) -> None:
        self._made = made
        self._table = table
        self._rules = Rules(made.config)
        self._names = made.backends.names
        self._checks_window = made.config.router.get("enable_pre_call_checks") is True

    def judge(self, seen: Seen) -> Verdict:
        """Of one request."""
        tags = _tags(seen)
        group = self._rules.group_of(seen.model)
        policy = self._table.by_model.get(seen.model)
        if group is None or policy is None:
            return self._unserved(seen.model, group, served=policy is not None)
        decision = decide(policy, seen.facts, dice=0.0, explain=True)
        theirs, lost = self._theirs(group, tags)
        ours = _ours(decision, seen)
        reasons = [
            *self._reasons(theirs, ours, lost=lost, decision=decision, tags=tags, group=group)
        ]
        then_theirs = self._then(seen.model, group, tags)
        then_ours = self._groups(decision)
        if not reasons and then_theirs != then_ours:
            known = bool(lost) or self._unmatched(group, tags)
            known = known or self._left_behind(then_theirs, tags)
            told = f"then {_listed(then_theirs)} there, {_listed(then_ours)} here"
            reasons = [(told, known)]
        return Verdict(
            seen.model, _told(theirs), _told(ours),
            tuple(text for text, _ in reasons), all(known for _, known in reasons),
        )  # fmt: skip

    def _unserved(self, model: str, group: str | None, *, served: bool) -> Verdict:
        if group is None and not served:
            return Verdict(model, NOBODY, NOBODY)
        if group is None:
            return Verdict(model, NOBODY, "a policy", ("no such model there",), explained=False)
        refused = [one for one in self._made.notes if one.kind == "refused"]
        known = any(one.message.startswith(f"{group}: ") for one in refused)
        return Verdict(model, group, NOBODY, ("no policy answers to it here",), explained=known)

    def _theirs(self, group: str, tags: Sequence[str]) -> tuple[Shares, list[str]]:
        """Shares, by their place there of those that could not be imported; which these are."""
        first = self._rules.first(group, tags)
        whole = sum(first.weights.values())
        shares: dict[str, float] = {}
        lost = []
        for index, weight in first.weights.items():
            name = self._names.get(index)
            if name is None:
                name = f"model_list[{index}]"
                lost.append(name)
            shares[name] = shares.get(name, 0.0) + weight / whole
        return shares, lost

    def _reasons(
        self,
        theirs: Shares,
        ours: Shares,
        *,
        lost: Sequence[str],
        decision: Decision,
        tags: Sequence[str],
        group: str,
    ) -> Iterator[tuple[str, bool]]:
        """Each difference, and whether a comment explains it."""
        if lost:
            yield f"{', '.join(lost)} could not be imported", True
            return
        skipped = {one.backend: one.reason for one in decision.skipped}
        too_long = any(one.context_window for one in decision.skipped)
        for name in theirs:
            if name in ours:
                continue
            why = skipped.get(name)
            if why:
                yield f"{name} is not asked here: {why}", self._said_so(name, why)
            else:
                known = too_long or self._unmatched(group, tags)
                yield f"{name} is asked there, not here", known
        for name in ours:
            if name not in theirs:
                known = bool(skipped) or self._unmatched(group, tags)
                yield f"{name} is asked here, not there", known
        exact = self._rules.first(group, tags).exact
        if set(theirs) == set(ours):
            for name, share in theirs.items():
                if exact and abs(share - ours[name]) > TOLERANCE:
                    yield f"{name} gets {share:.0%} there, {ours[name]:.0%} here", False

    def _said_so(self, name: str, why: str) -> bool:
        """Only what a comment of the backend tells: its window or its capabilities."""
        for index, document in self._made.backends.documents.items():
            if self._names[index] == name:
                field = "capabilities" if "capability" in why else "contextWindow"
                spec = document.body["spec"]
                return isinstance(spec, dict) and field in spec
        return False

    def _unmatched(self, group: str, tags: Sequence[str]) -> bool:
        """Several tags at once: a comment of the policy says that these are not matched."""
        return self._rules.tagged(group) and len(tags) > 1

    def _then(self, model: str, group: str, tags: Sequence[str]) -> list[str]:
        """Its group and who follows: the order within a group is chance there."""
        always = self._rules.after(model)
        too_long = self._rules.after(model, too_long=True)
        found = dict.fromkeys((group, *always, *too_long))
        return [one for one in found if self._of(one, tags)]

    def _of(self, group: str, tags: Sequence[str]) -> list[str]:
        return [
            self._names[one.index]
            for level in self._rules.levels(group, tags)
            for one in level
            if one.index in self._names
        ]

    def _groups(self, decision: Decision) -> list[str]:
        """The groups of our candidates, in order, each once; skipped ones count as tried."""
        by_name = {self._names[d.index]: d.group for d in self._made.config.deployments
                   if d.index in self._names}  # fmt: skip
        order = decision.route.orders[0]
        return [*dict.fromkeys(by_name.get(one.name, one.name) for one in order)]

    def _left_behind(self, groups: Sequence[str], tags: Sequence[str]) -> bool:
        """More than a chain holds: a comment of the policy names who is left out."""
        return sum(len(self._of(group, tags)) for group in groups) > 9


def _ours(decision: Decision, seen: Seen) -> Shares:
    """The share of each backend that may be asked first, over all dice."""
    bounds, orders = decision.route.bounds, decision.route.orders
    able = {one.name for one in first_choices(decision, seen.facts)}
    widths = [after - before for before, after in pairwise((0, *(bounds or (1,))))]
    every = [*zip(orders, widths, strict=True)]
    drawn = [one for one in every if one[0] and one[0][0].name in able] or every
    whole = sum(width for _, width in drawn)
    shares: dict[str, float] = {}
    for order, width in drawn:
        name = next((one.name for one in order if one.name in able), None)
        if name is not None and width > 0:
            shares[name] = shares.get(name, 0.0) + width / whole
    return shares


def _tags(seen: Seen) -> tuple[str, ...]:
    text = seen.facts.headers.get(TAGS_HEADER, "")
    return tuple(one.strip() for one in text.split(",") if one.strip())


def _told(shares: Shares) -> str:
    if len(shares) == 1:
        return next(iter(shares))
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items()) or NOBODY


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or NOBODY


def as_json(found: Comparison) -> bytes:
    """For programs."""
    differences = [
        {
            "model": one.group,
            "requests": count,
            "theirs": one.theirs,
            "ours": one.ours,
            "reasons": one.reasons,
            "explained": one.explained,
        }
        for one, count in found.differences.most_common()
    ]
    return msgspec.json.encode({"models": found.by_group, "differences": differences})


def as_text(found: Comparison) -> str:
    """A line for each model, then each difference with its reasons."""
    width = max([5, *map(len, found.by_group)])
    lines = [f"{'MODEL':{width}}  REQUESTS  SAME  EXPLAINED  DIFFERENT"]
    for name, counts in found.by_group.items():
        cells = (counts.total(), counts["same"], counts["explained"], counts["different"])
        lines.append(f"{name:{width}}  {cells[0]:8,}  {cells[1]:4,}  {cells[2]:9,}  {cells[3]:9,}")
    for one, count in found.differences.most_common():
        mark = "explained" if one.explained else "DIFFERENT"
        lines.append(f"{mark}: {one.group}, {count:,} of them: there {one.theirs}; here {one.ours}")
        lines += [f"  {reason}" for reason in one.reasons]
    return "\n".join(lines) + "\n"
