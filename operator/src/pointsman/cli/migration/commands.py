"""`pointsman import litellm`: reads one file and writes ours; with --check it only compares.

| exit status |                                                                              |
| 0           | written; compared, and every difference is explained                         |
| 1           | it cannot be imported; --strict and something is unknown or was refused;     |
|             | --check and a difference is not explained                                    |
| 2           | wrong usage                                                                  |
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pointsman.api.text import Unreadable, text_of
from pointsman.cli.migration.comparing import Comparison, Judge, as_text
from pointsman.cli.migration.conversion import Imported, imported
from pointsman.cli.migration.policies import TAGS_HEADER
from pointsman.cli.migration.reading import BadConfig, Kind
from pointsman.cli.migration.rules import Rules, tags_of
from pointsman.cli.policies import Unusable, compiled, compiled_of
from pointsman.cli.traffic.reading import Traffic
from pointsman.cli.traffic.seen import Seen, seen_of_line
from pointsman.cli.writing import write_whole

_TOLD: Final = (Kind.UNKNOWN, Kind.REFUSED)
_MOST_SAMPLE_TOKENS: Final = 200_000


class BadFlags(Exception):
    """Flags that mean nothing together."""


class CannotWrite(Exception):
    """Why nothing was written."""


def import_(options: argparse.Namespace) -> int:
    """See the table above."""
    try:
        _usable(options)
        made = _made(options.config)
        if options.check is None:
            return _write(options, made)
        return _check(options, made)
    except BadFlags as error:
        print(f"pointsman import: {error}", file=sys.stderr)
        return 2
    except (BadConfig, CannotWrite, Unusable) as error:
        name = "standard input" if options.config == "-" else options.config
        for line in str(error).splitlines():
            print(f"pointsman import: {name}: {line}", file=sys.stderr)
        return 1


def _usable(options: argparse.Namespace) -> None:
    if options.paths and options.check is None:
        raise BadFlags("-f is of --check")
    if options.check is not None and options.output_dir is not None:
        raise BadFlags("--check writes nothing: leave out -o")
    if options.force and options.output_dir is None:
        raise BadFlags("--force is of -o")


def _made(config: str) -> Imported:
    try:
        text = text_of(config)
    except Unreadable as error:
        where = f"line {error.line}: " if error.line else ""
        raise BadConfig(f"{where}{error}") from None
    made = imported(text, os.environ)
    if errors := made.errors():
        told = "\n".join(errors)
        raise BadConfig(f"what was made of it is not valid, and that is our fault:\n{told}")
    return made


def _write(options: argparse.Namespace, made: Imported) -> int:
    told = [note for note in made.notes if note.kind in _TOLD]
    if options.output_dir is None:
        print(made.text(), end="")
    elif not made.empty:
        _into(options.output_dir, made.files(), force=options.force)
    for note in told:
        print(f"{note.kind}: {note}", file=sys.stderr)
    if made.empty:
        print("pointsman import: none of its models could be imported", file=sys.stderr)
        return 1
    print(_summary(made), file=sys.stderr)
    return 1 if options.strict and told else 0


def _into(folder: Path, files: Mapping[str, str], *, force: bool) -> None:
    """All or none of what is there is replaced."""
    try:
        there = [str(folder / name) for name in files if (folder / name).exists()]
        if there and not force:
            raise CannotWrite(f"{', '.join(there)} is there already (--force replaces it)")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_whole(folder / name, text.encode())
            print(folder / name)
    except OSError as error:
        raise CannotWrite(f"{error.filename}: {error.strerror}") from None


def _summary(made: Imported) -> str:
    secrets = len(made.backends.keys.documents())
    parts = [
        f"{len(made.backends.documents)} ModelBackends",
        f"{len(made.policies.documents)} RoutingPolicies",
        f"{secrets} Secrets that need a value",
    ]
    left = sum(note.kind not in _TOLD for note in made.notes)
    return f"{', '.join(parts)}; {left} settings have no counterpart: see the comments"


def _check(options: argparse.Namespace, made: Imported) -> int:
    if not made.policies.documents and not options.paths:
        raise BadConfig("none of its models could be imported: there is nothing to compare")
    table = compiled(options.paths) if options.paths else compiled_of(made.loaded())
    judge, found, traffic = Judge(made, table), Comparison(), Traffic()
    requests = traffic.of_files([options.check]) if options.check else samples(made)
    for seen in requests:
        found.add(judge.judge(seen))
    for line in traffic.told():
        print(line, file=sys.stderr)
    if not found.by_group:
        raise BadConfig(f"no request in {options.check}")
    print(as_text(found), end="")
    wrong = [note for note in made.notes if note.kind in _TOLD] if options.strict else []
    return 1 if found.unexplained or wrong else 0


def samples(made: Imported) -> Iterator[Seen]:
    """A plain request of each model, one for each tag, one with tools, one longer than a window."""
    rules = Rules(made.config)
    windows = [_window(document.body["spec"]) for document in made.backends.documents.values()]
    lengths = sorted({n for n in windows if n and n <= _MOST_SAMPLE_TOKENS})
    for model in (*rules.groups, *rules.aliases):
        group = rules.group_of(model)
        yield _sample(model)
        yield _sample(model, tools=True)
        tags = {tag for one in rules.groups.get(group or "", ()) for tag in tags_of(one)}
        for tag in sorted(tags):
            yield _sample(model, tag=tag)
        for length in lengths:
            yield _sample(model, words=2 * length)


def _window(spec: object) -> int | None:
    found = spec.get("contextWindow") if isinstance(spec, dict) else None
    return found if isinstance(found, int) else None


def _sample(model: str, *, tag: str = "", words: int = 3, tools: bool = False) -> Seen:
    text = "the model " * (words // 2) + "?"
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": text}]}
    if tools:
        function = {"name": "look", "parameters": {"type": "object"}}
        body["tools"] = [{"type": "function", "function": function}]
    headers = {TAGS_HEADER: tag} if tag else {}
    return seen_of_line(json.dumps({"request": body, "headers": headers}).encode())
