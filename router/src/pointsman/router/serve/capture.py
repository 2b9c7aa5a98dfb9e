"""Texts of requests whose policy keeps them: gathered on the way, made ready in a thread.

Guarantees that no request waits for it, and that every event goes on: memory and time are bounded,
what exceeds them is counted and only loses its text, and patterns are searched in a thread (RE2
lets go of the interpreter meanwhile). Nothing of a text reaches a log. None of this runs for a
policy that keeps no texts.
"""

import asyncio
import contextlib
import hashlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from pointsman.events.schema import MAX_EVENT_BYTES, Request, Text, encode
from pointsman.router.wire.excerpt import Excerpt
from pointsman.router.wire.openai import Asked
from pointsman.router.wire.shapes import NO_ANSWER
from pointsman.router.wire.spoken import Spoken, answer_text
from pointsman.router.wire.sse import HeardTail, StreamTail
from pointsman.routing.capture import CompiledCapture

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange

_log = logging.getLogger(__name__)
MOST_HELD_BYTES: Final = 64 * 1024 * 1024
"""Of streams that are heard and of texts that wait for the thread, together."""
LONGEST_WAIT_S: Final = 5.0
"""For the thread. Events wait with their texts, and a killed process loses those that wait."""
_LOOK_S: Final = 1.0
"""How often an idle thread looks whether the process ends."""


class _Work(NamedTuple):
    """One request that is over."""

    event: Request
    capture: CompiledCapture
    asked: Asked
    answer: bytes
    heard: Spoken | None
    cut: bool
    size: int
    late_s: float
    """From when on (monotonic) the event goes without its text."""


class Captor:
    """
    `put` takes an encoded event, on the event loop. The thread begins with the first text.

    A text that cannot be kept is counted, and its event goes without it.
    """

    def __init__(
        self,
        put: Callable[[bytes], None],
        *,
        most_bytes: int = MOST_HELD_BYTES,
        longest_s: float = LONGEST_WAIT_S,
    ) -> None:
        self._put = put
        self._most = most_bytes
        self._longest_s = longest_s
        self._lock = threading.Lock()
        self._current: _Work | None = None
        """In the thread's hands, until somebody has told its event."""
        self._given: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._hand: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False
        self.held_bytes = 0
        self.kept: dict[str, int] = {}
        """How -> requests whose texts went to the ledger."""
        self.dropped: dict[str, int] = {}
        """Why -> requests whose texts, or parts of them, did not."""

    def hear(self, heard: Spoken, piece: bytes) -> None:
        """A piece of a stream; whatever comes of it, the stream goes on."""
        before = heard.held_bytes
        if self.held_bytes + len(piece) > self._most and not heard.gave_up:
            heard.give_up()
            self._drop("MemoryFull")
        try:
            heard.feed(piece)
        except Exception as error:  # noqa: BLE001 - counted and logged; the text stays out of it
            heard.give_up()
            self._drop("Bug")
            _log_bug(error)
        self.held_bytes += heard.held_bytes - before

    def take(self, exchange: "Exchange", capture: CompiledCapture, event: Request) -> None:
        """An exchange that is over; its event follows, with or without text."""
        heard, whole = exchange.heard, exchange.said is not NO_ANSWER
        exchange.heard = None
        answer = exchange.end if whole and exchange.operation.generates else b""
        size = len(exchange.request.body) + len(answer)
        held = heard.held_bytes if heard is not None else 0
        if self._ended or self.held_bytes + size > self._most:
            self.held_bytes -= held
            self._drop("Ending" if self._ended else "MemoryFull")
            self._put(encode(event))
            return
        self.held_bytes += size
        cut = heard.gave_up if heard is not None else _is_too_large(exchange, whole)
        self._start()
        late_s = time.monotonic() + self._longest_s
        asked = exchange.asked
        self._given.put(_Work(event, capture, asked, answer, heard, cut, size + held, late_s))

    def forget(self, exchange: "Exchange") -> None:
        """An exchange that is over and not recorded."""
        if exchange.heard is not None:
            self.held_bytes -= exchange.heard.held_bytes
            exchange.heard = None

    def finish(self, deadline_s: float) -> bool:
        """
        Make all ready that was taken; not on the event loop, which has all of it then.

        False if that took longer: the rest goes without text.
        """
        self._ended = True
        if self._hand is None:
            return True
        self._given.put(None)
        self._hand.join(deadline_s)
        if not self._hand.is_alive():
            return True
        with self._lock:
            left, self._current = [self._current], None
        with contextlib.suppress(queue.Empty):
            while True:
                left.append(self._given.get_nowait())
        self._given.put(None)
        for work in left:
            if work is not None:
                self._tell(work, encode(work.event), "Ending")
        return False

    def _start(self) -> None:
        if self._hand is None:
            self._loop = asyncio.get_running_loop()
            # No daemon: one that is in RE2 while the interpreter ends takes the process down.
            self._hand = threading.Thread(target=self._run, name="capture")
            self._hand.start()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            self._current = work
            line, why = _line_of(work)
            with self._lock:
                mine, self._current = self._current is work, None
            if mine:
                self._tell(work, line, why)

    def _next(self) -> _Work | None:
        """None at the end, also at one that nobody told."""
        while threading.main_thread().is_alive():
            with contextlib.suppress(queue.Empty):
                return self._given.get(timeout=_LOOK_S)
        return None

    def _tell(self, work: _Work, line: bytes, why: str) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for it
            self._loop.call_soon_threadsafe(self._ready, line, work.size, work.capture.how, why)

    def _ready(self, line: bytes, size: int, how: str, why: str) -> None:
        self.held_bytes -= size
        if why:
            self._drop(why)
        else:
            self.kept[how] = self.kept.get(how, 0) + 1
        self._put(line)

    def _drop(self, why: str) -> None:
        self.dropped[why] = self.dropped.get(why, 0) + 1


def _log_bug(error: Exception) -> None:
    """Its class alone: a message may quote the text."""
    _log.error("text-lost", extra={"reason": type(error).__name__})


def tail_of(exchange: "Exchange") -> StreamTail:
    """For a stream of a policy that may keep texts."""
    capture, record = exchange.policy.capture, exchange.plane.record
    if capture is None or record is None or not capture.takes(exchange.decision_id):
        return StreamTail()
    exchange.heard = heard = Spoken()
    return HeardTail(StreamTail(), partial(record.captor.hear, heard))


def _is_too_large(exchange: "Exchange", whole: bool) -> bool:
    """True for an answer that was sent as it came: it is not held, so its text is not known."""
    return exchange.committed and exchange.code == 200 and not whole


def _line_of(work: _Work) -> tuple[bytes, str]:
    """In the thread: the event, and why it is without its text."""
    why = "Late"
    if time.monotonic() < work.late_s:
        try:
            line = encode(replace(work.event, text=_text_of(work)))
            if len(line) <= MAX_EVENT_BYTES:
                return line, ""
            why = "TooLarge"
        except Exception as error:  # noqa: BLE001 - counted and logged; the event goes on
            why = "Bug"
            _log_bug(error)
    return encode(work.event), why


def _text_of(work: _Work) -> Text:
    """In the thread."""
    prompt = Excerpt()
    for index, piece in enumerate(work.asked.texts()):
        prompt.add(("\n" + piece if index else piece).encode("utf-8", "replace"))
    answer = Excerpt()
    if work.heard is not None:
        answer = work.heard.excerpt
    elif work.answer:
        answer.add(answer_text(work.answer).encode("utf-8", "replace"))
    asked, said = (one.text(work.capture.redacted) for one in (prompt, answer))
    keep = _hash if work.capture.how == "Hash" else _whole
    return Text(
        how=work.capture.how,
        prompt=keep(asked),
        answer=keep(said),
        cut=work.cut or prompt.is_cut or answer.is_cut,
        keep_s=work.capture.keep_s,
    )


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest() if text else ""


def _whole(text: bytes) -> str:
    return text.decode("utf-8", "ignore")
