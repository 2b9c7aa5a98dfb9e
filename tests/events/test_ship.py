"""The shipper: everything reaches the ledger once it can, whatever the ledger answers meanwhile."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pointsman.events import frames
from pointsman.events.segments import Bounds, Segments
from pointsman.events.ship import Shipper, Target

_SPOOL = "0123456789abcdef"
_DEADLINE_S = 20.0
Answer = Callable[[int], tuple[int, bytes] | None]
"""Request number -> status and body instead of the right ones; None: the right ones."""


class _Ledger:
    """Keeps what it gets as the real one does: once, in order, with the number it wants next."""

    def __init__(self, answer: Answer = lambda _: None) -> None:
        self.got: list[bytes] = []
        self.next = 1
        self.requests: list[dict[str, str]] = []
        ledger = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """Take, and say what is wanted next."""
                body = self.rfile.read(int(self.headers["content-length"]))
                ledger.requests.append({"path": self.path, **dict(self.headers.items())})
                told = answer(len(ledger.requests))
                if told is None:
                    ledger.take(body)
                    told = 200, json.dumps({"next": ledger.next}).encode()
                self.send_response(told[0])
                self.send_header("content-length", str(len(told[1])))
                self.end_headers()
                self.wfile.write(told[1])

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, body: bytes) -> None:
        """Each event once."""
        for frame in frames.read_all(body):
            for number, line in enumerate(frame.lines(), frame.first):
                if number >= self.next:
                    self.got.append(line)
                    self.next = number + 1


@contextmanager
def _running(ledger: _Ledger) -> Iterator[_Ledger]:
    thread = threading.Thread(target=ledger.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield ledger
    finally:
        ledger.server.shutdown()
        thread.join()
        ledger.server.server_close()


@contextmanager
def _shipping(segments: Segments, target: Target) -> Iterator[Shipper]:
    shipper = Shipper(segments, target, dice=lambda: 0.5)
    shipper.start()
    try:
        yield shipper
    finally:
        shipper.stop(0.1)


def _filled(count: int) -> Segments:
    segments = Segments(None, Bounds(segment_bytes=300))
    for first in range(1, count + 1, 10):
        segments.add(_SPOOL, first, [b'{"n":%d}' % n for n in range(first, first + 10)], 1, 0)
    return segments


def _until(holds: Callable[[], bool]) -> None:
    by_s = time.monotonic() + _DEADLINE_S
    while not holds():
        assert time.monotonic() < by_s
        time.sleep(0.01)


@pytest.mark.slow
def test_all_of_it_arrives() -> None:
    """Then nothing is left."""
    segments = _filled(1000)
    with _running(_Ledger()) as ledger, _shipping(segments, Target(url=ledger.url)) as shipper:
        _until(lambda: not segments.events_left())
        assert ledger.got == [b'{"n":%d}' % n for n in range(1, 1001)]
        assert shipper.shipped == 1000
        assert shipper.failures == {}
        assert shipper.problem == ""


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ((503, b"no store"), "Http503"),
        ((401, b"who"), "Http401"),
        ((409, b"newer"), "Http409"),
        ((200, b"{}"), "BadAnswer"),
        ((200, b'{"next": "7"}'), "BadAnswer"),
        ((200, b'{"next": 1}'), "BadAnswer"),
        ((200, b"<html>welcome</html>"), "BadAnswer"),
        ((200, b"x" * 100_000), "BadAnswer"),
        ((302, b""), "Http302"),
    ],
)
def test_an_answer_that_is_no_yes_loses_nothing(told: tuple[int, bytes], reason: str) -> None:
    """The same events come again, and the reason is counted."""
    segments = _filled(50)
    ledger = _Ledger(lambda number: told if number == 1 else None)
    with _running(ledger), _shipping(segments, Target(url=ledger.url)) as shipper:
        _until(lambda: not segments.events_left())
        assert len(ledger.got) == 50
        assert shipper.failures == {reason: 1}
        assert shipper.problem == ""


def test_a_ledger_that_took_it_and_died_gets_it_again() -> None:
    """Its answer was lost: it counts each event once."""
    segments = _filled(50)

    def take_and_fail(number: int) -> tuple[int, bytes] | None:
        if number > 1:
            return None
        batch = segments.next_batch(1 << 20)
        assert batch is not None
        ledger.take(batch.data)
        return 500, b""

    ledger = _Ledger(take_and_fail)
    with _running(ledger), _shipping(segments, Target(url=ledger.url)):
        _until(lambda: not segments.events_left())
        assert ledger.got == [b'{"n":%d}' % n for n in range(1, 51)]


def test_what_the_ledger_calls_damaged_does_not_block() -> None:
    """It is counted as lost, and the rest goes on."""
    segments = _filled(200)
    ledger = _Ledger(lambda number: (400, b"damaged") if number == 1 else None)
    with _running(ledger), _shipping(segments, Target(url=ledger.url)) as shipper:
        _until(lambda: not segments.events_left())
        assert len(ledger.got) + segments.dropped["Damaged"] == 200
        assert shipper.failures == {"Refused": 1}


def test_nobody_there_is_asked_again() -> None:
    """A ledger that comes later gets everything."""
    segments = _filled(20)
    ledger = _Ledger()
    with _shipping(segments, Target(url=ledger.url, timeout_s=0.2)) as shipper:
        _until(lambda: shipper.problem == "Unreachable")  # it listens, and nobody accepts
        with _running(ledger):
            _until(lambda: not segments.events_left())
    assert len(ledger.got) == 20


def test_the_token_is_read_for_each_request(tmp_path: Path) -> None:
    """A rotated one is used at once; it is sent to the path below the base URL."""
    token = tmp_path / "token"
    token.write_text("first\n")
    segments = _filled(10)

    def rotate(number: int) -> tuple[int, bytes] | None:
        token.write_text("second")
        return (401, b"") if number == 1 else None

    ledger = _Ledger(rotate)
    with _running(ledger), _shipping(segments, Target(url=ledger.url + "/a/", token_file=token)):
        _until(lambda: not segments.events_left())
    assert [r["authorization"] for r in ledger.requests] == ["Bearer first", "Bearer second"]
    assert {r["path"] for r in ledger.requests} == {"/a/v1/events"}


def test_a_missing_token_is_a_reason(tmp_path: Path) -> None:
    """Not the end of the thread."""
    segments = _filled(10)
    target = Target(url="http://127.0.0.1:1", token_file=tmp_path / "none")
    with _shipping(segments, target) as shipper:
        _until(lambda: shipper.problem == "Unreachable")
    assert segments.events_left() == 10


def test_stop_waits_for_what_is_there() -> None:
    """Within its deadline; and not at all for a ledger that is away."""
    segments = _filled(100)
    with _running(_Ledger()) as ledger:
        shipper = Shipper(segments, Target(url=ledger.url))
        shipper.start()
        assert shipper.stop(_DEADLINE_S)
        assert len(ledger.got) == 100


@pytest.mark.parametrize(
    "url", ["ledger:8090", "ftp://ledger", "http://", "http://a?b", "http://a:x"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """Before anything starts."""
    with pytest.raises(ValueError, match=r"ledger's address|[Pp]ort"):
        Target(url=url)


def test_a_spool_that_cannot_be_read_is_tried_again(tmp_path: Path) -> None:
    """And says so meanwhile."""
    segments = Segments(tmp_path, Bounds())
    segments.recover()
    segments.add(_SPOOL, 1, [b"{}"] * 5, 1, 0)
    (path,) = tmp_path.glob("*.events")
    aside = path.rename(tmp_path / "aside")
    path.symlink_to(path)
    with _running(_Ledger()) as ledger, _shipping(segments, Target(url=ledger.url)) as shipper:
        _until(lambda: shipper.problem == "NotReadable")
        aside.replace(path)
        _until(lambda: not segments.events_left())
        _until(lambda: shipper.problem == "")
    assert len(ledger.got) == 5
    assert segments.dropped == {}
    segments.release()
