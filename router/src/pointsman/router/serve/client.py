"""Who an exchange answers to: a connection, or what stands in the place of one.

A class and no Protocol: compiled code calls its methods without a look-up, and has to know whose
attributes it reads (DESIGN.md).
"""

from typing import TYPE_CHECKING, Protocol

from pointsman.router.serve.wheel import Alarm

if TYPE_CHECKING:
    from pointsman.router.serve.plane import Plane
    from pointsman.router.wire.received import Request


class Work(Protocol):
    """What a client has in work: an exchange, or an errand (errands.py)."""

    request: "Request"
    head_sent: bool

    def run(self) -> None:
        """Begin."""

    def ring(self, now_s: float) -> None:
        """A deadline has passed."""

    def pause(self) -> None:
        """The client does not read."""

    def resume(self) -> None:
        """It reads again."""

    def cut_off(self) -> None:
        """The router ends before the answer did."""

    def client_gone(self) -> None:
        """Nobody waits for the answer."""


class Client:
    """By itself nobody: it takes what is written and keeps none of it."""

    def __init__(self, plane: "Plane") -> None:
        self._at = plane
        self._alarm = Alarm(self._ring)
        self.exchange: Work | None = None
        self.admitted = True
        """False for those that came when the router had begun to refuse."""
        self.paused = False
        """True while the client does not read what was sent."""
        self.keep_alive = False
        """False if the connection ends with the answer in work."""

    def write(self, data: bytes) -> None:
        """Send, unless the client has left."""

    def abort(self) -> None:
        """Close now; what was not sent is lost."""

    def set_alarm(self, at_s: float) -> None:
        """Ring what is in work at `at_s`."""
        alarm = self._alarm
        alarm.at_s = at_s
        if at_s < alarm.filed_s:  # else it is filed early enough, and nearly always is
            self._at.wheel.set(alarm, at_s)

    def answered(self) -> None:
        """What was in work is over."""
        self.exchange = None
        self._alarm.off()

    def _ring(self, now_s: float) -> None:
        if self.exchange is not None:
            self.exchange.ring(now_s)
