"""What providers have said of their limits, and the keys that they no longer take.

Guarantees that one which has said that it has none left is not asked before its reset, that a key
which was replaced while a request was under way costs no request, and that other answers pay one
look at their headers. Forgets what is over. Decided in policy/provider_limits.py.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pointsman.api.table import Backend, ExternalAddress
from pointsman.router.policy.provider_limits import LIMITED, closed_for_s
from pointsman.router.policy.retry import CREDENTIAL_STATUSES, Fault, Kind

if TYPE_CHECKING:
    from pointsman.router.serve.attempt import Attempt
    from pointsman.router.serve.exchange import Exchange


class Providers:
    """Of one router."""

    __slots__ = ("closed",)

    def __init__(self) -> None:
        self.closed: dict[str, float] = {}
        """Backend -> when it may be asked again; empty while all may."""

    def heard(
        self,
        backend: Backend,
        status: int,
        headers: Mapping[bytes, bytes],
        told: Mapping[bytes, bytes],
        now_s: float,
    ) -> None:
        """An answer's head."""
        if not isinstance(backend.address, ExternalAddress):
            return  # a Service has several servers, each of which speaks for itself
        for_s = closed_for_s(status, headers.get(b"retry-after", b""), told)
        if for_s:
            until_s = max(self.closed.get(backend.name, 0.0), now_s + for_s)
            kept = {name: at_s for name, at_s in self.closed.items() if at_s > now_s}
            self.closed = kept | {backend.name: until_s}

    def why_not(self, backend: Backend, now_s: float) -> Fault | None:
        """Why it is not asked now; None: it is."""
        until_s = self.closed.get(backend.name)
        if until_s is None:
            return None
        if now_s >= until_s:
            del self.closed[backend.name]
            return None
        detail = "it has said that its rate limit is used up"
        left_s = until_s - now_s
        return Fault(Kind.ERROR, LIMITED, detail, retryable=False, retry_after_s=left_s, status=429)


def replaced_key(exchange: "Exchange", attempt: "Attempt", fault: Fault) -> bool:
    """True if the provider refused a key that the table has another one for by now."""
    address = attempt.backend.address
    if fault.status not in CREDENTIAL_STATUSES or not isinstance(address, ExternalAddress):
        return False
    if address.credential is None or not attempt.key:
        return False
    key = exchange.plane.live.credential(address.credential, address.url)
    return key is not None and key_line(key) != attempt.key


def key_line(key: bytes) -> bytes:
    """The header line that a provider knows the router by."""
    return b"authorization: Bearer %b\r\n" % key
