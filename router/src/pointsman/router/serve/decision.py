"""The headers that say who answered, and why; with what may come back of the backend's.

Guarantees that every answer of a routed request has them, also one that no backend gave.
"""

from typing import TYPE_CHECKING, Final

from msgspec.json import encode

from pointsman.router.wire.problem import STATUS_LINES, status_line

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange

_THOUSANDTHS: Final = [b".%03d" % one for one in range(1000)]
_EVIDENCE: Final = b"x-pointsman-evidence: %b\r\n"
_MOST_EVIDENCE: Final = 1024
"""Bytes of a header; the facts of one request are under 500."""
_MOST_PASSED: Final = 8
"""Named in a header: as many as a chain may have, less than a KiB."""


def passed_over(passed: tuple[tuple[str, str], ...]) -> bytes:
    """Who was left for another, and why: a list of structured fields (RFC 9651), bounded."""
    told = ", ".join(f"{backend};reason={reason}" for backend, reason in passed[:_MOST_PASSED])
    return b"x-pointsman-fallback: %b\r\n" % told.encode("ascii", "replace")


def decision_lines(exchange: "Exchange", upstream: dict[bytes, bytes]) -> bytes:
    """The decision headers, and what may come back of the backend's."""
    overhead_s = exchange.overhead_s or exchange.plane.clock() - exchange.received_s
    overhead_us = max(int(overhead_s * 1_000_000 + 0.5), 0)
    lines = (
        b"%bx-pointsman-decision-id: %b\r\nx-pointsman-attempts: %d\r\n"
        b"x-pointsman-overhead-ms: %d%b\r\nx-request-id: %b\r\n"
        % (
            exchange.track.lines if exchange.track is not None else b"",
            exchange.decision_id,
            exchange.attempts,
            overhead_us // 1000,
            _THOUSANDTHS[overhead_us % 1000],
            exchange.request_id,
        )
    )
    if exchange.held_s:
        lines += b"x-pointsman-held-ms: %.0f\r\n" % (exchange.held_s * 1000)
    if exchange.review is not None:
        lines += exchange.review.lines()
    if exchange.passed:
        lines += passed_over(exchange.passed)
    if exchange.ticket is not None:
        lines += exchange.ticket.lines()
    if exchange.debug and hasattr(exchange, "analysis"):
        analysis = exchange.analysis
        task = analysis.task.encode() if analysis.decided else b"Undecided"
        lines += (
            b"x-pointsman-task: %b\r\nx-pointsman-language: %b\r\n"
            % (
                task,
                analysis.language.encode(),
            )
            + b"x-pointsman-tokens: %d\r\n" % analysis.context_tokens
            + b"x-pointsman-complexity: %b\r\nx-pointsman-domain: %b\r\n"
            % (analysis.complexity.encode(), analysis.domain.encode())
            + _EVIDENCE % "; ".join(analysis.evidence).encode("ascii", "replace")[:_MOST_EVIDENCE]
        )
        if exchange.choice is not None:
            told = encode(exchange.choice).decode().encode("ascii", "replace")
            lines += b"x-pointsman-predictor: %b\r\n" % told
        if exchange.caller.name:
            lines += b"x-pointsman-caller: %b\r\nx-pointsman-team: %b\r\n" % (
                exchange.caller.name.encode(),
                exchange.caller.team.encode(),
            )
    for name, value in upstream.items():
        if name == b"x-request-id":
            if value == exchange.request_id:  # the backend gives back ours
                continue
            lines += b"x-pointsman-provider-request-id: %b\r\n" % value
        elif name != b"content-type":
            lines += b"%b: %b\r\n" % (name, value)
    return lines


def send_head(
    exchange: "Exchange", status: int, headers: dict[bytes, bytes], framing: bytes, data: bytes
) -> None:
    """The head of an answer with its first bytes."""
    client = exchange.client
    client.write(
        b"%bcontent-type: %b\r\n%b%b%b\r\n%b"
        % (
            STATUS_LINES.get(status) or status_line(status),
            headers.get(b"content-type", b"application/json"),
            framing,
            decision_lines(exchange, headers),
            b"" if client.keep_alive else b"connection: close\r\n",
            data,
        )
    )
