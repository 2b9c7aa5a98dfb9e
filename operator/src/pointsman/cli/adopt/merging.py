"""PURE: targets and fallbacks of rules, put into the text that they come from.

Guarantees that all else of the text stays as it is: comments, order, other documents, indentation.
Refuses what it cannot change in place, and a text that says something else than what was applied.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from pointsman.api.names import ROUTING_POLICY

Json = Mapping[str, Any]


class CannotMerge(Exception):
    """Why the text stays as it is."""


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


def merged(text: str, name: str, declared: Json, learned: Json, why: Sequence[str]) -> str:
    """
    The text with the rules that differ; `why` becomes a comment before the policy.

    `declared` is the spec that was applied, `learned` the one that shall be.
    """
    root = _document(text, name)
    spec = _at(root, "spec")
    edits = [_comment(text, root, why)] if why and not root.flow_style else []
    for rule, before, after in _changed(declared, learned):
        route = _route(spec, rule)
        targets = _list(route, rule, "targets", before["targets"])
        edits += _replaced(text, targets, after["targets"])
        chains = [(one.get("fallback") or {}).get("chain") for one in (before, after)]
        if chains[0] != chains[1]:
            chain = _list(_at(route, "fallback"), rule, "chain", chains[0])
            edits += _replaced(text, chain, chains[1] or ())
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def spec_of(text: str, name: str) -> Any:
    """What a text says of the policy; its other documents may hold anything."""
    return yaml.SafeLoader("").construct_object(_at(_document(text, name), "spec"), deep=True)


def _changed(declared: Json, learned: Json) -> Iterator[tuple[str, Json, Json]]:
    before = {str(rule["name"]): rule for rule in declared.get("rules") or ()}
    for rule in learned.get("rules") or ():
        name = str(rule["name"])
        if name in before and before[name] != rule:
            yield name, before[name], rule
    if declared["default"] != learned["default"]:
        yield "default", declared["default"], learned["default"]


def _document(text: str, name: str) -> yaml.MappingNode:
    try:
        roots = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError) as error:
        raise CannotMerge(f"it is no YAML: {str(error).splitlines()[0]}") from None
    for root in roots:
        if isinstance(root, yaml.MappingNode) and _text(root, "kind") == ROUTING_POLICY:
            about = _find(root, "metadata")
            if isinstance(about, yaml.MappingNode) and _text(about, "name") == name:
                return root
    raise CannotMerge(f"there is no {ROUTING_POLICY} {name} in it")


def _find(node: yaml.MappingNode, key: str) -> yaml.Node | None:
    return next((value for one, value in node.value if one.value == key), None)


def _text(node: yaml.MappingNode, key: str) -> str:
    found = _find(node, key)
    return str(found.value) if isinstance(found, yaml.ScalarNode) else ""


def _at(node: yaml.MappingNode, key: str) -> yaml.MappingNode:
    found = _find(node, key)
    if not isinstance(found, yaml.MappingNode):
        raise CannotMerge(f"it has no {key} where the cluster has one")
    return found


def _route(spec: yaml.MappingNode, rule: str) -> yaml.MappingNode:
    if rule == "default":
        return _at(spec, "default")
    rules = _find(spec, "rules")
    for one in rules.value if isinstance(rules, yaml.SequenceNode) else ():
        if isinstance(one, yaml.MappingNode) and _text(one, "name") == rule:
            return one
    raise CannotMerge(f"it has no rule {rule}, and the cluster has one")


def _list(node: yaml.MappingNode, rule: str, key: str, applied: Any) -> yaml.SequenceNode:
    """The list as the text has it, which has to be what was applied."""
    name = next((one for one, _ in node.value if one.value == key), None)
    value = _find(node, key)
    if name is None or not isinstance(value, yaml.SequenceNode):
        raise CannotMerge(f"it has no {key} in {rule}, and the cluster has some")
    if value.start_mark.index < name.end_mark.index:
        raise CannotMerge(f"{key} of {rule} is an alias: write it out first")
    if _plain(yaml.SafeLoader("").construct_object(value, deep=True)) != _plain(applied):
        raise CannotMerge(f"{key} of {rule} are not those that are applied: apply it first")
    return value


def _replaced(text: str, value: yaml.SequenceNode, after: Sequence[Json]) -> Iterator[_Edit]:
    """Other weights of who is there, and who is new behind them."""
    behind: dict[int, str] = {}
    for node, wanted in zip(value.value, after, strict=False):
        yield from _weighed(text, node, wanted, behind)
    for member in after[len(value.value) :]:
        _append(text, value, member, behind)
    for position, more in behind.items():
        yield _Edit(position, position, more)


def _plain(members: Any) -> list[Any]:
    """Targets without what goes without saying."""
    return [
        {key: value for key, value in one.items() if (key, value) != ("weight", 1)}
        for one in members
    ]


def _weighed(
    text: str, node: yaml.MappingNode, wanted: Json, behind: dict[int, str]
) -> Iterator[_Edit]:
    if "weight" not in wanted:
        return
    there, weight = _find(node, "weight"), str(wanted["weight"])
    if there is not None:
        yield _Edit(there.start_mark.index, there.end_mark.index, weight)
    elif node.flow_style:
        yield _Edit(node.end_mark.index - 1, node.end_mark.index - 1, f", weight: {weight}")
    else:
        position = _line_end(text, _end(node))
        line = f"\n{' ' * node.start_mark.column}weight: {weight}"
        behind[position] = behind.get(position, "") + line


def _append(text: str, node: yaml.SequenceNode, member: Json, behind: dict[int, str]) -> None:
    if node.flow_style:
        position = node.end_mark.index - 1
        more = f", {_flow(member)}"
    else:
        position, indent = _line_end(text, _end(node)), " " * node.start_mark.column
        lines = [f"{key}: {_flow(value)}" for key, value in member.items()]
        shown = [_flow(member)] if node.value[-1].flow_style else lines
        more = f"\n{indent}- " + f"\n{indent}  ".join(shown)
    behind[position] = behind.get(position, "") + more


def _line_end(text: str, position: int) -> int:
    """Behind the comment of the line, if it has one."""
    found = text.find("\n", position)
    return len(text) if found < 0 else found


def _end(node: yaml.Node) -> int:
    """Where its last character is: a block's own end is where the next one begins."""
    if isinstance(node, yaml.ScalarNode) or getattr(node, "flow_style", False):
        return int(node.end_mark.index)
    inner = [part for one in node.value for part in (one if isinstance(one, tuple) else (one,))]
    return max(map(_end, inner), default=int(node.start_mark.index))


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_flow(one)}' for key, one in value.items())}}}"
    if isinstance(value, str):
        return value if yaml.safe_load(value) == value else json.dumps(value)
    return json.dumps(value)


def _comment(text: str, root: yaml.MappingNode, why: Sequence[str]) -> _Edit:
    """Before the line that the policy begins in."""
    begin = text.rfind("\n", 0, root.start_mark.index) + 1
    indent = " " * root.start_mark.column
    return _Edit(begin, begin, "".join(f"{indent}# {line}\n" for line in why))
