"""Questions by HTTP that end where they were asked.

Guarantees that no redirect is followed: it would take the token along to wherever it leads, such as
the login page of a proxy before the ledger. Whatever is there, what it says is an answer or one of
two exceptions.
"""

import contextlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

_MOST_REFUSED_BYTES: Final = 100_000
_MOST_TOLD: Final = 200


class Unanswered(Exception):
    """Nobody is there, or nobody who speaks HTTP; the text says why."""


class Refused(Exception):
    """An answer that is not 2xx."""

    def __init__(self, status: int, phrase: str, body: bytes) -> None:
        super().__init__(f"{status} {phrase}")
        self.status, self.phrase, self.body = status, phrase, body


class NoToken(Exception):
    """The text says why a file has none; it shows nothing of it."""


class _Nowhere(urllib.request.HTTPRedirectHandler):
    def redirect_request(  # noqa: PLR0917 - urllib's
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        """It is an answer like others that are none: HTTPError with its status."""


_opener = urllib.request.build_opener(_Nowhere())


def asked(
    url: str,
    *,
    timeout_s: float,
    most_bytes: int,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> bytes:
    """
    What a GET, or a POST of `body`, is answered, whole; `url` is http or https.

    Silence of `timeout_s` ends it. Raises Unanswered and Refused.
    """
    try:
        request = urllib.request.Request(url, body, dict(headers or {}))  # noqa: S310
        with _opener.open(request, timeout=timeout_s) as answer:
            data: bytes = answer.read(most_bytes + 1)
            left = answer.length
    except urllib.error.HTTPError as error:
        with error:
            raise Refused(error.code, _one_line(error.reason), _body_of(error)) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unanswered(_why(error)) from None
    if len(data) > most_bytes:
        raise Unanswered(f"its answer is longer than {most_bytes:,} bytes")
    if left:
        raise Unanswered(f"its answer ends {left:,} bytes too early")
    return data


def _why(error: Exception) -> str:
    told = _one_line(getattr(error, "reason", error)) or type(error).__name__
    foreign = isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError)
    return f"what answers is not HTTP: {told}" if foreign else told


def _one_line(what: object) -> str:
    """What a stranger says may be anything."""
    plain = "".join(c if c.isprintable() else " " for c in str(what)[:_MOST_TOLD])
    return " ".join(plain.split())


def _body_of(error: urllib.error.HTTPError) -> bytes:
    """What came of it."""
    with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
        return error.read(_MOST_REFUSED_BYTES)
    return b""


def bearer(file: Path) -> dict[str, str]:
    """The header with the token of a file. Raises NoToken."""
    try:
        token = file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise NoToken(f"{file}: not UTF-8") from None
    except OSError as error:
        raise NoToken(f"{file}: {error.strerror}") from None
    # A header can hold no more, and what cannot be sent would be told with the token in it.
    if not token or not (token.isascii() and token.isprintable()):
        raise NoToken(f"{file}: it is no token: one line of ASCII characters")
    return {"Authorization": f"Bearer {token}"}
