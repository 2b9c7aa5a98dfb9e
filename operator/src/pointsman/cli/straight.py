"""Questions by HTTP that end where they were asked.

Guarantees that no redirect is followed: it would take the token along to wherever it leads, such as
the login page of a proxy before the ledger.
"""

import http.client
import urllib.request
from typing import IO


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


def asked(request: urllib.request.Request, timeout_s: float) -> http.client.HTTPResponse:
    """The answer, to be closed. Raises HTTPError for what is not 2xx, OSError and ValueError."""
    answer: http.client.HTTPResponse = _opener.open(request, timeout=timeout_s)
    return answer
