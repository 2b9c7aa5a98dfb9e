"""`pointsman key create | retire | limit | list | hash`.

Guarantees that a key is printed once and kept nowhere: files get its hash. With `--into` the key
alone is on stdout, so that a script can take it; without, the manifest is, and the key on stderr.
"""

import argparse
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from pointsman.api.callers import (
    EVERY_POLICY,
    KEY_PREFIX,
    MAX_KEY_BYTES,
    MAX_KEYS,
    MIN_KEY_BYTES,
    CallerEntry,
    InvalidEntry,
    Limits,
    TeamEntry,
    hash_of,
    is_name,
    parse_entry,
)
from pointsman.api.dataclass import DataClass
from pointsman.api.text import Unreadable, standard_input, text_of
from pointsman.cli.key import manifest
from pointsman.cli.writing import write_whole

_E = TypeVar("_E", CallerEntry, TeamEntry)
_RANDOM_BYTES = 32
"""256 bits: 43 characters."""


class _Wrong(Exception):
    """What was asked for cannot be done."""


def key(options: argparse.Namespace) -> int:
    """0 done, 1 with one line that says why not."""
    try:
        match options.action:
            case "create":
                _create(options)
            case "retire":
                _retire(options)
            case "limit":
                _limit(options)
            case "list":
                _list(options)
            case _:
                _hash()
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except (_Wrong, manifest.Unusable) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _text(file: Path) -> str:
    try:
        return text_of(file)
    except Unreadable as error:
        line = f":{error.line}" if error.line else ""
        raise _Wrong(f"{file}{line}: {error}") from None


def _create(options: argparse.Namespace) -> None:
    name = options.name
    if not is_name(name):
        raise _Wrong(f"{name!r} is no name for a caller: letters, digits, '-', '_' and '.'")
    made = KEY_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    into: Path | None = options.into
    text = _text(into) if into and into.exists() else ""
    secret = options.secret or manifest.usual(text)
    known = manifest.entries(text, secret).get(name)
    entry = _entry(options, known, hash_of(made.encode()))
    if entry.expires_at is not None and entry.expires_at <= datetime.now(UTC):
        raise _Wrong(
            f"the keys of {name} end at {entry.expires_at.isoformat()}, which is past: "
            "no router would take them; --expires-at says another time"
        )
    if text:
        text = manifest.put(text, secret, name, entry, options.namespace)
    else:
        text = manifest.new(secret, name, entry, options.namespace)
    if into is None:
        print(text, end="")
        print(f"The key of {name}, shown only now: {made}", file=sys.stderr)
        print("The manifest holds this caller alone; --into FILE keeps others.", file=sys.stderr)
        return
    write_whole(into, text.encode())
    print(made)
    print(f"That is the key of {name}, shown only now; {into} has its hash.", file=sys.stderr)
    if known is not None:
        print(
            f"{name} has {len(entry.keys)} keys. When the old ones are used no more: "
            f"pointsman key retire {name} --into {into}",
            file=sys.stderr,
        )


def _entry(options: argparse.Namespace, known: CallerEntry | None, hashed: str) -> CallerEntry:
    """What the options say; what they leave out stays as it was."""
    policies = tuple(options.policy or (known.policies if known else (EVERY_POLICY,)))
    keys = (*(known.keys if known else ()), hashed)
    if len(keys) > MAX_KEYS:
        raise _Wrong(f"{options.name} has {MAX_KEYS} keys: retire the old ones first")
    expires = options.expires_at or (known.expires_at if known else None)
    team = options.team if options.team is not None else (known.team if known else "")
    limits = _limits(options, known.limits if known else None)
    least = options.data_class or (known.data_class if known else DataClass.PUBLIC)
    return _checked(
        CallerEntry(
            keys=keys, team=team, policies=policies, expires_at=expires, limits=limits,
            data_class=DataClass(least),
        )
    )  # fmt: skip


def _limits(options: argparse.Namespace, known: Limits | None) -> Limits | None:
    """What the options say; what they leave out stays as it was."""
    said = {name: getattr(options, name) for name in Limits.__struct_fields__}
    left = (
        {name: getattr(known, name) if n is None else n for name, n in said.items()}
        if known
        else said
    )
    return Limits(**left) if any(number is not None for number in left.values()) else None


def _checked(entry: _E) -> _E:
    """By the rules of the router that will read it."""
    try:
        parse_entry(msgspec.json.encode(entry))
    except InvalidEntry as error:
        raise _Wrong(str(error)) from None
    return entry


def _retire(options: argparse.Namespace) -> None:
    into: Path = options.into
    text = _text(into)
    secret = options.secret or manifest.usual(text)
    known = manifest.entries(text, secret).get(options.name)
    if known is None:
        raise _Wrong(f"{into}: Secret {secret} has no caller {options.name}")
    left = msgspec.structs.replace(known, keys=known.keys[-1:])
    text = manifest.put(text, secret, options.name, left)
    write_whole(into, text.encode())
    print(f"{options.name} has its newest key left, {len(known.keys) - 1} are retired")


def _limit(options: argparse.Namespace) -> None:
    """Exactly what the options say: without one a caller has no limits any more."""
    into: Path = options.into
    text, limits = _text(into), _limits(options, None)
    secret = options.secret or manifest.usual(text)
    if options.team:
        entry, changed = _team_entry(options, manifest.teams(text, secret), limits)
        if entry in manifest.entries(text, secret):
            raise _Wrong(f"{into}: {entry} is the name of a caller")
        text = manifest.put(text, secret, entry, changed)
    else:
        known = manifest.entries(text, secret).get(options.name)
        if known is None:
            raise _Wrong(f"{into}: Secret {secret} has no caller {options.name}")
        caller = _checked(msgspec.structs.replace(known, limits=limits))
        text = manifest.put(text, secret, options.name, caller)
    write_whole(into, text.encode())
    print(f"{'team ' if options.team else ''}{options.name}: {_told(limits) or 'no limits'}")


def _team_entry(
    options: argparse.Namespace, known: dict[str, TeamEntry], limits: Limits | None
) -> tuple[str, TeamEntry]:
    team = options.name
    found = [name for name, entry in known.items() if entry.team == team]
    if limits is None:
        raise _Wrong(f"say a limit; to take those of a team away delete its entry, team.{team}")
    return (found or [f"team.{team}"])[0], _checked(TeamEntry(team=team, limits=limits))


def _told(limits: Limits | None) -> str:
    said = msgspec.to_builtins(limits) if limits is not None else {}
    return ", ".join(f"{name} {number}" for name, number in said.items())


def _list(options: argparse.Namespace) -> None:
    text = _text(options.file)
    secret = options.secret or manifest.usual(text)
    for entry in sorted(manifest.teams(text, secret).values(), key=lambda one: one.team):
        print(f"team {entry.team}: {_told(entry.limits)}")
    found = manifest.entries(text, secret)
    if not found:
        print(
            f"{options.file}: Secret {secret} has no caller; --secret names another",
            file=sys.stderr,
        )
    for name, caller in sorted(found.items()):
        more = f", until {caller.expires_at.isoformat()}" if caller.expires_at else ""
        more += f", {_told(caller.limits)}" if caller.limits else ""
        if caller.data_class is not DataClass.PUBLIC:
            more += f", data class {caller.data_class}"
        print(
            f"{name}: team {caller.team or '-'}, policies {', '.join(caller.policies) or 'none'}, "
            f"keys {len(caller.keys)}{more}"
        )


def _hash() -> None:
    found = standard_input().readline(MAX_KEY_BYTES + 2).strip()
    if not MIN_KEY_BYTES <= len(found) <= MAX_KEY_BYTES:
        raise _Wrong(
            f"a key has {MIN_KEY_BYTES} to {MAX_KEY_BYTES} random characters: its hash has no salt"
        )
    if not all(0x21 <= byte <= 0x7E for byte in found):
        raise _Wrong("a key has no spaces and no characters beyond ASCII")
    print(hash_of(found))
