"""Personal bearer tokens, for commands and programs: a file of `name role sha256hex` lines.

Guarantees that the file holds no token, that a changed file counts at the next request, and that a
file which cannot be read or has a bad line changes nothing: what was read before goes on.
"""

import hashlib
import hmac
import logging
import re
from pathlib import Path
from typing import Final

from pointsman.ledger.people.errors import BadPeople
from pointsman.ledger.people.person import Person, Role
from pointsman.ledger.people.roles import is_name

MAX_FILE_BYTES: Final = 1024 * 1024
_log = logging.getLogger(__name__)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def read_people(text: str) -> dict[bytes, Person]:
    """By digest of the token; empty lines and those that begin with # are skipped."""
    found: dict[bytes, Person] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 3 or words[1] not in list(Role) or not _DIGEST.fullmatch(words[2]):
            raise BadPeople(f"line {number} is not `name role sha256hex`")
        if not is_name(words[0]) or bytes.fromhex(words[2]) in found:
            raise BadPeople(f"line {number}: the name is too long, or the token is another's")
        found[bytes.fromhex(words[2])] = Person(words[0], Role(words[1]))
    return found


class Tokens:
    """Raises BadPeople if the file cannot be used at the start."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp = self._look()
        self._people = self._read()

    def of(self, token: str) -> Person | None:
        """Whose it is, in a time that says nothing about the others' tokens."""
        self._follow()
        given = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = None
        for digest, person in self._people.items():
            if hmac.compare_digest(digest, given):
                found = person
        return found

    def _follow(self) -> None:
        try:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                self._people = self._read()
        except BadPeople as error:
            _log.warning("people-not-read", extra={"reason": str(error)})

    def _look(self) -> tuple[int, int, int]:
        try:
            found = self._file.stat()
        except OSError as error:
            raise BadPeople(f"--people {self._file}: {error.strerror}") from None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> dict[bytes, Person]:
        try:
            with self._file.open("rb") as opened:
                text = opened.read(MAX_FILE_BYTES + 1)
            if len(text) > MAX_FILE_BYTES:
                raise BadPeople("it is larger than 1 MiB")
            return read_people(text.decode())
        except (OSError, ValueError) as error:
            raise BadPeople(f"--people {self._file}: {error}") from None
