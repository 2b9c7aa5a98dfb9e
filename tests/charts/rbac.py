"""What the operator's sources ask of the API server, read from their syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

from pointsman.operator.cluster import kinds
from pointsman.operator.controllers.keys import WATCHED

SOURCES = Path(kinds.__file__).parent.parent
VERBS = {
    "list_all": {"list"},
    "list_metadata": {"list"},
    "get": {"get"},
    "create": {"create"},
    "replace": {"update"},
    "apply": {"create", "patch"},
    "delete": {"delete"},
}
VARIABLES = {"controllers/backends.py": ["DEPLOYMENT", "SERVICE", "POD_DISRUPTION_BUDGET"]}
"""Files where the kind is a variable, and what it stands for."""

Right = tuple[str, str, str]
"""(group, resource, verb)."""


def right(kind: kinds.Kind, verb: str, part: str = "") -> Right:
    group = kind.api_version.rpartition("/")[0]
    return group, kind.plural + part, verb


def kinds_of(node: ast.expr, file: str) -> list[kinds.Kind]:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    variable = name == "kind" or isinstance(node, ast.Subscript)
    names = [name] if name.isupper() else VARIABLES.get(file, []) if variable else []
    return [getattr(kinds, one) for one in names if hasattr(kinds, one)]


def calls(file: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and node.args:
            yield node


def rights_of_code() -> set[Right]:
    """Every verb on every resource that some line of the operator uses."""
    found: set[Right] = set()
    for file in sorted(SOURCES.rglob("*.py")):
        path = str(file.relative_to(SOURCES))
        if path == "cluster/client.py":
            continue
        for call in calls(file):
            called = call.func
            if isinstance(called, ast.Attribute) and called.attr in VERBS:
                # What the API server says of its kinds everybody may read.
                for kind in set(kinds_of(call.args[0], path)) - {kinds.DOCUMENT}:
                    found |= {right(kind, verb) for verb in VERBS[called.attr]}
            if isinstance(called, ast.Name) and called.id == "write_status":
                found |= {right(kind, "patch", "/status") for kind in kinds_of(call.args[1], path)}
    for _, plural, _ in WATCHED:
        kind = next(k for k in vars(kinds).values() if getattr(k, "plural", "") == plural)
        found |= {right(kind, verb) for verb in ("list", "watch")}
    return found
