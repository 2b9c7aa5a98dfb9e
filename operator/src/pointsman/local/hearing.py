"""What callers' requests met at servers that local mode does not run.

A fallback hides from callers that a provider refuses a key or is not there. On a cluster metrics
tell; here nobody else does.
"""

from collections.abc import Callable
from typing import Final

from pointsman.router.policy.retry import CREDENTIAL_STATUSES
from pointsman.router.serve.attempt import OK
from pointsman.router.serve.exchange import Exchange

_UNREACHED: Final = frozenset(
    {"AddressRefused", "ConnectFailed", "ConnectRefused", "ConnectTimeout", "NameUnknown",
     "ProxyFailed", "TlsFailed"}
)  # fmt: skip


class Hearing:
    """`changed` is called when another thing is to be said of a backend."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._met: dict[str, str] = {}
        self._states: dict[str, str] = {}

    def hear(self, exchange: Exchange) -> None:
        """Of an exchange that is over."""
        before = dict(self._met)
        for name, fault in exchange.failures:
            if fault.status in CREDENTIAL_STATUSES or fault.reason in _UNREACHED:
                self._met[name] = fault.detail or fault.reason
        answered = exchange.track.of[1] if exchange.track is not None else None
        if answered is not None and exchange.outcome == OK:
            self._met.pop(answered.name, None)
        if self._met != before:
            self._changed()

    def with_met(self, name: str, state: str) -> str:
        """`state`, and what requests met there since it is so, if that was no answer."""
        if self._states.get(name) != state:
            self._states[name] = state
            self._met.pop(name, None)
        met = self._met.get(name)
        return f"{state}; requests get no answer there: {met}" if met else state
