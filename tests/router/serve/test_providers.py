"""External providers at speed: sessions, rate limits that they tell, keys that change."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from msgspec import structs

from pointsman.api.table import Fallback
from tests.router.serve.world import LIMITS, Handler, World, chat, until, world

ANSWER = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}]}'
OLD, NEW = b"sk-old", b"sk-new"


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    """Trusted by the backends' bundle."""
    return trustme.CA()


def answer(*headers: bytes, status: bytes = b"200 OK", body: bytes = ANSWER) -> bytes:
    """A whole answer in JSON."""
    lines = b"".join(header + b"\r\n" for header in headers)
    framing = b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + framing + lines + b"\r\n" + body


def serves(reply: Callable[[bytes], bytes]) -> Handler:
    """A server that answers each request's head, on connections that stay."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            await reader.readexactly(length)
            writer.write(reply(head))

    return handle


async def tls_server(
    there: World, ca: trustme.CA, tmp_path: Path, *, tls12: bool = False
) -> list[bool]:
    """A server behind TLS; the list says of each handshake whether it resumed a session."""
    handshakes: list[bool] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = ca.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "pem"))
    context.load_cert_chain(tmp_path / "pem")
    if tls12:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = serves(lambda _: answer())
    tasks: set[asyncio.Task[None]] = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        handshakes.append(writer.get_extra_info("ssl_object").session_reused)
        try:
            await server(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=context)

    async def stop() -> None:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    there.stack.push_async_callback(stop)
    port: int = listener.sockets[0].getsockname()[1]
    bundle = ca.cert_pem.bytes().decode()
    there.external("cloud", f"https://localhost:{port}/v1", key=OLD, ca_bundle=bundle)
    there.route("cloud")
    return handshakes


@pytest.mark.parametrize("tls12", [False, True])
async def test_requests_share_a_handshake_and_an_idle_close_costs_no_new_one(
    ca: trustme.CA, tmp_path: Path, tls12: bool
) -> None:
    """Twenty requests make one handshake; the connection after an idle close resumes it."""
    async with world(replace(LIMITS, pool_idle_s=0.2)) as there:
        handshakes = await tls_server(there, ca, tmp_path, tls12=tls12)
        for _ in range(20):
            assert (await there.ask()).status == 200
        assert handshakes == [False]
        await until(lambda: not there.plane.pools._pools)
        assert (await there.ask()).status == 200
        assert handshakes == [False, True]


async def test_a_session_that_the_server_has_forgotten_is_a_handshake(
    there: World, ca: trustme.CA, tmp_path: Path
) -> None:
    """Another server under the same name: its certificate is verified in full."""
    for _ in range(2):
        handshakes = await tls_server(there, ca, tmp_path)
        assert (await there.ask()).status == 200
        assert handshakes == [False]


@pytest.mark.parametrize(
    "headers",
    [
        (b"X-RateLimit-Remaining-Requests: 0", b"X-RateLimit-Reset-Requests: 6m0s"),
        (b"x-ratelimit-remaining-tokens: 0", b"x-ratelimit-reset-tokens: 20s"),
    ],
)
@pytest.mark.parametrize("cut", [False, True])
async def test_a_provider_with_none_left_is_not_asked_until_its_reset(
    there: World, headers: tuple[bytes, ...], cut: bool
) -> None:
    """The fallback answers meanwhile; the caller sees none of the provider's headers."""
    asked: list[bytes] = []

    def reply(head: bytes) -> bytes:
        asked.append(head)
        return answer(*headers, *((b"connection: keep-alive",) if cut else ()))

    port = await there.scripted_port(serves(reply))
    there.external("cloud", f"http://127.0.0.1:{port}/v1", key=OLD)
    await there.simulator("second")
    there.route("cloud", "second")
    first = await there.ask()
    assert first.headers["x-pointsman-backend"] == "cloud"
    assert not [name for name in first.headers if "ratelimit" in name]
    for _ in range(3):
        assert (await there.ask()).headers["x-pointsman-backend"] == "second"
    assert len(asked) == 1
    assert there.count("attempts_total", backend="cloud", outcome="RateLimited") == 3
    there.plane.providers.closed["cloud"] -= 60.1
    assert (await there.ask()).headers["x-pointsman-backend"] == "cloud"


async def test_without_a_fallback_the_caller_is_told_when_to_come_back(there: World) -> None:
    """429 with Retry-After, and nothing is sent."""
    asked: list[bytes] = []

    def reply(head: bytes) -> bytes:
        asked.append(head)
        return answer(b"x-ratelimit-remaining-requests: 0", b"x-ratelimit-reset-requests: 30s")

    port = await there.scripted_port(serves(reply))
    there.external("cloud", f"http://127.0.0.1:{port}/v1", key=OLD)
    there.route("cloud")
    assert (await there.ask()).status == 200
    refused = await there.ask()
    assert refused.status == 429
    assert 28 <= int(refused.headers["retry-after"]) <= 30
    assert "rate limit is used up" in str(refused.error["message"])
    assert len(asked) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_429_closes_a_provider_for_as_long_as_it_says(there: World, stream: bool) -> None:
    """`retry-after-ms` is the finer one; the next request does not meet the 429 again."""
    asked: list[bytes] = []

    def reply(head: bytes) -> bytes:
        asked.append(head)
        waits = (b"retry-after-ms: 20000", b"retry-after: 1")
        return answer(*waits, status=b"429 Too Many Requests", body=b"{}")

    port = await there.scripted_port(serves(reply))
    there.external("cloud", f"http://127.0.0.1:{port}/v1", key=OLD)
    await there.simulator("second")
    there.route("cloud", "second", fallback=Fallback(chain=("second",), on=("Saturated", "Error")))
    for _ in range(3):
        reply_ = await there.ask(chat(stream=stream))
        assert reply_.headers["x-pointsman-backend"] == "second"
    assert len(asked) == 1
    assert there.plane.providers.closed["cloud"] - there.plane.clock() > 15


async def test_a_short_429_is_waited_for_and_asked_again(there: World) -> None:
    """No fallback: the retry begins when the provider is open again, and is not refused."""
    asked: list[bytes] = []

    def reply(head: bytes) -> bytes:
        asked.append(head)
        if len(asked) == 1:
            return answer(b"retry-after-ms: 450", status=b"429 Too Many Requests", body=b"{}")
        return answer()

    port = await there.scripted_port(serves(reply))
    there.external("cloud", f"http://127.0.0.1:{port}/v1", key=OLD)
    there.route("cloud")
    assert (await there.ask()).status == 200
    assert len(asked) == 2
    assert there.count("attempts_total", backend="cloud", outcome="RateLimited") == 0


async def test_what_is_over_is_forgotten(there: World) -> None:
    """Backends come and go; those that nobody asks any more are not kept."""
    there.external("cloud", "http://127.0.0.1:1/v1", key=OLD)
    providers, backend = there.plane.providers, there.backends["cloud"]
    for number in range(100):
        one = structs.replace(backend, name=f"b{number}")
        providers.heard(one, 429, {b"retry-after": b"5"}, {}, float(10 * number))
    assert list(providers.closed) == ["b99"]


async def test_a_new_key_costs_no_request(there: World) -> None:
    """
    The provider takes the old key, then the new one only, while requests are under way.

    Those that were sent with the old key are refused, and asked once more with the one of now.
    """
    valid = [OLD]
    seen: list[bool] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            await reader.readexactly(length)
            if valid[0] == NEW and OLD in head:
                there.live.credentials = {("cloud-key", "api-key", url): NEW}
            seen.append(NEW in head)
            good = b"Bearer " + valid[0] + b"\r\n" in head
            writer.write(answer() if good else answer(status=b"401 Unauthorized", body=b"{}"))

    url = f"http://127.0.0.1:{await there.scripted_port(handle)}/v1"
    there.external("cloud", url, key=OLD)
    there.route("cloud")
    replies = []
    for number in range(40):
        if number == 20:
            valid[0] = NEW
        replies.extend(await asyncio.gather(*(there.ask() for _ in range(4))))
    assert {reply.status for reply in replies} == {200}
    assert seen.count(True) == 80
    assert 80 < len(seen) - 80 + 4 <= 88


async def test_a_key_that_stays_refused_is_asked_once(there: World) -> None:
    """No loop: without another key the 401 is the attempt's end."""
    asked: list[bytes] = []

    def reply(head: bytes) -> bytes:
        asked.append(head)
        return answer(status=b"401 Unauthorized", body=b"{}")

    port = await there.scripted_port(serves(reply))
    there.external("cloud", f"http://127.0.0.1:{port}/v1", key=OLD)
    there.route("cloud")
    assert (await there.ask()).status == 502
    assert len(asked) == 1
