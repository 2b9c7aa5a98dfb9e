"""Sessions as signed cookies, and the tokens of their forms: nothing is kept on this side.

Guarantees that a cookie which was changed, is too old or was signed by another key is no session.
A session names a person only if OpenID Connect signed them in; of others it is what forms are bound
to, for their identity comes anew with each request.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from pointsman.ledger.people.errors import BadPeople
from pointsman.ledger.people.person import Person, Role

_T = TypeVar("_T", bound=msgspec.Struct)
MAX_COOKIE: Final = 2048
_LEAST_KEY: Final = 16


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser shows with each request."""

    id: str
    until_s: int
    """Unix time."""
    name: str = ""
    role: Role = Role.VIEWER

    @property
    def person(self) -> Person | None:
        """Whom it signs in."""
        return Person(self.name, self.role) if self.name else None


@dataclass(frozen=True, slots=True)
class Sealing:
    """Signs and opens; each purpose has a key of its own."""

    key: bytes
    life_s: int

    def begin(self, now_s: int, person: Person | None = None) -> Session:
        """A new session, with an id that cannot be guessed."""
        known = person or Person("", Role.VIEWER)
        return Session(
            id=secrets.token_urlsafe(18),
            until_s=now_s + self.life_s,
            name=known.name,
            role=known.role,
        )

    def seal(self, value: msgspec.Struct, purpose: str = "session") -> str:
        """As a cookie's value."""
        body = base64.urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=").decode()
        return f"{body}.{self._sign(purpose, body)}"

    def session(self, cookie: str, now_s: int) -> Session | None:
        """None: there is none, or it is over."""
        found = self.unseal(cookie, Session)
        return found if found is not None and now_s < found.until_s else None

    def unseal(self, cookie: str, kind: type[_T], purpose: str = "session") -> _T | None:
        """What was sealed for this purpose; None for anything else."""
        body, _, signature = cookie.partition(".")
        given = signature.encode("utf-8", "replace")  # a header may hold any bytes
        good = hmac.compare_digest(given, self._sign(purpose, body).encode())
        if not good or len(cookie) > MAX_COOKIE:
            return None
        try:
            raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            return msgspec.json.decode(raw, type=kind)
        except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def form_token(self, session: Session, person: Person) -> str:
        """What this person's forms carry in this session."""
        return self._sign("form", f"{session.id}\0{person.name}")

    def is_form_token(self, token: str, session: Session, person: Person) -> bool:
        """In a time that says nothing about the right one."""
        wanted = self.form_token(session, person)
        return hmac.compare_digest(token.encode("utf-8", "replace"), wanted.encode())

    def _sign(self, purpose: str, text: str) -> str:
        words = f"{purpose}\0{text}".encode("utf-8", "replace")
        return hmac.new(self.key, words, hashlib.sha256).hexdigest()


def sealing(key_file: Path | None, life_s: int) -> Sealing:
    """With the file's key, else one of this process. BadPeople for a file that is none."""
    if key_file is None:
        return Sealing(secrets.token_bytes(32), life_s)
    try:
        key = key_file.read_bytes().strip()
    except OSError as error:
        raise BadPeople(f"--session-key-file {key_file}: {error.strerror}") from None
    if len(key) < _LEAST_KEY:
        raise BadPeople(f"--session-key-file {key_file} has less than {_LEAST_KEY} bytes")
    return Sealing(hashlib.sha256(key).digest(), life_s)
