"""The faults that the proxy plays: what each does to new requests and to streams that are open.

| action of a request | what the client sees                                                      |
|---------------------|---------------------------------------------------------------------------|
| pass                | the API server's answer                                                   |
| status              | an HTTP status with a Status object, or `page`, from the proxy            |
| silent              | nothing, ever: the connection stays dead after the heal, too              |
| reset               | the head and half of the answer, then RST                                 |
| truncate            | half of the JSON, in correct framing                                      |
| drip                | the answer, a few bytes at a time                                         |
| lose                | RST instead of an answer; the API server has done what was asked          |
| error, garbage      | a watch that begins with an ERROR event, or with a line that is no JSON   |
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

Action = Literal[
    "pass", "status", "silent", "reset", "truncate", "drip", "lose", "error", "garbage"
]
Cut = Literal["keep", "end", "freeze", "reset", "half", "error", "garbage"]
Concerns = Literal["all", "watches", "reads", "writes"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which an API server, or what is before it, fails."""

    name: str
    request: Action = "pass"
    on: Concerns = "all"
    """Which requests `request` is for; reads are all GETs that are no watches."""
    path: str = ""
    """A pattern that the path must contain."""
    status: int = 500
    retry_after: str = ""
    page: bytes = b""
    """Of a balancer that knows nothing of Kubernetes, in place of the Status object."""
    streams: Cut = "keep"
    """What becomes of watches that are open when it begins; half: half a line, then the end."""
    connections: Literal["keep", "freeze"] = "keep"
    """freeze: every connection that is open when the fault begins is dead from then on."""
    accept: Literal["yes", "deaf", "reset"] = "yes"
    """deaf: connections are accepted, not even TLS answers, and so it stays after the heal."""

    def concerns(self, method: str, target: str, *, watch: bool) -> bool:
        """Whether this request meets the fault."""
        kind = "watches" if watch else "reads" if method == "GET" else "writes"
        return self.on in {"all", kind} and re.search(self.path, target) is not None


FAULTS: Final = (
    Fault("410 as a status", "status", on="watches", status=410, streams="end"),
    Fault("410 in the stream", "error", on="watches", status=410, streams="error"),
    Fault("500 in the stream", "error", on="watches", status=500, streams="error"),
    Fault("401", "status", status=401, streams="end"),
    Fault("403", "status", status=403, streams="end"),
    Fault("429 with Retry-After", "status", status=429, retry_after="1", streams="end"),
    Fault("503", "status", status=503, streams="end"),
    Fault("404 of a balancer", "status", status=404, page=b"<html>404</html>", streams="end"),
    Fault("200 of a balancer", "status", status=200, page=b'{"up": false}', streams="end"),
    Fault("silence", "silent", streams="freeze", connections="freeze"),
    Fault("deaf", "silent", streams="freeze", connections="freeze", accept="deaf"),
    Fault("half-open", streams="freeze", connections="freeze"),
    Fault("reset", "reset", streams="reset"),
    Fault("refused", "reset", streams="reset", accept="reset"),
    Fault("slow", "drip"),
    Fault("truncated JSON", "truncate", streams="half"),
    Fault("garbage", "garbage", on="watches", streams="garbage"),
    Fault("answers of writes lost", "lose", on="writes"),
)
