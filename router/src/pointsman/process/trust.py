"""A TLS context whose authorities are in a file that may change under a running process.

A kubelet writes a ServiceAccount's `ca.crt` anew when the cluster's authority is rotated.
Guarantees that what is new in the file is trusted from the next connection on. What is taken out
of it is trusted until the process ends: a context can only learn.
"""

import ssl
from pathlib import Path


class Trust:
    """`context` was made of `file`, just now."""

    def __init__(self, context: ssl.SSLContext, file: Path) -> None:
        self.context = context
        self._file = file
        self._known = self._read()

    def renew(self) -> bool:
        """
        After a certificate that was not trusted: True if another connection may be worth it.

        A file that cannot be read, or is no PEM, changes nothing: it may be written just now.
        """
        now = self._read()
        if now is None or now == self._known:
            return False
        try:
            self.context.load_verify_locations(cadata=now)
        except (ssl.SSLError, ValueError):
            return False
        self._known = now
        return True

    def _read(self) -> str | None:
        try:
            return self._file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return None


def trust_of(file: Path) -> Trust:
    """Raises OSError where it cannot be read."""
    return Trust(ssl.create_default_context(cafile=str(file)), file)
