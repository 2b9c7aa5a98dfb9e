"""YAML or JSON text -> JSON values and the line of every node.

Reads events instead of building the parser's tree, so that depth, size and aliases are bounded
before anything is expanded. Refuses duplicate keys, tabs, unknown tags and more than one value.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from pointsman.api.manifests.finding import Location
from pointsman.api.manifests.scalars import key_text, resolve

MAX_DEPTH: Final = 100
MAX_ALIASED_NODES: Final = 10_000
"""Nodes that aliases may add to one document: what stands between a bomb and the memory."""

_TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = {f"{_TAG}{name}" for name in ("str", "map", "seq", "int", "float", "bool", "null")}
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BadDocument(Exception):
    """The text is no usable document; `line` is the file's, counted from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(slots=True)
class Document:
    """One value and the line of every node in it."""

    value: Any
    lines: dict[Location, int]


@dataclass(slots=True)
class _Node:
    line: int
    value: Any
    """A scalar, a list of nodes, or a list of (key node, node)."""
    kind: str
    plain: bool = False
    size: int = 1


@dataclass(slots=True)
class _Frame:
    node: _Node
    anchor: str | None
    key: _Node | None = None


def split(text: str) -> Iterator[tuple[int, str]]:
    """Documents of a file as (lines before it, text), cut at `---` as kubectl does."""
    start = lines_before = 0
    for match in re.finditer(r"^---(?=[ \t\r]|$)", text, re.MULTILINE):
        part = text[start : match.start()]
        if part.strip():
            yield lines_before, part
        lines_before += part.count("\n")
        start = match.start()
    yield lines_before, text[start:]


def read(text: str, lines_before: int = 0) -> Document | None:
    """The one value of a text, None if it holds none; raises BadDocument."""
    if text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # JSON may be indented with tabs, and has none in strings
    try:
        root = _tree(yaml.parse(text, Loader=_Loader), lines_before)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = lines_before + (mark.line + 1 if mark else 1)
        raise BadDocument(line, _yaml_problem(text, error)) from error
    except yaml.reader.ReaderError as error:
        found = chr(error.character) if isinstance(error.character, int) else error.character
        line = lines_before + text[: max(0, text.find(found))].count("\n") + 1
        raise BadDocument(line, f"not YAML: a control character, U+{ord(found):04X}") from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise BadDocument(lines_before + 1, f"not YAML: {' '.join(str(error).split())}") from error
    if root is None or (root.kind == "scalar" and root.plain and root.value == ""):
        return None
    lines: dict[Location, int] = {}
    return Document(_plain(root, (), lines), lines)


def _yaml_problem(text: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    lines = text.split("\n")
    if mark is not None and mark.line < len(lines):
        line = lines[mark.line]
        if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in str(error.problem):
            return "not YAML: a tab cannot indent; use spaces"
    return f"not YAML: {error.problem or error.context}"


@dataclass(slots=True)
class _Builder:
    """A tree of nodes from a stream of events, on an explicit stack."""

    lines_before: int
    root: _Node | None = None
    stack: list[_Frame] = field(default_factory=list)
    anchors: dict[str, _Node] = field(default_factory=dict)
    aliased: int = 0

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1 + self.lines_before
        match event:
            case yaml.AliasEvent():
                self._add(self._alias(event.anchor, line))
            case yaml.ScalarEvent():
                node = _scalar(event, line)
                if event.anchor:
                    self.anchors[event.anchor] = node
                self._add(node)
            case yaml.CollectionStartEvent():
                self._open(event, line)
            case yaml.CollectionEndEvent():
                frame = self.stack.pop()
                if frame.anchor:
                    self.anchors[frame.anchor] = frame.node
                self._add(frame.node)

    def _alias(self, name: str | None, line: int) -> _Node:
        node = self.anchors.get(name or "")
        if node is None:
            raise BadDocument(line, f"alias *{name} is not defined before")
        self.aliased += node.size
        if self.aliased > MAX_ALIASED_NODES:
            raise BadDocument(line, f"aliases add more than {MAX_ALIASED_NODES:,} nodes")
        return node

    def _open(self, event: Any, line: int) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise BadDocument(line, f"nested deeper than {MAX_DEPTH}")
        _known_tag(event, line)
        kind = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
        self.stack.append(_Frame(_Node(line, [], kind), event.anchor))

    def _add(self, node: _Node) -> None:
        if not self.stack:
            if self.root is not None:
                raise BadDocument(node.line, "a second value in one document")
            self.root = node
            return
        frame = self.stack[-1]
        frame.node.size += node.size
        if frame.node.kind == "list":
            frame.node.value.append(node)
        elif frame.key is None:
            frame.key = node
        else:
            frame.node.value.append((frame.key, node))
            frame.key = None


def _tree(events: Iterator[Any], lines_before: int) -> _Node | None:
    builder = _Builder(lines_before)
    for event in events:
        builder.take(event)
    return builder.root


def _known_tag(event: Any, line: int) -> None:
    if event.tag not in (None, "!") and event.tag not in _KNOWN_TAGS:
        raise BadDocument(line, f"tag {event.tag} is not supported")


def _scalar(event: yaml.ScalarEvent, line: int) -> _Node:
    _known_tag(event, line)
    plain = bool(event.implicit[0]) or event.tag not in (None, "!", f"{_TAG}str")
    return _Node(line, event.value, "scalar", plain=plain)


def _value(node: _Node) -> Any:
    try:
        return resolve(node.value) if node.plain else node.value
    except ValueError as error:
        raise BadDocument(node.line, str(error)) from error


def _plain(node: _Node, place: Location, lines: dict[Location, int]) -> Any:
    lines[place] = node.line
    if node.kind == "scalar":
        return _value(node)
    if node.kind == "list":
        return [_plain(child, (*place, i), lines) for i, child in enumerate(node.value)]
    result: dict[str, Any] = {}
    for key, (line, child) in _pairs(node).items():
        result[key] = _plain(child, (*place, key), lines)
        lines[*place, key] = line
    return result


def _pairs(node: _Node) -> dict[str, tuple[int, _Node]]:
    """Keys with their line and value; `<<` adds what is not there."""
    own: dict[str, tuple[int, _Node]] = {}
    merged: dict[str, tuple[int, _Node]] = {}
    for key_node, child in node.value:
        if key_node.kind != "scalar":
            raise BadDocument(key_node.line, "a key must be a scalar")
        if key_node.plain and key_node.value == "<<":
            merged = _merge(child) | merged
            continue
        try:
            key = key_text(_value(key_node))
        except ValueError as error:
            raise BadDocument(key_node.line, str(error)) from error
        if key in own:
            raise BadDocument(key_node.line, f'key "{key}" is already set in line {own[key][0]}')
        own[key] = (key_node.line, child)
    return merged | own


def _merge(node: _Node) -> dict[str, tuple[int, _Node]]:
    sources = node.value if node.kind == "list" else [node]
    result: dict[str, tuple[int, _Node]] = {}
    for source in reversed(sources):
        if source.kind != "map":
            raise BadDocument(source.line, "<< takes a mapping, or a list of mappings")
        result |= _pairs(source)
    return result
