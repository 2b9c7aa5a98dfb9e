"""What may follow on the command line: one a line, then `:4` for "no files", `:0` for files.

The form is Cobra's, which kubectl reads from the program `kubectl_complete-pointsman`. Names are
asked of the API server within 3 s; whatever goes wrong there completes nothing.
"""

import argparse
import contextlib
import itertools
import subprocess
from collections.abc import Sequence
from typing import Any, Final

from pointsman.api import names
from pointsman.cli.rollout.kubectl import Failed, Kubectl

NO_FILES: Final = 4
FILES: Final = 0
_PLURALS: Final = {
    "rollout": names.PLURALS[names.ROUTING_POLICY],
    "approve": names.PLURALS[names.ROUTING_POLICY],
    "adopt": names.PLURALS[names.ROUTING_POLICY],
}
"""Commands whose first word is the name of an object."""
_OF_CLUSTER: Final = ("-n", "--namespace", "--context", "--kubeconfig")
_TIMEOUT: Final = "--request-timeout=3s"


def candidates(parser: argparse.ArgumentParser, words: Sequence[str]) -> tuple[list[str], int]:
    """The last word is the one that is being written; what fits it, and the directive."""
    *before, current = words or [""]
    command, path, before = _command(parser, list(before))
    subs = _subparsers(command)
    if subs is not None and not current.startswith("-"):
        known = [name for name in subs.choices if not name.startswith("_")]
        return ([] if before else _fitting(current, known)), NO_FILES
    flag = before[-1] if before else ""
    action = _flag(command, flag)
    if action is not None and _takes_value(action):
        return _values(action, flag, before, current)
    if current.startswith("-"):
        if "=" in current:
            name, _, value = current.partition("=")
            action = _flag(command, name)
            found = _fitting(value, map(str, (action.choices if action else None) or ()))
            return [f"{name}={one}" for one in found], NO_FILES if found else FILES
        flags = [one for act in command._actions for one in act.option_strings]
        return _fitting(current, sorted(flags)), NO_FILES
    return _positional(command, path, before, current)


def _command(
    parser: argparse.ArgumentParser, before: list[str]
) -> tuple[argparse.ArgumentParser, list[str], list[str]]:
    """The innermost command that is written out, its path, and the words behind it."""
    path: list[str] = []
    while (subs := _subparsers(parser)) is not None and before and before[0] in subs.choices:
        path.append(before[0])
        parser = subs.choices[before[0]]
        before = before[1:]
    return parser, path, before


def _subparsers(
    parser: argparse.ArgumentParser,
) -> "argparse._SubParsersAction[argparse.ArgumentParser] | None":
    actions: list[Any] = parser._actions
    return next((one for one in actions if isinstance(one, argparse._SubParsersAction)), None)


def _flag(parser: argparse.ArgumentParser, word: str) -> argparse.Action | None:
    return next((one for one in parser._actions if word and word in one.option_strings), None)


def _takes_value(action: argparse.Action) -> bool:
    return action.nargs != 0


def _values(
    action: argparse.Action, flag: str, before: Sequence[str], current: str
) -> tuple[list[str], int]:
    if action.choices is not None:
        return _fitting(current, map(str, action.choices)), NO_FILES
    if flag in {"-n", "--namespace"}:
        return _fitting(current, _names(before, "namespaces")), NO_FILES
    if flag == "--context":
        return _fitting(current, _contexts()), NO_FILES
    is_file = action.metavar in {"FILE", "PATH", "DIR", "FILE|URL", "FILE|LEDGER", "TRAFFIC.jsonl"}
    return [], FILES if is_file or flag == "--kubeconfig" else NO_FILES


def _positional(
    command: argparse.ArgumentParser, path: Sequence[str], before: Sequence[str], current: str
) -> tuple[list[str], int]:
    taken = [one for one in command._actions if not one.option_strings]
    if not taken:
        return [], NO_FILES
    if taken[0].choices is not None:
        return _fitting(current, map(str, taken[0].choices)), NO_FILES
    plural = _PLURALS.get(path[0]) if path else None
    if plural is not None:
        return _fitting(current, _names(before, f"{plural}.{names.GROUP}")), NO_FILES
    is_file = str(taken[0].metavar) in {"PATH", "FILE", "CONFIG.yaml"}
    return [], FILES if is_file else NO_FILES


def _names(before: Sequence[str], kind: str) -> list[str]:
    """Of objects, with the flags of the cluster that were written before."""
    flags = [
        word
        for flag, value in itertools.pairwise(before)
        if flag in _OF_CLUSTER and not (kind == "namespaces" and flag in {"-n", "--namespace"})
        for word in (flag, value)
    ]
    with contextlib.suppress(Failed):
        told = Kubectl(flags).run("get", kind, "-o", "name", _TIMEOUT)
        return [line.partition("/")[2] for line in told.splitlines()]
    return []


def _contexts() -> list[str]:
    with contextlib.suppress(Failed, OSError, subprocess.SubprocessError):
        return Kubectl().run("config", "get-contexts", "-o", "name").split()
    return []


def _fitting(current: str, known: Any) -> list[str]:
    return [str(one) for one in known if str(one).startswith(current)]
