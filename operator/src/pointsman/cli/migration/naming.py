"""PURE: names of objects out of names that people gave, each another one."""

import re
from typing import Final

MOST_BACKEND: Final = 57
MOST_POLICY: Final = 52
MOST_RULE: Final = 63
MOST_SECRET: Final = 63


class Names:
    """Of one kind; remembers what it gave."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._given: set[str] = set()

    def take(self, wanted: str) -> str:
        """Lower case, a-z, 0-9 and -, from a letter on; a number behind it if it is taken."""
        plain = re.sub(r"[^a-z0-9]+", "-", wanted.lower()).strip("-") or "model"
        plain = plain if plain[0].isalpha() else f"m-{plain}"
        name, number = plain[: self._most].rstrip("-"), 1
        while name in self._given:
            number += 1
            end = f"-{number}"
            name = plain[: self._most - len(end)].rstrip("-") + end
        self._given.add(name)
        return name
