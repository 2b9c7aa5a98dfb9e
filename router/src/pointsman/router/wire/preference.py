"""PURE: what a caller prefers (RFC 7240): an answer later, and how long it waits first."""

from typing import Final, NamedTuple

from pointsman.router.wire.headers import Headers

MOST_WAIT_S: Final = 60.0


class Preference(NamedTuple):
    """Both may be told; what is not understood is not preferred."""

    asynchronous: bool = False
    wait_s: float | None = None


def preferred(headers: Headers) -> Preference:
    """Of all Prefer headers; of a preference that stands twice the first counts."""
    asynchronous, wait_s = False, None
    for name, value in headers:
        if name != b"prefer":
            continue
        for part in value.lower().split(b","):
            word, _, told = part.partition(b";")[0].partition(b"=")
            word, told = word.strip(), told.strip().strip(b'"')
            if word == b"respond-async":
                asynchronous = True
            elif word == b"wait" and wait_s is None and told.isdigit() and len(told) < 7:
                wait_s = min(float(told), MOST_WAIT_S)
    return Preference(asynchronous, wait_s)
