"""PURE: who may answer in LiteLLM, by its documented rules.

Sources: LiteLLM's docs (routing: weights, order; proxy/reliability: fallbacks; proxy/tag_routing)
and its Router, version 1.110.2, beside which a test runs this (tests/cli/migration). Without
memory: cooldowns, latencies and counts of a minute are what nobody knows offline.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.cli.migration.reading import Config, Deployment
from pointsman.cli.migration.variables import in_variable

DEFAULT_TAG: Final = "default"
MOST_DEEP: Final = 5
"""ROUTER_MAX_FALLBACKS: a fallback's fallback and so on, up to here."""
SHUFFLE: Final = "simple-shuffle"
CHEAPEST: Final = "cost-based-routing"
STRATEGIES: Final = (
    SHUFFLE, CHEAPEST, "least-busy", "latency-based-routing", "usage-based-routing",
    "usage-based-routing-v2", "lar1",
)  # fmt: skip
FALLBACKS: Final = ("fallbacks", "context_window_fallbacks")


def number(value: object) -> float | None:
    """As LiteLLM reads a number: `3e-6` is a text in YAML 1.1, and meant."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if 0 <= found < 1e18 else None


def texts(value: object) -> tuple[str, ...]:
    """Of a list, or of one text; none of what is in a variable."""
    listed = value if isinstance(value, list) else [] if in_variable(value) else [value]
    return tuple(one for one in listed if isinstance(one, str))


@dataclass(frozen=True, slots=True)
class First:
    """Who may be asked first, by index in model_list, with weights."""

    weights: Mapping[int, float]
    exact: bool
    """False: the shares depend on what happened before."""


class Rules:
    """Of one config."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.groups: dict[str, list[Deployment]] = {}
        for one in config.deployments:
            self.groups.setdefault(one.group, []).append(one)
        self.aliases = dict(_aliases(config))
        named = config.routing("routing_strategy")
        self.strategy = named if isinstance(named, str) else SHUFFLE

    def group_of(self, model: str) -> str | None:
        """The group that answers to a name; None if there is none."""
        found = self.aliases.get(model, model)
        return found if found in self.groups else None

    def tagged(self, group: str) -> bool:
        """Whether tags choose among its deployments."""
        own = (one.info.get("enable_tag_filtering") for one in self.groups[group])
        return self._config.router.get("enable_tag_filtering") is True or True in own

    def levels(self, group: str, tags: Sequence[str] = ()) -> list[list[Deployment]]:
        """Its deployments in the order of trying; those of a level share the requests."""
        able = [one for one in self.groups[group] if one.info.get("blocked") is not True]
        able = self._by_tags(group, able, tags)
        by_order: dict[float, list[Deployment]] = {}
        for one in able:
            order = number(one.params.get("order"))
            by_order.setdefault(-1 if order is None else order, []).append(one)
        if len(by_order) > 1:
            by_order.pop(-1, None)  # where some have an order, the others are never asked
        return [by_order[order] for order in sorted(by_order)]

    def first(self, group: str, tags: Sequence[str] = ()) -> First:
        """Who may be asked first; nobody if no tag fits."""
        levels = self.levels(group, tags)
        return self.within(levels[0]) if levels else First({}, exact=True)

    def within(self, level: Sequence[Deployment]) -> First:
        """Shares of one level."""
        if len(level) > 1 and self.strategy == CHEAPEST:
            prices = {one.index: _price(one) for one in level}
            least = min((one for one in prices.values() if one is not None), default=None)
            if None not in prices.values():
                return First({i: 1.0 for i, one in prices.items() if one == least}, exact=True)
        exact = self.strategy == SHUFFLE or len(level) == 1
        for metric in ("weight", "rpm", "tpm") if exact else ():
            found = {one.index: number(one.params.get(metric)) or 0.0 for one in level}
            if any(found.values()):
                return First({i: one for i, one in found.items() if one}, exact=True)
        return First({one.index: 1.0 for one in level}, exact=exact)

    def priced(self, group: str) -> bool:
        """Whether every price of its deployments is in the file."""
        return all(_price(one) is not None for one in self.groups[group])

    def hidden(self, alias: str) -> bool:
        """Whether LiteLLM answers to it without naming it."""
        found = self._config.router.get("model_group_alias")
        value = found.get(alias) if isinstance(found, dict) else None
        return isinstance(value, dict) and value.get("hidden") is True

    def after(self, model: str, *, too_long: bool = False) -> list[str]:
        """The groups that are tried after its own, in order; `too_long`: for the context window."""
        own = self.group_of(model)
        found = [] if own is None else [own]
        self._follow(model, too_long=too_long, found=found, deep=1)
        return found[1:] if own is not None else found

    def _follow(self, model: str, *, too_long: bool, found: list[str], deep: int) -> None:
        if deep > self._most_deep():
            return
        lists = FALLBACKS[::-1] if too_long else FALLBACKS[:1]
        for kind in lists:
            for target in self.listed(kind, model):
                group = self.group_of(target) or self.group_of_id(target)
                if group is not None and group not in found:
                    found.append(group)
                    self._follow(target, too_long=too_long, found=found, deep=deep + 1)

    def _most_deep(self) -> int:
        most = number(self._config.router.get("max_fallbacks"))
        return MOST_DEEP if most is None else int(most)

    def has_own(self, kind: str, model: str) -> bool:
        """Whether a list of fallbacks names it."""
        return any(key == model for key, _ in pairs(self._config.routing(kind)))

    def listed(self, kind: str, model: str) -> tuple[str, ...]:
        """What one list says of a model: by its name, its group's, or `*`."""
        said = dict(reversed([*pairs(self._config.routing(kind))]))
        default = texts(self._config.routing("default_fallbacks") or [])
        if kind == "fallbacks" and default:
            said.setdefault("*", default)
        for name in (model, self.group_of(model), "*"):
            if name in said:
                return said[name]
        return ()

    def group_of_id(self, name: str) -> str | None:
        """The group of the deployment with this id; None if there is none."""
        found = (one for one in self._config.deployments if str(one.info.get("id")) == name)
        return next((one.group for one in found if one.info.get("id") is not None), None)

    def _by_tags(self, group: str, able: list[Deployment], tags: Sequence[str]) -> list[Deployment]:
        if not self.tagged(group):
            return able
        every = self._config.router.get("tag_filtering_match_any") is False
        default = [one for one in able if DEFAULT_TAG in tags_of(one)]
        if not tags:
            return default or able
        fits = [
            one
            for one in able
            if (set(tags) <= set(tags_of(one)) if every else set(tags) & set(tags_of(one)))
        ]
        return fits or default


def tags_of(one: Deployment) -> tuple[str, ...]:
    """Of a deployment."""
    return texts(one.params.get("tags") or [])


def pairs(value: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A list of fallbacks, `[{a: [b, c]}]`, as (a, (b, c))."""
    for entry in value if isinstance(value, list) else ():
        for key, targets in entry.items() if isinstance(entry, dict) else ():
            listed = targets if isinstance(targets, list) else [targets]
            named = (one.get("model") if isinstance(one, dict) else one for one in listed)
            yield str(key), tuple(one for one in named if isinstance(one, str))


def changing(value: object) -> set[str]:
    """The models of a list of fallbacks one of whose targets says more than a name."""
    found = set()
    for entry in value if isinstance(value, list) else ():
        for key, targets in entry.items() if isinstance(entry, dict) else ():
            listed = targets if isinstance(targets, list) else [targets]
            if any(isinstance(one, dict) and set(one) - {"model"} for one in listed):
                found.add(str(key))
    return found


def _aliases(config: Config) -> Iterator[tuple[str, str]]:
    found = config.router.get("model_group_alias")
    for alias, value in found.items() if isinstance(found, dict) else ():
        target = value.get("model") if isinstance(value, dict) else value
        if isinstance(target, str):
            yield str(alias), target


def _price(one: Deployment) -> float | None:
    prices = [number(one.either(f"{way}_cost_per_token")) for way in ("input", "output")]
    return None if None in prices else sum(price or 0.0 for price in prices)
