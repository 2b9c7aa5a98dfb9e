"""Every bound of the data plane, with the reason for its value.

Guarantees that nothing a client or a backend sends can grow without one of these.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    head_bytes: int = 32 * 1024
    """Four times what nginx takes (8 KiB): room for long bearer tokens and trace state."""
    body_bytes: int = 20 * 1024 * 1024
    """A handful of images in base64; OpenAI's own limit for image inputs was 20 MB."""
    held_bodies_bytes: int = 256 * 1024 * 1024
    """Of all requests together, those that are still coming in included: half of the memory that
    the chart gives a router. Beyond it a large request is refused with 503."""
    large_body_bytes: int = 8 * 1024
    """Bodies that come in one read and are smaller than this are not counted among them: 10,000
    connections with one each are 80 MiB."""
    headers: int = 100
    """Of one request: Apache's and Envoy's default. Each rule on headers looks through them."""
    head_s: float = 10.0
    """From a head's first byte to its last; who drips longer holds a connection for nothing."""
    body_s: float = 60.0
    """From the head to the body's last byte: 20 MiB at 3 Mbit/s."""
    keep_alive_s: float = 75.0
    """Idle connections of clients: nginx's default, above the 60 s of usual load balancers."""
    connections: int = 10_000
    """Of clients; beyond it they are refused with 503 instead of starving those that are in."""
    pipelined: int = 16
    """Complete requests that wait behind the one in work before the socket is not read; more that
    came with them wait as bytes."""
    response_head_bytes: int = 64 * 1024
    """Twice ours: providers send long policy headers."""
    buffered_body_bytes: int = 256 * 1024
    """A non-streamed answer up to this size is complete before its first byte is sent, so that a
    backend which dies in it can still be replaced. About 60,000 tokens of text."""
    translated_body_bytes: int = 8 * 1024 * 1024
    """The same of an answer to another API's request, which is complete before it is translated."""
    held_stream_bytes: int = 256 * 1024
    """Events without content that are held back before a stream commits (Bifrost's figure)."""
    sse_frame_bytes: int = 16 * 1024 * 1024
    """One event that is not complete: an image in base64 fits, an endless line does not."""
    connect_s: float = 5.0
    """Name, TCP and TLS together."""
    pool_idle_s: float = 30.0
    """Below the 60 s and more after which servers close: reuse rarely meets a closed one."""
    pool_size: int = 512
    """Idle connections kept for one endpoint."""
    retries: int = 2
    """On one backend, when no other is left."""
    retry_deadline_s: float = 60.0
    """No retry starts later than this after the request, where no fallback says otherwise."""
    write_high_bytes: int = 256 * 1024
    """What a client has not read yet before the backend's socket is not read."""
    done_grace_s: float = 1.0
    """After `[DONE]`: how long the backend may take to end its body."""
    hold_heartbeat_s: float = 10.0
    """Between two comments in a stream that waits for a server: below the 15 s after which the
    strictest usual proxies give up."""
    tick_s: float = 0.05
    """Deadlines are kept to this."""
    allow_loopback: bool = False
    """External backends on 127.0.0.0/8 and ::1: for local mode and tests."""
