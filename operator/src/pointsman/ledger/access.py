"""Who may send events and ask: one bearer token, in a file that may change under us."""

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path

from pointsman.process.sites import why_foreign

MAX_TOKEN_BYTES = 4096


class NoToken(Exception):
    """The file cannot be read, or is empty."""


class Access:
    """
    No file: every program on this machine may; settings see to it that this is on loopback only.

    A page in a browser on this machine may not: it is somebody else's program.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._digest = b""
        if file is not None and not self._current():
            raise NoToken(f"--token-file {file} cannot be read, or is empty")

    def why_foreign(self, headers: Mapping[str, str]) -> str:
        """Why a page may not; empty where there is none, or a token, which no page has."""
        return why_foreign(headers) if self._file is None else ""

    def allows(self, authorization: str) -> bool:
        """Judge an Authorization header, in a time that says nothing about the token."""
        if self._file is None:
            return True
        scheme, _, token = authorization.partition(" ")
        wanted = self._current()
        given = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(given, wanted) and scheme.lower() == "bearer" and bool(wanted)

    def _current(self) -> bytes:
        """The token's hash; that of before while the file cannot be read."""
        assert self._file is not None
        try:
            found = self._file.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                with self._file.open("rb") as opened:
                    token = opened.read(MAX_TOKEN_BYTES).strip()
                if token:
                    self._digest = hashlib.sha256(token).digest()
                    self._stamp = stamp
        except OSError:
            pass
        return self._digest
