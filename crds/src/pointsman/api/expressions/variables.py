"""What an expression may look at."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Kind = Literal["string", "int", "double", "bool", "map"]
"""CEL's types; a map is of strings to strings."""


class Variable(NamedTuple):
    """One name; `needs_text` if somebody has to read the prompt for it."""

    kind: Kind
    needs_text: bool
    meaning: str


VARIABLES: Final[Mapping[str, Variable]] = {
    "request.task": Variable("string", True, "as in `match.task`; empty if it could not be told"),
    "request.complexity": Variable("string", True, "as in `match.complexity`"),
    "request.domain": Variable("string", True, "as in `match.domain`"),
    "request.language": Variable("string", True, "as in `match.language`; `und` if unknown"),
    "request.confidence": Variable("double", True, "of the task, 0.0 to 1.0"),
    "request.contextTokens": Variable("int", True, "estimated tokens of the prompt"),
    "request.maxOutputTokens": Variable("int", False, "what the request allows; 0 if it does not"),
    "request.turns": Variable("int", True, "messages of the user, the last one included"),
    "request.tools": Variable("bool", False, "the request offers tools"),
    "request.images": Variable("bool", True, "a message holds an image"),
    "request.jsonMode": Variable("bool", True, "the answer has to be JSON"),
    "request.headers": Variable("map", False, "by name in lower case"),
    "request.metadata": Variable("map", False, "of the body; only texts"),
    "request.caller": Variable("string", False, "who calls, by its key; empty if open to all"),
    "request.team": Variable("string", False, "its team; empty if it has none"),
}
NEEDS_TEXT: Final = frozenset(name for name, one in VARIABLES.items() if one.needs_text)
