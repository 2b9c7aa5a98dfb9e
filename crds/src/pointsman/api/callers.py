"""One caller of a router, or one team, as an entry of a Secret: what it may use, and how much.

Guarantees that an entry means one thing (unknown fields, other hashes, a time without a zone are
refused) and that no text of an error quotes a value: somebody may have put a key where its hash
belongs.
"""

import hashlib
import re
from datetime import datetime
from typing import Annotated, Final

import msgspec

from pointsman.api.dataclass import DataClass

KEY_PREFIX: Final = "pmk-"
"""Begins the keys that `pointsman key create` makes, so that a secret scanner can find them."""
MIN_KEY_BYTES: Final = 32
"""A hash without a salt protects only what nobody can guess: 32 random characters are enough."""
MAX_KEY_BYTES: Final = 512
"""What a router hashes for a stranger; the keys of `pointsman key create` have 47 bytes."""
MAX_ENTRY_BYTES: Final = 16 * 1024
MAX_KEYS: Final = 16
"""Of one caller at a time; a rotation needs two."""
EVERY_POLICY: Final = "*"

_HASH: Final = "sha256:"
_LABEL: Final = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z"
_POLICY: Final = r"^(\*|[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)\Z"
_NAME: Final = re.compile(r"(?!\.\.?\Z)[-._A-Za-z0-9]{1,253}")
_SHOWN_FIELD: Final = re.compile(r"unknown field `([A-Za-z]{1,32})`")

KeyHash = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
Team = Annotated[str, msgspec.Meta(pattern=_LABEL)]
PolicyName = Annotated[str, msgspec.Meta(pattern=_POLICY)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10**9)]


class InvalidEntry(ValueError):
    """An entry that is nobody; the text says why and holds nothing of it."""


class Limits(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"
):
    """What a caller or a team may take of the routers together; None is without a limit."""

    rpm: Count | None = None
    """Requests a minute."""
    tpm: Count | None = None
    """Tokens a minute, of prompts and answers."""
    max_concurrent_requests: Count | None = None
    """Requests in work at once."""

    def __post_init__(self) -> None:
        """Limits that limit nothing are a mistake."""
        if self.rpm is None and self.tpm is None and self.max_concurrent_requests is None:
            raise ValueError("must have rpm, tpm or maxConcurrentRequests")


class CallerEntry(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"
):
    """The value; the caller's name is the key of the Secret's entry."""

    keys: Annotated[tuple[KeyHash, ...], msgspec.Meta(min_length=1, max_length=MAX_KEYS)]
    """`sha256:` and the hexadecimal hash of each key; two while one is being replaced."""
    team: Team = ""
    """Who answers for it: a label of metrics."""
    policies: Annotated[tuple[PolicyName, ...], msgspec.Meta(max_length=256)] = (EVERY_POLICY,)
    """RoutingPolicies that it may use; `*` is all of them, an empty list is none."""
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    """From then on its keys are refused."""
    limits: Limits | None = None
    """Of this caller alone; those of its team count as well."""
    data_class: DataClass = DataClass.PUBLIC
    """The class that its requests have at least, whatever they say."""

    @property
    def digests(self) -> frozenset[bytes]:
        """The hashes as bytes."""
        return frozenset(bytes.fromhex(key.removeprefix(_HASH)) for key in self.keys)


class TeamEntry(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename="camel",
    tag_field="kind",
    tag="Team",
):
    """The limits that the callers of a team share; the entry's name says nothing."""

    team: Annotated[str, msgspec.Meta(pattern=_LABEL, min_length=1)]
    limits: Limits


class _Kind(msgspec.Struct):
    kind: str = "Caller"


def is_name(name: str) -> bool:
    """True for what the API server takes as the key of a Secret's entry."""
    return _NAME.fullmatch(name) is not None


def digest_of(key: bytes) -> bytes:
    """
    SHA-256, without salt and fast on purpose.

    Keys are random and long, so nobody can try them out; a slow hash would only slow every request.
    """
    return hashlib.sha256(key).digest()


def hash_of(key: bytes) -> str:
    """As it is written in an entry."""
    return _HASH + digest_of(key).hex()


def parse_entry(value: bytes) -> CallerEntry | TeamEntry:
    """From JSON, a team's if its `kind` is Team; raises InvalidEntry."""
    if len(value) > MAX_ENTRY_BYTES:
        raise InvalidEntry(f"it has more than {MAX_ENTRY_BYTES:,} bytes")
    try:
        if msgspec.json.decode(value, type=_Kind).kind == "Team":
            return msgspec.json.decode(value, type=TeamEntry)
        return msgspec.json.decode(value, type=CallerEntry)
    except msgspec.ValidationError as error:
        raise InvalidEntry(_said(str(error))) from None
    except (msgspec.DecodeError, RecursionError):
        raise InvalidEntry("it is not JSON") from None


def _said(text: str) -> str:
    """msgspec's words, without a name of a field that could be something else."""
    if "unknown field" in text and not _SHOWN_FIELD.search(text):
        return "it has an unknown field"
    if "matching regex" in text:
        place = text.rpartition("`$")[2].rstrip("`").lstrip(".")
        what = "sha256: and 64 hexadecimal digits" if place.startswith("keys") else "a plain name"
        return f"{place} must be {what}"
    return text.replace("`$.", "`").replace(" - at `$`", "")
