"""PURE: an object as YAML with comments at their places."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pointsman.api.manifests.scalars import resolve

Step = str | int
Comments = dict[tuple[Step, ...], list[str]]
_WIDTH: Final = 100
_PLAIN: Final = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._/+@-]*(:[A-Za-z0-9/._-]+)*")


@dataclass(frozen=True, slots=True)
class Document:
    """One object; a comment stands before the field of its path, those of () before the object."""

    body: Mapping[str, object]
    comments: Comments = field(default_factory=dict)

    def say(self, path: tuple[Step, ...], message: str) -> None:
        """Add a comment, once."""
        found = self.comments.setdefault(path, [])
        if message not in found:
            found.append(message)

    def forget(self, path: tuple[Step, ...]) -> None:
        """Take back what was said at a path and below."""
        for at in [at for at in self.comments if at[: len(path)] == path]:
            del self.comments[at]

    def text(self) -> str:
        """As a file has it."""
        lines = [*_comment(self.comments.get((), ()), ""), *self._mapping(self.body, (), "")]
        return "\n".join(lines) + "\n"

    def _mapping(
        self, value: Mapping[str, object], path: tuple[Step, ...], indent: str
    ) -> Iterator[str]:
        for key, one in value.items():
            here = (*path, key)
            yield from _comment(self.comments.get(here, ()), indent)
            yield from self._entry(f"{indent}{_scalar(key)}:", one, here, indent)

    def _entry(
        self, head: str, value: object, path: tuple[Step, ...], indent: str
    ) -> Iterator[str]:
        inside = any(len(at) > len(path) and at[: len(path)] == path for at in self.comments)
        if not inside and (flat := _flat(value)) is not None:
            yield f"{head} {flat}"
        elif isinstance(value, Mapping):
            yield head
            yield from self._mapping(value, path, f"{indent}  ")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield head
            for i, one in enumerate(value):
                yield from self._item(one, (*path, i), f"{indent}  ")
        else:
            yield f"{head} {_scalar(value)}"

    def _item(self, value: object, path: tuple[Step, ...], indent: str) -> Iterator[str]:
        yield from _comment(self.comments.get(path, ()), indent)
        if not isinstance(value, Mapping) or _flat(value) is not None:
            yield f"{indent}- {_flat(value) or _scalar(value)}"
            return
        lines = [*self._mapping(value, path, f"{indent}  ")]
        first = next(i for i, line in enumerate(lines) if not line.lstrip().startswith("#"))
        yield from lines[:first]
        yield f"{indent}- {lines[first].lstrip()}"
        yield from lines[first + 1 :]


def _comment(lines: Sequence[str], indent: str) -> Iterator[str]:
    for line in lines:
        if line.startswith("  "):  # a command: never broken
            yield f"{indent}# {line}"
            continue
        wrapped = textwrap.wrap(line, _WIDTH - len(indent) - 2, break_long_words=False)
        yield from (f"{indent}# {one}" for one in wrapped or [""])


def _flat(value: object) -> str | None:
    """A small value in one line: `{name: x}`, `[a, b]`; None for what is larger."""
    if isinstance(value, Mapping):
        parts = {key: _flat(one) for key, one in value.items()}
        if len(parts) > 3 or None in parts.values():
            return None
        text = "{" + ", ".join(f"{_scalar(key)}: {one}" for key, one in parts.items()) + "}"
        return text if len(text) <= 60 and value else None
    if isinstance(value, Sequence) and not isinstance(value, str):
        if any(isinstance(one, Mapping | list | tuple) for one in value):
            return None
        text = "[" + ", ".join(_scalar(one) for one in value) + "]"
        return text if len(text) <= 60 else None
    return _scalar(value)


def _scalar(value: object) -> str:
    """Quoted where YAML would read something else, or where it is quoted by habit."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        plain = _PLAIN.fullmatch(value) is not None and resolve(value) == value
    except ValueError:
        plain = False
    return value if plain else json.dumps(value, ensure_ascii=False)
