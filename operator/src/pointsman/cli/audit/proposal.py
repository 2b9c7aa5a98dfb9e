"""PURE: a first policy for what traffic was seen to be, as YAML that says where each rule is from.

Guarantees text that `pointsman check` finds valid, together with the backends that it was made for
or those that it brings. Refuses to know which model is better: nothing here has measured that, so
price stands for skill, and the text says so.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
import yaml

from pointsman.api.table import Backend, Price
from pointsman.api.tasks import Complexity, Task
from pointsman.cli.audit.figures import Figures, Sums
from pointsman.cli.traffic.money import Prices

LEAST_SHARE: Final = 0.02
"""Of the requests: fewer of a kind get no rule of their own."""
LEAST_LONG: Final = 0.002
"""Of the requests, if they do not fit: an answer is at stake, not its price."""
_PLACEHOLDER: Final = "small-model"
_HARD: Final = (Task.CODING, Task.REASONING)
_READING: Final = (Task.DOCUMENT, Task.LONG_CONTEXT)
_PER_MILLION: Final = 1_000_000
_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,252}")
"""What `spec.model` may be."""
_API: Final = "apiVersion: pointsman.dev/v1alpha1"


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A backend as far as a proposal looks at it."""

    name: str
    model: str
    window: int | None = None
    price: Price | None = None
    capabilities: tuple[str, ...] | None = None
    """None: not known."""

    def mean_cost(self, sums: Sums) -> int:
        """Of all these requests, in 1e-12; 0 without a price."""
        price = self.price or Price()
        return sums.input_tokens * price.input_pico + sums.output_tokens * price.output_pico


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule; `why` are the numbers behind it."""

    name: str
    match: str
    to: Model
    why: str


def propose(figures: Figures, known: Mapping[str, Backend], prices: Prices) -> str:
    """YAML for `known` backends; without any, with two that stand in for those of today."""
    if known:
        models = _of_backends(known, figures.total)
        made: list[str] = []
    else:
        models = _of_today(figures, prices)
        made = [_backend(model, prices.currency) for model in models]
    return "\n---\n".join([*made, "\n".join(_policy(figures, models, given=bool(known)))]) + "\n"


def _of_backends(known: Mapping[str, Backend], total: Sums) -> list[Model]:
    models = [
        Model(
            name=backend.name,
            model=backend.model,
            window=backend.context_window,
            price=backend.prices[0] if backend.prices else None,
            capabilities=backend.capabilities,
        )
        for backend in known.values()
    ]
    return sorted(models, key=lambda one: (one.mean_cost(total), one.name))


def _of_today(figures: Figures, prices: Prices) -> list[Model]:
    """The two models that are asked most, the cheaper one first; or one and a smaller one."""
    asked = sorted(figures.by["model"].items(), key=lambda one: (-one[1].requests, one[0]))
    names = [name for name, _ in asked if _MODEL.fullmatch(name)]
    names = [*(names or ["large-model"]), _PLACEHOLDER]
    models: list[Model] = []
    for name in names[:2]:
        called = _object_name(name, [model.name for model in models])
        models.append(Model(name=called, model=name, price=prices.of(name)))
    strong, light = models
    dearer = light.mean_cost(figures.total) > strong.mean_cost(figures.total)
    if dearer and light.model != _PLACEHOLDER:
        return [strong, light]
    return [light, strong]


def _object_name(model: str, others: Sequence[str]) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:40].strip("-")
    name = name if name[:1].isalpha() else f"model-{name}".rstrip("-")
    return f"{name}-{len(others) + 1}" if name in others else name


def _backend(model: Model, currency: str) -> str:
    lines = [
        f"# Stands in for {model.model}: simulated, so that `pointsman up` runs it.",
        "# Put your own in its place: deployment, service or external.",
        _API,
        "kind: ModelBackend",
        f"metadata: {{name: {_name(model.name)}}}",
        "spec:",
        f"  model: {json.dumps(model.model)}",
        "  deployment: {engine: Simulator}",
    ]
    if model.price is not None:
        into, out = (
            f"{pico / _PER_MILLION:.6f}"
            for pico in (model.price.input_pico, model.price.output_pico)
        )
        lines.append("  cost:")
        lines.append(
            f'    {{inputPerMillion: "{into}", outputPerMillion: "{out}", currency: {currency}}}'
        )
    return "\n".join(lines)


def _policy(figures: Figures, models: Sequence[Model], *, given: bool) -> Iterator[str]:
    light, strong = models[0], models[-1]
    asked = ", ".join(sorted(figures.by["model"])[:8])
    yield f"# A first policy, from {_count(figures.total.requests)}. How good a model is at what"
    yield "# was not measured: the dearer one stands for the better one. Change the targets to"
    yield "# what your own ratings say, and compare with `pointsman simulate`."
    yield _API
    yield "kind: RoutingPolicy"
    yield "metadata: {name: first-policy}"
    yield "spec:"
    yield from _lacking(figures, models)
    yield f"  # Callers ask for {_comment(asked)} today; a name that is added here needs no change."
    yield "  modelNames: [auto]"
    rules = list(_rules(figures, models, light, strong)) if len(models) > 1 else []
    if rules:
        yield "  rules:"
    for rule in rules:
        yield f"    # {rule.why}"
        yield f"    - name: {rule.name}"
        yield f"      match: {rule.match}"
        yield f"      targets: [{{backendRef: {{name: {_name(rule.to.name)}}}}}]"
        yield from _fallback(rule.to, models, "      ")
    by = "the cheapest" if light.price else "the smaller one" if not given else "the first of them"
    yield f"  # What no rule takes, to {by}."
    yield "  default:"
    yield f"    targets: [{{backendRef: {{name: {_name(light.name)}}}}}]"
    yield from _fallback(light, models, "    ")


def _lacking(figures: Figures, models: Sequence[Model]) -> Iterator[str]:
    """Routers leave out who cannot; that should surprise nobody."""
    for what, capability in (("tools", "Tools"), ("images", "Vision")):
        names = [
            one.name
            for one in models
            if one.capabilities is not None and capability not in one.capabilities
        ]
        if figures.having[what] and names:
            asked = f"{_share(figures.having[what], figures)} with {what}"
            yield f"  # {asked} pass over {', '.join(sorted(names))}: without {capability}."


def _fallback(first: Model, models: Sequence[Model], indent: str) -> Iterator[str]:
    """The others, the dearest first: who takes over has to be able to."""
    chain = [model.name for model in reversed(models) if model is not first][:4]
    if chain:
        listed = ", ".join(f"{{name: {_name(name)}}}" for name in chain)
        yield f"{indent}fallback: {{chain: [{listed}]}}"


def _rules(
    figures: Figures, models: Sequence[Model], light: Model, strong: Model
) -> Iterator[Rule]:
    roomy = _roomy(models, light)
    if roomy is not None and light.window is not None:
        least = 1 << ((light.window * 3 // 4).bit_length() - 1)
        count = figures.at_least(least)
        if count >= max(1, LEAST_LONG * figures.total.requests):
            yield Rule(
                name="long", match=f"{{contextTokens: {{min: {least}}}}}", to=roomy,
                why=f"{_share(count, figures)} of {least:,} prompt tokens or more; "
                f"{light.name} takes {light.window:,} with the answer.",
            )  # fmt: skip
    reader = roomy or strong
    for name, tasks, to in (
        ("documents", _READING, reader), ("hard", _HARD, strong),
        ("translation", (Task.MULTILINGUAL,), strong),
    ):  # fmt: skip
        sums = [figures.by["task"].get(str(task), Sums()) for task in tasks]
        count = sum(one.requests for one in sums)
        if count >= max(1, LEAST_SHARE * figures.total.requests):
            yield Rule(
                name=name, match=f"{{task: [{', '.join(tasks)}]}}", to=to,
                why=f"{_share(count, figures)} of {' or '.join(tasks)}"
                f"{_weight(sums, figures)}.",
            )  # fmt: skip
    complex_ = figures.by["complexity"].get(Complexity.COMPLEX, Sums())
    if complex_.requests >= max(1, LEAST_SHARE * figures.total.requests):
        yield Rule(
            name="complex", match=f"{{complexity: [{Complexity.COMPLEX}]}}", to=strong,
            why=f"{_share(complex_.requests, figures)} ask much of a model, whatever their task"
            f"{_weight([complex_], figures)}.",
        )  # fmt: skip
    others = {
        language: sums
        for language, sums in figures.by["language"].items()
        if language not in ("en", "und") and re.fullmatch(r"[a-z]{2,3}", language)
    }
    count = sum(one.requests for one in others.values())
    if count >= max(1, LEAST_SHARE * figures.total.requests):
        listed = sorted(sorted(others, key=lambda one: -others[one].requests)[:64])
        yield Rule(
            name="other-languages", match=f"{{language: {json.dumps(listed)}}}", to=strong,
            why=f"{_share(count, figures)} in other languages than English"
            f"{_weight(list(others.values()), figures)}.",
        )  # fmt: skip


def _roomy(models: Sequence[Model], light: Model) -> Model | None:
    """The cheapest that takes at least twice as much as the light one."""
    if light.window is None:
        return None
    return next((one for one in models if (one.window or 0) >= 2 * light.window), None)


def _share(count: int, figures: Figures) -> str:
    return f"{_count(count)} ({count / max(1, figures.total.requests):.1%})"


def _count(requests: int) -> str:
    return f"{requests:,} {'request' if requests == 1 else 'requests'}"


def _weight(sums: Sequence[Sums], figures: Figures) -> str:
    cost, total = sum(one.cost_nano for one in sums), figures.total.cost_nano
    tokens, of = sum(one.input_tokens for one in sums), max(1, figures.total.input_tokens)
    paid = f" and {cost / total:.1%} of the cost" if total else ""
    return f", {tokens / of:.1%} of the prompt tokens{paid}"


def _name(name: str) -> str:
    """Quoted where YAML would read something else: `no`, `1e3`."""
    return name if yaml.safe_load(name) == name else json.dumps(name)


def _comment(text: str) -> str:
    """Names that callers chose, in a comment of one line."""
    return re.sub(r"[^\x21-\x7e ]", "?", text)[:200] or "no model"
