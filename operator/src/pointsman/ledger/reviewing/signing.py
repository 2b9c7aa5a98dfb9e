"""PURE: what a webhook is told, signed so that its receiver knows the ledger and no replay.

The signature is over the time and the body, and the body names the delivery: whoever repeats what
he has overheard can change neither. `Receiver` is what a receiver checks.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

import msgspec

TIMESTAMP: Final = "x-pointsman-timestamp"
SIGNATURE: Final = "x-pointsman-signature"
DELIVERY: Final = "x-pointsman-delivery"
WINDOW_S: Final = 300
"""A signature that is older, or of the future, counts no more; clocks differ by seconds."""
MIN_KEY_BYTES: Final = 16


class Refused(Exception):
    """The text says why; the receiver answers 4xx."""


def signature(key: bytes, timestamp: str, body: bytes) -> str:
    """`v1=` and HMAC-SHA-256 in hex of the timestamp, a dot, and the body."""
    return "v1=" + hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def headers(key: bytes, delivery: str, body: bytes, now_s: int) -> dict[str, str]:
    """Of one try."""
    timestamp = str(now_s)
    return {
        "Content-Type": "application/json",
        TIMESTAMP: timestamp,
        SIGNATURE: signature(key, timestamp, body),
        DELIVERY: delivery,
    }


class Receiver:
    """Remembers what it has seen for as long as it could come again."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._seen: dict[str, int] = {}

    def accept(self, told: Mapping[str, str], body: bytes, now_s: int) -> dict[str, object]:
        """The body, once; `told` has its headers in lower case. Raises Refused."""
        timestamp = told.get(TIMESTAMP, "")
        wanted = signature(self._key, timestamp, body)
        if not hmac.compare_digest(wanted, told.get(SIGNATURE, "")):
            raise Refused("the signature is not of this body and time")
        if not timestamp.isdecimal() or abs(now_s - int(timestamp)) > WINDOW_S:
            raise Refused("it was signed too long ago")
        found: dict[str, object] = msgspec.json.decode(body, type=dict[str, object])
        delivery = str(found.get("delivery", ""))
        if delivery != told.get(DELIVERY):
            raise Refused("the delivery is another one")
        self._seen = {name: at_s for name, at_s in self._seen.items() if at_s + WINDOW_S >= now_s}
        if delivery in self._seen:
            raise Refused("it was told before")
        self._seen[delivery] = now_s
        return found
