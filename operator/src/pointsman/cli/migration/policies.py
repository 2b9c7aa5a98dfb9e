"""PURE: model groups of LiteLLM as RoutingPolicies: shares, order and fallbacks."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from pointsman.api.names import API_VERSION
from pointsman.cli.migration.naming import MOST_POLICY, MOST_RULE, Names
from pointsman.cli.migration.reading import Config, Deployment, Kind, Note
from pointsman.cli.migration.rules import (
    CHEAPEST,
    DEFAULT_TAG,
    FALLBACKS,
    SHUFFLE,
    STRATEGIES,
    Rules,
    changing,
    pairs,
    tags_of,
)
from pointsman.cli.migration.timeouts import Times, times
from pointsman.cli.migration.writing import Document

TAGS_HEADER: Final = "x-litellm-tags"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_MOST_TARGETS: Final = 16
_MOST_CHAIN: Final = 8
_MOST_NAMES: Final = 16
_MOST_RULES: Final = 32
_MOST_WEIGHT: Final = 1_000_000
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Policies:
    """What became of the model groups."""

    documents: tuple[Document, ...]
    notes: tuple[Note, ...]
    fronts: Mapping[str, str]
    """The policy of each model name."""


@dataclass(frozen=True, slots=True)
class _Front:
    """Names that are answered alike."""

    name: str
    group: str
    names: tuple[str, ...]


def policies(config: Config, backends: Mapping[int, str]) -> Policies:
    """One for each group that has a backend left, and for aliases with fallbacks of their own."""
    rules, names = Rules(config), Names(MOST_POLICY)
    documents = []
    fronts: dict[str, str] = {}
    notes = [*_odd_aliases(config, rules), *_odd(config, rules)]
    for front in _fronts(rules):
        one = _Policy(config, rules, front, backends)
        called = names.take(front.name)
        document = one.document(called)
        notes += one.notes
        if document is not None:
            documents.append(document)
            fronts.update(dict.fromkeys(one.answers, called))
    return Policies(tuple(documents), tuple(notes), fronts)


def _fronts(rules: Rules) -> Iterator[_Front]:
    """An alias with fallbacks of its own is answered differently from its group."""
    own = [
        alias
        for alias in rules.aliases
        if alias not in rules.groups and any(rules.has_own(kind, alias) for kind in FALLBACKS)
    ]
    for group in rules.groups:
        same = [
            a for a, to in rules.aliases.items() if to == group and a not in (*own, *rules.groups)
        ]
        yield _Front(group, group, (group, *same))
    for alias in own:
        found = rules.group_of(alias)
        if found is not None:
            yield _Front(alias, found, (alias,))


def _odd(config: Config, rules: Rules) -> Iterator[Note]:
    """What the lists of fallbacks say that leads nowhere, or is not said here."""
    for kind in FALLBACKS:
        section = "router_settings" if config.router.get(kind) is not None else "litellm_settings"
        path = f"{section}.{kind}"
        value = config.routing(kind)
        if value is not None and not isinstance(value, list):
            yield config.note(Kind.REFUSED, path, "is no list of {model: [models]}")
        said = [*pairs(value)]
        for key, targets in said:
            if key != "*" and rules.group_of(key) is None:
                yield config.note(Kind.REFUSED, path, f"there is no model {key} in model_list")
            for target in targets:
                if rules.group_of(target) is None:
                    yield _no_group(config, rules, path, key, target)
        for key in sorted(changing(value)):
            message = f"a fallback of {key} changes more than the model: here nothing else changes"
            yield config.note(Kind.CHANGED, path, message)
        for key in _circles(rules, kind, [key for key, _ in said]):
            message = f"{key} leads back to itself: each model is tried once, then it ends"
            yield config.note(Kind.CHANGED, path, message)


def _no_group(config: Config, rules: Rules, path: str, key: str, target: str) -> Note:
    """A fallback that is a deployment's id, or nothing."""
    group = rules.group_of_id(target)
    if group is None:
        message = f"{key} falls back to {target}, which is not in model_list"
        return config.note(Kind.REFUSED, path, message)
    message = f"{key} falls back to {target}, one model of {group}: here to all of that name"
    return config.note(Kind.CHANGED, path, message)


def _odd_aliases(config: Config, rules: Rules) -> Iterator[Note]:
    for alias, to in rules.aliases.items():
        path = f"router_settings.model_group_alias.{alias}"
        if to not in rules.groups:
            yield config.note(Kind.REFUSED, path, f"there is no model {to} in model_list")
        elif alias in rules.groups:
            yield config.note(Kind.CHANGED, path, "is a model of model_list too: that one answers")
        elif rules.hidden(alias):
            yield config.note(Kind.CHANGED, path, "is hidden there, and listed in /v1/models here")


def _circles(rules: Rules, kind: str, keys: Sequence[str]) -> Iterator[str]:
    for key in dict.fromkeys(keys):
        seen: set[str] = set()
        ahead = [*rules.listed(kind, key)] if key != "*" else []
        while ahead:
            one = ahead.pop()
            if one not in seen:
                seen.add(one)
                ahead += rules.listed(kind, one)
        if key in seen:
            yield key


class _Policy:
    """One of them, in the making."""

    def __init__(
        self, config: Config, rules: Rules, front: _Front, backends: Mapping[int, str]
    ) -> None:
        self.front = front
        self.notes: list[Note] = []
        self.answers: tuple[str, ...] = ()
        self._config = config
        self._rules = rules
        self._backends = backends
        self._spec: dict[str, object] = {}
        self._document = Document({})

    def document(self, name: str) -> Document | None:
        """None if nobody is left who could answer."""
        here = self._rules.groups[self.front.group]
        path, group = here[0].path, self.front.group
        self.answers = tuple(one for one in self.front.names if _NAME.fullmatch(one))[:_MOST_NAMES]
        if not self.answers:
            why = "a name with * or signs that are not allowed: list each model by itself"
            self.notes.append(
                self._config.note(Kind.REFUSED, f"{path}.model_name", f"{group}: {why}")
            )
            return None
        able = [one for one in here if one.info.get("blocked") is not True]
        if not any(one.index in self._backends for one in able):
            message = (
                f"{group}: its models could not be imported or are blocked: there is no policy"
            )
            self.notes.append(self._config.note(Kind.REFUSED, path, message))
            return None
        self._document = Document(
            {
                "apiVersion": API_VERSION,
                "kind": "RoutingPolicy",
                "metadata": {"name": name},
                "spec": self._spec,
            }
        )
        self._spec["modelNames"] = [*self.answers]
        for left in set(self.front.names) - set(self.answers):
            self._say(("spec", "modelNames"), f"left out, its signs or number: {left}")
        rules = [*self._tag_rules()]
        if rules:
            self._spec["rules"] = rules
        default = self._route((), ("spec", "default"))
        if default is None:
            message = f"{group}: nobody answers a request without a tag; the first model does here"
            self._say(("spec", "default"), message)
            first = next(one for one in able if one.index in self._backends)
            default = {"targets": [_ref(self._backends[first.index])]}
        self._spec["default"] = default
        self._about()
        return self._document

    def _say(self, path: Path, message: str) -> None:
        self._document.say(path, message)

    def _about(self) -> None:
        left = [
            one for one in self._rules.groups[self.front.group] if one.index not in self._backends
        ]
        for one in left:
            self._say(("spec", "default"), f"without {one.path}, which could not be imported")
        several = len(self._rules.groups[self.front.group]) > 1
        if (
            several
            and self._rules.strategy == CHEAPEST
            and not self._rules.priced(self.front.group)
        ):
            self._say(
                ("spec", "default"),
                f"routing_strategy {CHEAPEST}: prices that are not in the file are not known here; "
                "equal weights do",
            )
        if several and self._rules.strategy not in {SHUFFLE, CHEAPEST}:
            known = self._rules.strategy in STRATEGIES
            what = "by load, latency or use" if known else "in a way that is not known here"
            self._say(
                ("spec", "default"),
                f"routing_strategy {self._rules.strategy} chooses {what}; here equal weights do, "
                "replicas of one Service are chosen by load, and spec.predictor can choose by "
                "latency, cost and quality (docs/choosing.md)",
            )

    def _tag_rules(self) -> Iterator[dict[str, object]]:
        group = self.front.group
        if not self._rules.tagged(group):
            return
        tags = dict.fromkeys(tag for one in self._rules.groups[group] for tag in tags_of(one))
        plain: Path = ("spec", "default")
        untagged = self._route((), plain)
        self._document.forget(plain)
        names, number_of = Names(MOST_RULE), 0
        for tag in tags:
            path: Path = ("spec", "rules", number_of)
            route = self._route((tag,), path)
            if tag == DEFAULT_TAG and route == untagged:  # as without a tag
                self._document.forget(path)
                continue
            if route is None or not 0 < len(tag) <= 1024 or number_of == _MOST_RULES:
                self._say(
                    ("spec",), f"tags: no rule for a tag, nobody answers it or too many: {tag}"
                )
                continue
            header = {"name": TAGS_HEADER, "value": tag}
            yield {"name": names.take(f"tag-{tag}"), "match": {"headers": [header]}, **route}
            number_of += 1
        if number_of:
            self._say(
                ("spec", "rules"),
                f"tags: matched is the header {TAGS_HEADER} with one tag; a list of tags, and "
                "metadata.tags in a body, are not (metadata of texts is, by match.metadata)",
            )

    def _route(self, tags: tuple[str, ...], path: Path) -> dict[str, object] | None:
        levels = self._rules.levels(self.front.group, tags)
        weights = next(filter(None, map(self._weights, levels)), {})
        if not weights:
            return None
        if len(weights) > _MOST_TARGETS:
            left = [*weights][_MOST_TARGETS:]
            self._say((*path, "targets"), f"at most 16 targets; left out: {', '.join(left)}")
            weights = dict([*weights.items()][:_MOST_TARGETS])
        whole = _whole(weights)
        equal = len(set(whole.values())) == 1
        route: dict[str, object] = {
            "targets": [
                _ref(name) if equal else {**_ref(name), "weight": weight}
                for name, weight in whole.items()
            ]
        }
        chain, errors = self._chain(levels, [*weights], tags, path)
        waits = self._times(levels, {*weights, *chain}, path, goes_on=errors)
        if chain:
            when = {} if errors else {"when": ["ContextWindow"]}
            members = [{"name": name} for name in chain]
            route["fallback"] = {**when, "chain": members, "deadline": waits.request}
        route["timeouts"] = waits.spec()
        return route

    def _weights(self, level: Sequence[Deployment]) -> dict[str, float]:
        """Of one order those that are here; equal deployments have the weight of all."""
        found: dict[str, float] = {}
        for index, weight in self._rules.within(level).weights.items():
            if index in self._backends:
                name = self._backends[index]
                found[name] = found.get(name, 0.0) + weight
        return found

    def _chain(
        self, levels: list[list[Deployment]], targets: list[str], tags: Sequence[str], path: Path
    ) -> tuple[list[str], bool]:
        """
        Others of the group by order, then the groups that it falls back to.

        And whether they answer errors, not only what is too long.
        """
        own = [
            self._backends[d.index] for level in levels for d in level if d.index in self._backends
        ]
        always = self._of(self._rules.after(self.front.name), tags)
        too_long = self._of(self._rules.after(self.front.name, too_long=True), tags)
        found = [*dict.fromkeys((*own, *always, *too_long))]
        if len(targets) == 1:
            found.remove(targets[0])
        if not found:
            return [], False
        if len(found) > _MOST_CHAIN:
            left = ", ".join(found[_MOST_CHAIN:])
            self._say((*path, "fallback"), f"at most 8 in a chain; left out: {left}")
        errors = len(set(own)) > 1 or bool(always)
        if errors and set(too_long) - set(always):
            self._say(
                (*path, "fallback"),
                "fallbacks and context_window_fallbacks are one chain: what is only for long "
                "prompts is at its end, and answers errors too",
            )
        return found[:_MOST_CHAIN], errors

    def _of(self, groups: Sequence[str], tags: Sequence[str]) -> list[str]:
        found: list[str] = []
        for group in groups:
            for level in self._rules.levels(group, tags):
                found += [self._backends[d.index] for d in level if d.index in self._backends]
        return found

    def _times(
        self, levels: list[list[Deployment]], tried: Set[str], path: Path, *, goes_on: bool
    ) -> Times:
        by_name = {self._backends[one.index]: one for one in self._config.deployments
                   if self._backends.get(one.index) in tried}  # fmt: skip
        group = [one for level in levels for one in level]
        found = times(self._config, group, [*by_name.values()], goes_on=goes_on)
        for said in found.said:
            self._say((*path, "timeouts"), said)
        return found


def _ref(name: str) -> dict[str, object]:
    return {"backendRef": {"name": name}}


def _whole(weights: Mapping[str, float]) -> dict[str, int]:
    """The same shares in whole numbers: the least is 1 at least, the largest what a spec takes."""
    exact = {name: Fraction(str(weight)) for name, weight in weights.items()}
    least = min(exact.values())
    ratios = {name: (one / least).limit_denominator(1000) for name, one in exact.items()}
    shared = math.lcm(*(one.denominator for one in ratios.values()))
    counts = {name: int(one * shared) for name, one in ratios.items()}
    divisor, largest = math.gcd(*counts.values()), max(counts.values())
    if largest // divisor <= _MOST_WEIGHT:
        return {name: count // divisor for name, count in counts.items()}
    return {name: max(1, round(Fraction(count * _MOST_WEIGHT, largest)))
            for name, count in counts.items()}  # fmt: skip
