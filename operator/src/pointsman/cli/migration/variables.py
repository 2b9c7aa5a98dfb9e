"""PURE: values that stand in variables of the environment, as `os.environ/NAME`.

URLs and the names of models and providers are read there: they are no secrets. A key never is. All
else is not read: it would be another value wherever it is imported; what is not read is told.
"""

import re
from typing import Final

_PREFIX: Final = "os.environ/"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_READ: Final = ("model", "api_base", "base_url", "custom_llm_provider", "api_key")
NO_VARIABLE: Final = (
    "what follows os.environ/ is no name of a variable: put the key itself into the Secret"
)


def in_variable(value: object) -> bool:
    """Whether LiteLLM takes it from the environment: of a key's own value, never of a list's."""
    return isinstance(value, str) and value.startswith(_PREFIX)


def variable(value: str) -> str | None:
    """The variable's name; None for what is none, and may be a secret."""
    name = value.removeprefix(_PREFIX)
    return name if _NAME.fullmatch(name) else None


def unread(key: str, value: object) -> str:
    """What is to be said of a value that is not read; empty for any other."""
    if key in _READ or not isinstance(value, str) or not in_variable(value):
        return ""
    named = variable(value)
    where = f"the variable {named}" if named else "a variable"
    return f"its value is in {where}, which is not read: write it here, and import again"
