"""A ledger or a router asked by a command: its token goes there alone, its faults are one line."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pointsman.cli.__main__ import main
from pointsman.cli.evaluate.recording import NotRecorded, record
from pointsman.cli.ledger import LedgerProcess, NoLedger
from pointsman.cli.listing.people import NotAnswered, PeopleApi
from tests.cli.test_evaluate import URL, write
from tests.cli.test_evaluate_drawn import SUITE
from tests.ledger.test_evaluations import evaluation


@contextmanager
def _server(seen: list[str], to: str = "") -> Iterator[str]:
    """Writes down the tokens that it is shown; answers, or leads elsewhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            self.send_response(302 if to else 200)
            if to:
                self.send_header("Location", to)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_redirect_gets_no_token(tmp_path: Path) -> None:
    """As a proxy answers who is not signed in there: its login is no ledger."""
    token = tmp_path / "token"
    token.write_text("secret")
    there, elsewhere = list[str](), list[str]()
    with _server(elsewhere) as login, _server(there, f"{login}/login") as ledger:
        with pytest.raises(NotAnswered, match="302"):
            PeopleApi(ledger, token).get("reviews", {})
        with pytest.raises(NoLedger, match="302"):
            LedgerProcess(ledger, token).summary("1h", "0s")
    assert there == ["Bearer secret"] * 2
    assert elsewhere == []


@contextmanager
def _port(says: bytes) -> Iterator[str]:
    """One that says the same to whoever comes, whatever they want, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    visitor, _ = listener.accept()
                except OSError:
                    return
                with visitor:
                    visitor.recv(65536)
                    visitor.sendall(says)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _commands(url: str) -> list[list[str]]:
    """All that ask a ledger, and the one that asks a router."""
    return [
        ["report", "--ledger", url],
        ["audit", "--ledger", url],
        ["audit", "log", "--ledger", url],
        ["reviews", "list", "--ledger", url],
        ["reviews", "approve", "r-1", "--ledger", url],
        ["explain", "--decision", "d-1", "--ledger", url, "-f", "crds/examples/01-one-model"],
        ["simulate", "-f", "crds/examples/01-one-model", "--traffic", url],
        ["top", "--router", url],
    ]


STRANGERS = {
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"",
    "colors": b"\x1b[31mred\x1b[0m\r\n",
    "half": b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
    "half refused": b"HTTP/1.1 500 No\x1b[31m\r\ncontent-length: 100\r\n\r\n{",
    "long head": b"HTTP/1.1 200 OK\r\nx: " + b"x" * 70_000,
    "not JSON": b"HTTP/1.1 200 OK\r\n\r\n\xff",
    "deep": b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000,
}


@pytest.mark.parametrize("says", STRANGERS.values(), ids=STRANGERS)
def test_a_port_of_something_else_is_one_line(
    says: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1, and nothing that a terminal would obey."""
    with _port(says) as url:
        for command in _commands(url):
            if command[0] == "top" and says.startswith(b"HTTP/1.1 200 OK\r\n\r\n"):
                continue  # figures that say nothing
            status, said = main(command), capsys.readouterr()
            assert (command, status, said.out) == (command, 1, "")
            assert said.err.count("\n") == 1
            assert url in said.err
            assert said.err.strip().isprintable()


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:99x3", "http://127.0.0.1:99999", "http://[::1", "http://", "ftp://here",
     "http://a b", "http://me:pw@127.0.0.1:9", "http://127.0.0.1:9?x", "http://:9903"],
)  # fmt: skip
def test_an_address_that_is_none_is_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What was written, and what it should look like."""
    for command in _commands(url):
        status, said = main(command), capsys.readouterr()
        assert (command, status, said.out) == (command, 1, "")
        assert said.err.count("\n") == 1
        assert "has to be a URL such as http://127.0.0.1:990" in said.err
        assert url in said.err


@pytest.mark.parametrize("flag", ["--record", "--ledger", "--url", "--judge-url"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:99x3", "http://[::1", "http://127.0.0.1:99999"])
def test_evaluate_takes_no_such_address(
    flag: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong usage, as its other flags."""
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "-f", "crds/examples/17-golden-prompts", flag, url])
    assert ended.value.code == 2
    assert f"argument {flag}: '{url}' is no URL; write it as" in capsys.readouterr().err


@pytest.mark.parametrize("says", STRANGERS.values(), ids=STRANGERS)
def test_results_are_not_recorded_by_something_else(says: bytes) -> None:
    """It is told in one line; what answers 2xx has them."""
    if says.startswith(b"HTTP/1.1 200 OK\r\n\r\n"):
        return
    with _port(says) as url, pytest.raises(NotRecorded, match=url) as refused:
        record(url, [evaluation(1)], None)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("says", STRANGERS.values(), ids=STRANGERS)
def test_nothing_is_drawn_from_something_else(
    says: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And so nothing is asked."""
    flags = ["-f", write(tmp_path, SUITE), *URL, "--model", "m", "--draw", str(tmp_path / "d")]
    with _port(says) as url:
        assert main(["evaluate", *flags, "--ledger", url]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"pointsman evaluate: --ledger {url}")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file or directory"),
        (b"\xff\xfe", "not UTF-8"),
        (b"", "no token"),
        (b"top-secret\nsecond line", "no token"),
        ("geheimschlüssel".encode(), "no token"),
    ],
)
def test_a_file_without_a_token_shows_nothing_of_it(
    content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with its name."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    for command in (["report"], ["reviews", "list"], ["audit", "log"]):
        assert main([*command, "--ledger", "http://127.0.0.1:9", "--token-file", str(file)]) == 1
        said = capsys.readouterr().err
        assert f"--token-file {file}: " in said
        assert words in said
        assert said.count("\n") == 1
        assert "secret" not in said
        assert "geheim" not in said
