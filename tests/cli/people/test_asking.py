"""The ledger asked by a command: its token goes to that ledger alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pointsman.cli.ledger import LedgerProcess, NoLedger
from pointsman.cli.listing.people import NotAnswered, PeopleApi


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
            PeopleApi(ledger, "secret").get("reviews", {})
        with pytest.raises(NoLedger, match="302"):
            LedgerProcess(ledger, token).summary("1h", "0s")
    assert there == ["Bearer secret"] * 2
    assert elsewhere == []
