"""What is other in one spec than in another, in lines for people."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pointsman.operator.plan.objects import Json
from pointsman.operator.plan.reevaluating.moving import shares, weights_of

MOST_LINES: Final = 64
MOST_CHARS: Final = 256


def changes(before: Json, after: Json) -> list[str]:
    """By field, in the order of the fields: `default.targets[b].weight: 1 -> 3`."""
    return _short(_changes("", before, after))


def weight_changes(before: Json, after: Json) -> list[str]:
    """By rule, in percent of its requests: `default: a 100 -> 0 %, b 0 -> 100 %`."""
    return _short(_weight_changes(before, after))


def _short(lines: Iterator[str]) -> list[str]:
    found = [line if len(line) <= MOST_CHARS else f"{line[: MOST_CHARS - 3]}..." for line in lines]
    more = len(found) - MOST_LINES
    return [*found[: MOST_LINES - 1], f"and {more + 1} more"] if more > 0 else found


def _weight_changes(before: Json, after: Json) -> Iterator[str]:
    old, new = dict(_routes(before)), dict(_routes(after))
    for name, route in new.items():
        if name not in old or old[name] == route:
            continue
        was, now = (shares(weights_of(one)) for one in (old[name], route))
        moved = [
            f"{backend} {100 * was.get(backend, 0):.3g} -> {100 * now.get(backend, 0):.3g} %"
            for backend in {**was, **now}
            if was.get(backend, 0) != now.get(backend, 0)
        ]
        if moved:
            yield f"{name}: {', '.join(moved)}"
        chains = [_chain(one) for one in (old[name], route)]
        if chains[0] != chains[1]:
            yield f"{name}: fallbacks {chains[0]} -> {chains[1]}"


def _routes(spec: Json) -> Iterator[tuple[str, Json]]:
    for rule in spec.get("rules") or ():
        yield str(rule["name"]), rule
    yield "default", spec["default"]


def _chain(route: Json) -> str:
    chain = (route.get("fallback") or {}).get("chain") or ()
    return ", ".join(str(ref["name"]) for ref in chain) or "none"


def _changes(path: str, before: Any, after: Any) -> Iterator[str]:
    if before == after:
        return
    old, new = _named(before), _named(after)
    if old is None or new is None:
        yield f"{path}: {_text(before)} -> {_text(after)}"
        return
    for key in {**old, **new}:
        inner = f"{path}[{key}]" if isinstance(before, list) else f"{path}.{key}".lstrip(".")
        if key not in new:
            yield f"{inner}: {_text(old[key])} -> absent"
        elif key not in old:
            yield f"{inner}: absent -> {_text(new[key])}"
        else:
            yield from _changes(inner, old[key], new[key])


def _named(value: Any) -> Mapping[str, Any] | None:
    """A map, or a list whose members have names of their own, by name; else None."""
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        return None
    names = [
        str(one.get("name") or (one.get("backendRef") or {}).get("name") or "") for one in value
    ]
    return dict(zip(names, value, strict=True)) if len(set(names)) == len(names) else None


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
