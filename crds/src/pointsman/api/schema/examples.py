"""An example of each object of a kind, out of the numbered examples: the first that has it.

Pure, but for reading the files. What none of them has is in parts.yaml.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import yaml

FOLDER: Final = "crds/examples"
PARTS: Final = Path(__file__).with_name("parts.yaml")
# Lines of an example of one object; a larger one is only linked to.
_MOST_LINES: Final = 24

Value: TypeAlias = "Mapping[str, Value] | Sequence[Value] | str | int | float | bool | None"


def documents(repository: Path) -> list[tuple[str, Value]]:
    """Path in the repository and object, in the order of the examples' numbers; parts.yaml last."""
    files = sorted((repository / FOLDER).glob("[0-9]*/*.yaml"))
    return [
        ("" if file == PARTS else file.relative_to(repository).as_posix(), one)
        for file in [*files, PARTS]
        for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        if one
    ]


def example(kind: str, path: str, among: Sequence[tuple[str, Value]]) -> tuple[str, str] | None:
    """The file ("" is parts.yaml) and YAML of the first of a `kind` with `path`, so much of it.

    `path` is as on the pages: `spec.rules[].match`. What is too long gives the file alone.
    """
    for file, one in among:
        if isinstance(one, Mapping) and one.get("kind") == kind:
            found = _only(one, path.split("."))
            if found is not None:
                text = yaml.safe_dump(
                    found, sort_keys=False, default_flow_style=None, width=100, allow_unicode=True
                )
                return file, text if text.count("\n") <= _MOST_LINES else ""
    return None


def _only(value: Value, path: Sequence[str]) -> Value:
    """`value` without what is beside the path; of a list the first element that has the rest."""
    if not path:
        return value
    name, many = path[0].removesuffix("[]"), path[0].endswith("[]")
    if not isinstance(value, Mapping) or name not in value:
        return None
    inner = value[name]
    if many:
        kept = [_only(one, path[1:]) for one in inner] if isinstance(inner, list) else []
        rest: Value = [one for one in kept if one is not None][:1] or None
    else:
        rest = _only(inner, path[1:])
    return None if rest is None else {name: rest}
