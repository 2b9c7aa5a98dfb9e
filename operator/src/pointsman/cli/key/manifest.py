"""PURE: callers and teams in the text of a Secret's manifest, changed in place.

Guarantees that nothing but the one entry changes: other objects, comments and order stay. Refuses
a manifest that it does not understand, rather than write it anew.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import yaml

from pointsman.api.callers import CallerEntry, InvalidEntry, TeamEntry, parse_entry
from pointsman.api.names import LABEL_CALLERS

Entry = CallerEntry | TeamEntry
USUAL: Final = "pointsman-callers"
"""What the chart calls the Secret of a release `pointsman`."""
_FIELDS: Final = ("data", "stringData")
_NULL: Final = "tag:yaml.org,2002:null"
_COMMENT: Final = """\
# Callers of the router: one entry for each, in base64 (`pointsman key list FILE` shows them).
# It holds hashes, no keys. `data` and not `stringData`: kubectl would leave an entry of stringData
# in the cluster that was deleted here. To revoke a caller delete its line and apply.
"""


class Unusable(Exception):
    """The manifest cannot be changed; the text says why."""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    value: yaml.ScalarNode
    encoded: bool

    def read(self) -> Entry:
        """Raises Unusable."""
        text = self.value.value
        try:
            return parse_entry(
                base64.b64decode(text, validate=True) if self.encoded else text.encode()
            )
        except InvalidEntry as error:
            raise Unusable(f"entry {self.name}: {error}") from None
        except ValueError:
            raise Unusable(f"entry {self.name} is not base64") from None


def new(secret: str, name: str, entry: Entry, namespace: str | None = None) -> str:
    """A manifest with one caller or team."""
    metadata: dict[str, object] = {"name": secret}
    if namespace:
        metadata["namespace"] = namespace
    metadata["labels"] = {LABEL_CALLERS: "true"}
    head = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    written = _written(entry, encoded=True)
    # Quoted: a YAML reader may take 1e3 or no for something else than a name.
    return f'{_COMMENT}{yaml.safe_dump(head, sort_keys=False)}data:\n  "{name}": {written}\n'


def usual(text: str) -> str:
    """The Secret that is meant where nobody says which; raises Unusable."""
    found = [
        str(_plain(_plain(node, "metadata"), "name"))
        for node in _objects(text)
        if _plain(node, "kind") == "Secret" and _is_of_callers(node)
    ]
    return found[0] if len(found) == 1 else USUAL


def entries(text: str, secret: str) -> dict[str, CallerEntry]:
    """The callers of this Secret, by name; raises Unusable."""
    found = _read(text, secret)
    return {name: entry for name, entry in found.items() if isinstance(entry, CallerEntry)}


def teams(text: str, secret: str) -> dict[str, TeamEntry]:
    """The teams of this Secret that have limits, by the name of the entry; raises Unusable."""
    found = _read(text, secret)
    return {name: entry for name, entry in found.items() if isinstance(entry, TeamEntry)}


def _read(text: str, secret: str) -> dict[str, Entry]:
    found = _find(text, secret)
    return {entry.name: entry.read() for entry in _entries(found)} if found else {}


def put(text: str, secret: str, name: str, entry: Entry, namespace: str | None = None) -> str:
    """The text with this entry in this Secret, which is added if it is not there."""
    found = _find(text, secret)
    if found is None:
        return f"{text.rstrip()}\n---\n{new(secret, name, entry, namespace)}"
    known = next((one for one in _entries(found) if one.name == name), None)
    if known is not None:
        start, end = known.value.start_mark.index, known.value.end_mark.index
        lines_end = "\n" if text[start:end].endswith("\n") else ""
        changed = text[:start] + _written(entry, encoded=known.encoded) + lines_end + text[end:]
    else:
        changed = _added(text, found, name, entry)
    if _read(changed, secret).get(name) != entry:
        raise Unusable("the manifest is written in a way that cannot be changed here")
    return changed


def _added(text: str, secret: yaml.MappingNode, name: str, entry: Entry) -> str:
    for field, value in _pairs(secret):
        if field.value in _FIELDS and isinstance(value, yaml.MappingNode) and value.value:
            if value.flow_style:
                raise Unusable(f"write `{field.value}` with one line for each caller")
            first = value.value[0][0].start_mark
            line = f'"{name}": {_written(entry, encoded=field.value == "data")}'
            return f"{text[: first.index]}{line}\n{' ' * first.column}{text[first.index :]}"
    raise Unusable("the Secret has no entries yet: give it another name, or delete it")


def _written(entry: Entry, *, encoded: bool) -> str:
    body = msgspec.json.encode(entry)
    return base64.b64encode(body).decode() if encoded else f"'{body.decode()}'"


def _find(text: str, secret: str) -> yaml.MappingNode | None:
    for node in _objects(text):
        about = _plain(node, "metadata")
        if _plain(node, "kind") == "Secret" and _plain(about, "name") == secret:
            if not _is_of_callers(node):
                raise Unusable(f'Secret {secret} lacks the label {LABEL_CALLERS}: "true"')
            return node
    return None


def _objects(text: str) -> Iterator[yaml.MappingNode]:
    try:
        nodes = list(yaml.compose_all(text, yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError) as error:
        raise Unusable(f"it is not YAML: {getattr(error, 'problem', None) or error}") from None
    for node in nodes:
        if node.tag == _NULL:  # nothing, or comments, between two lines of ---
            continue
        if not isinstance(node, yaml.MappingNode):
            raise Unusable("it is no manifest: a part of it is no object")
        yield node


def _is_of_callers(secret: yaml.MappingNode) -> bool:
    return bool(_plain(_plain(_plain(secret, "metadata"), "labels"), LABEL_CALLERS) == "true")


def _plain(node: Any, name: str) -> Any:
    """A field: its text, or the node of a mapping; None if it is not there."""
    for field, value in _pairs(node):
        if field.value == name:
            return value.value if isinstance(value, yaml.ScalarNode) else value
    return None


def _pairs(node: object) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for field, value in node.value:
            if isinstance(field, yaml.ScalarNode):
                yield field, value


def _entries(secret: yaml.MappingNode) -> Iterator[_Entry]:
    for field, value in _pairs(secret):
        if field.value in _FIELDS:
            for name, entry in _pairs(value):
                if isinstance(entry, yaml.ScalarNode):
                    yield _Entry(name.value, entry, field.value == "data")
