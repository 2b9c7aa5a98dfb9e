"""`pointsman key create | retire | list | hash`.

Guarantees that a key is printed once and kept nowhere: files get its hash. With `--into` the key
alone is on stdout, so that a script can take it; without, the manifest is, and the key on stderr.
"""

import argparse
import secrets
import sys
from pathlib import Path

import msgspec

from pointsman.api.callers import (
    EVERY_POLICY,
    KEY_PREFIX,
    MAX_KEY_BYTES,
    MAX_KEYS,
    MIN_KEY_BYTES,
    CallerEntry,
    InvalidEntry,
    hash_of,
    is_name,
    parse_entry,
)
from pointsman.cli.key import manifest

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
            case "list":
                _list(options)
            case _:
                _hash()
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except (_Wrong, manifest.Unusable) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _create(options: argparse.Namespace) -> None:
    name, secret = options.name, options.secret
    if not is_name(name):
        raise _Wrong(f"{name!r} is no name for a caller: letters, digits, '-', '_' and '.'")
    made = KEY_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    into: Path | None = options.into
    text = into.read_text() if into and into.exists() else ""
    known = manifest.entries(text, secret).get(name)
    entry = _entry(options, known, hash_of(made.encode()))
    if text:
        text = manifest.put(text, secret, name, entry, options.namespace)
    else:
        text = manifest.new(secret, name, entry, options.namespace)
    if into is None:
        print(text, end="")
        print(f"The key of {name}, shown only now: {made}", file=sys.stderr)
        print("The manifest holds this caller alone; --into FILE keeps others.", file=sys.stderr)
        return
    into.write_text(text)
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
    return _checked(CallerEntry(keys=keys, team=team, policies=policies, expires_at=expires))


def _checked(entry: CallerEntry) -> CallerEntry:
    """By the rules of the router that will read it."""
    try:
        return parse_entry(msgspec.json.encode(entry))
    except InvalidEntry as error:
        raise _Wrong(str(error)) from None


def _retire(options: argparse.Namespace) -> None:
    into: Path = options.into
    text = into.read_text()
    known = manifest.entries(text, options.secret).get(options.name)
    if known is None:
        raise _Wrong(f"{into}: Secret {options.secret} has no caller {options.name}")
    left = msgspec.structs.replace(known, keys=known.keys[-1:])
    into.write_text(manifest.put(text, options.secret, options.name, left))
    print(f"{options.name} has its newest key left, {len(known.keys) - 1} are retired")


def _list(options: argparse.Namespace) -> None:
    found = manifest.entries(options.file.read_text(), options.secret)
    for name, entry in sorted(found.items()):
        until = f", until {entry.expires_at.isoformat()}" if entry.expires_at else ""
        print(
            f"{name}: team {entry.team or '-'}, policies {', '.join(entry.policies) or 'none'}, "
            f"keys {len(entry.keys)}{until}"
        )


def _hash() -> None:
    found = sys.stdin.buffer.readline(MAX_KEY_BYTES + 2).strip()
    if not MIN_KEY_BYTES <= len(found) <= MAX_KEY_BYTES:
        raise _Wrong(
            f"a key has {MIN_KEY_BYTES} to {MAX_KEY_BYTES} random characters: its hash has no salt"
        )
    if not all(0x21 <= byte <= 0x7E for byte in found):
        raise _Wrong("a key has no spaces and no characters beyond ASCII")
    print(hash_of(found))
