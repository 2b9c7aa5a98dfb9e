"""The code blocks of a page, and how each is proven.

The words after a block's language say how: `local` runs on this machine, `cluster` on a real
control plane, `background` (local only) runs until the page ends, `not-run: why` is not run. YAML
needs no word: it is checked. A `console` block shows commands behind `$ ` and what they answer.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
FENCE: Final = re.compile(
    r"^(?P<indent> *)(?P<mark>`{3,}|~{3,})(?P<info>[^\n`]*)\n(?P<body>.*?)^ *(?P=mark) *$",
    re.MULTILINE | re.DOTALL,
)
HOWS: Final = ("local", "local background", "cluster")


@dataclass(frozen=True, slots=True)
class Snippet:
    """One fenced block; `line` is that of its first line."""

    page: Path
    line: int
    language: str
    how: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def proven(self) -> bool:
        """Whether something says how this block is proven, or why it is not."""
        if self.language in {"sh", "console"} and self.how in HOWS:
            return True
        if self.language == "yaml" and not self.how:
            return "pointsman.dev/" in self.text and "kind:" in self.text
        return re.fullmatch(r"not-run: \S.{9,}", self.how) is not None

    def commands(self) -> Iterator[tuple[str, str | None]]:
        """Each command and the answer that the page shows; None where it shows none."""
        if self.language != "console":
            yield self.text, None
            return
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, shown = _command(part)
            yield command, shown


def _command(part: str) -> tuple[str, str]:
    """A command goes on after a backslash and until its quotes are closed; the rest is shown."""
    lines = part.splitlines()
    for length in range(1, len(lines) + 1):
        command = "\n".join(lines[:length])
        if not command.endswith("\\") and command.count("'") % 2 == 0:
            return command, "\n".join(lines[length:])
    raise ValueError(f"a command that does not end: {part}")


def pages() -> list[Path]:
    """Every page of the repository, also one that nobody has linked yet."""
    return sorted(
        path
        for path in ROOT.rglob("*.md")
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
        and "node_modules" not in path.parts
    )


def snippets(page: Path) -> list[Snippet]:
    """The page's blocks in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Snippet(
            page=page,
            line=text.count("\n", 0, found.start()) + 2,
            language=found["info"].strip().partition(" ")[0],
            how=found["info"].strip().partition(" ")[2].strip(),
            text=found["body"],
        )
        for found in FENCE.finditer(text)
    ]


def indented_code(page: Path) -> list[int]:
    """Lines that are code because they are indented: a test would not see them."""
    text = FENCE.sub(lambda found: "\n" * found[0].count("\n"), page.read_text(encoding="utf-8"))
    lines = ["", *text.splitlines()]
    found = []
    for number in range(1, len(lines)):
        after_blank = not lines[number - 1].strip()
        item_before = next((one for one in reversed(lines[:number]) if one.strip()), "").lstrip()
        in_list = re.match(r"([-*]|\d+\.) ", item_before) is not None
        if lines[number].startswith("    ") and after_blank and not in_list:
            found.append(number)
    return found


def answers(shown: str, said: str) -> bool:
    """Whether an answer is what the page shows; `...` is anything, a gap of columns any gap."""
    pattern = ".*".join(
        r" {2,}".join(map(re.escape, re.split(r" {2,}", part)))
        for part in shown.strip().split("...")
    )
    return re.fullmatch(pattern, said.replace("\r", "").strip(), re.DOTALL) is not None
