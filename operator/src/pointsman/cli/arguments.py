"""Reading the command line: one line for what is wrong with it, what was meant, exit status 2.

argparse answers with a usage text of several lines and knows no near names. Flags are taken in full
only: an abbreviation would change its meaning with the next flag.
"""

import argparse
import contextlib
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from pointsman.api.spelling import did_you_mean


class Parser(argparse.ArgumentParser):
    """A command, or one that has commands; those are Parsers too."""

    def __init__(self, prog: str, **options: Any) -> None:
        self._flags: list[str] = []
        self._valued: set[str] = set()
        self._commands: argparse._SubParsersAction[Any] | None = None
        super().__init__(prog, allow_abbrev=False, **options)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """As argparse's; the names are remembered."""
        action = super().add_argument(*names, **options)
        self._flags += [name for name in action.option_strings if name.startswith("--")]
        if action.nargs is None:
            self._valued.update(action.option_strings)
        return action

    def add_subparsers(self, **options: Any) -> "argparse._SubParsersAction[Any]":
        """As argparse's; the commands are remembered."""
        self._commands = super().add_subparsers(**options)
        return self._commands

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Ends the process with 2 at a command or a flag that there is not."""
        given = sys.argv[1:] if args is None else list(args)
        for word in given:
            if not _is_text(word):
                self.error(f"{word!r} is not UTF-8")
        if self._commands is not None:
            self._known_command(given)
        else:
            given = self._joined(given)
            self._known_flags(given)
        found, unknown = super().parse_known_args(given, namespace)
        if unknown:
            self.error(f"unexpected: {' '.join(unknown)}")
        return found, []

    def _joined(self, given: list[str]) -> list[str]:
        """As `--flag=value` what has a space in it and begins like a flag: no flag has one."""
        found: list[str] = []
        for number, word in enumerate(given):
            if word == "--":
                return found + given[number:]
            is_text = word.startswith("-") and any(map(str.isspace, word))
            if is_text and found and found[-1] in self._valued:
                found[-1] += f"={word}"
            else:
                found.append(word)
        return found

    def _known_flags(self, given: Sequence[str]) -> None:
        """Before argparse looks: it would first miss the flag that was meant."""
        for word in given[: given.index("--")] if "--" in given else given:
            flag, _, _ = word.partition("=")
            if flag.startswith("--") and flag not in self._flags:
                self.error(f"no flag {flag}{did_you_mean(flag, self._flags)}")

    def _known_command(self, given: Sequence[str]) -> None:
        assert self._commands is not None
        known = list(self._commands.choices)
        if not given:
            self.error(f"a command is needed: {', '.join(known)}")
        if given[0].startswith("-"):
            self._known_flags(given[:1])
        elif given[0] not in known:
            hint = did_you_mean(given[0], known) or f"; there are: {', '.join(known)}"
            self.error(f"no command {given[0]}{hint}")

    def error(self, message: str) -> NoReturn:
        """One line, and where the rest is told."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _is_text(word: str) -> bool:
    """Python takes what it cannot decode for halves of surrogate pairs, which nobody can print."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


class Version(argparse.Action):
    """Prints the installed version and ends; looked up only then, because it takes a while."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"pointsman {version('pointsman')}")
        parser.exit()


def port(text: str) -> int:
    """A TCP port, 0 for a free one."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535, 0 takes a free one")
    return int(text)


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def factor(text: str) -> float:
    """A finite number over 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number over 0")
    return number


def is_url(text: str) -> bool:
    """Whether it is http or https, has a host and no port that cannot be, and ends with a path."""
    try:
        parts = urlsplit(text)
        whole = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:  # a port that is no number, half an IPv6 address
        return False
    plain = text.isprintable() and not any(mark in text for mark in " ?#")
    return parts.scheme in {"http", "https"} and whole and plain


def some_path(text: str) -> str:
    """A path, or - for standard input."""
    if not text:
        raise argparse.ArgumentTypeError("a path must not be empty")
    return text


def watchable(text: str) -> Path:
    """A file or folder; what can be read only once cannot be watched."""
    path, once = Path(some_path(text)), text == "-"
    with contextlib.suppress(OSError):  # whoever reads it says why it cannot be looked at
        once = once or (path.exists() and not path.is_file() and not path.is_dir())
    if once:
        name = "standard input" if text == "-" else text
        raise argparse.ArgumentTypeError(f"{name} cannot be watched; give a file or a folder")
    return path
