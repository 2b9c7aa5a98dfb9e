"""HTTP statuses as labels of metrics and words of reasons: a closed set, whatever servers send."""

from http import HTTPStatus
from typing import Final

CLIENT_GONE: Final = 499
"""nginx's code for a client that closed before the answer."""
_KNOWN: Final = {status: str(status) for status in (*map(int, HTTPStatus), CLIENT_GONE)}


def label_of(status: int) -> str:
    """`503`; of a status that nobody has given a meaning its class, such as `5xx`."""
    known = _KNOWN.get(status)
    return known or (f"{status // 100}xx" if 100 <= status <= 999 else "none")
