"""External backends through an HTTP proxy."""

import asyncio
from pathlib import Path

import pytest
import trustme

from pointsman.router.proxy import proxy_from
from tests.router.serve.test_providers import OLD, ca, tls_server
from tests.router.serve.world import World

__all__ = ["ca"]


async def proxied(
    there: World, answer: bytes = b"HTTP/1.1 200 Connected\r\n\r\n", *, no_proxy: str = ""
) -> list[bytes]:
    """A CONNECT proxy that all goes through; the heads that it was sent."""
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        writer.write(answer)
        await writer.drain()
        if not (answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n")):
            return
        port = int(head.split(b" ")[1].rpartition(b":")[2])
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)

        async def copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                to.write(data)

        pairs = ((reader, far_writer), (far_reader, writer))
        copies = [asyncio.ensure_future(copy(*pair)) for pair in pairs]
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            far_writer.close()
            for task in copies:
                task.cancel()
            await asyncio.gather(*copies, return_exceptions=True)

    port = await there.scripted_port(handle)
    url = f"http://me:hunter2@127.0.0.1:{port}"
    there.plane.pools._proxy = proxy_from({"HTTPS_PROXY": url, "NO_PROXY": no_proxy})
    return heads


async def test_a_provider_is_reached_through_the_proxy(
    there: World, ca: trustme.CA, tmp_path: Path
) -> None:
    """One CONNECT for many requests; its certificate is the provider's, not the proxy's."""
    handshakes = await tls_server(there, ca, tmp_path)
    heads = await proxied(there)
    for _ in range(5):
        assert (await there.ask()).status == 200
    assert handshakes == [False]
    (head,) = heads
    assert head.startswith(b"CONNECT localhost:")
    assert b"\r\nproxy-authorization: Basic bWU6aHVudGVyMg==\r\n" in head
    assert OLD not in head


async def test_exempt_hosts_services_and_plain_http_go_past_it(
    there: World, ca: trustme.CA, tmp_path: Path
) -> None:
    """A Service in the cluster never goes through it, whatever NO_PROXY says."""
    await tls_server(there, ca, tmp_path)
    heads = await proxied(there, no_proxy="localhost")
    assert (await there.ask()).status == 200
    await there.simulator("service")
    _, port = await there.simulated("plain")
    there.external("plain", f"http://127.0.0.1:{port}/v1", key=OLD)
    await proxied(there)
    for name in ("service", "plain"):
        there.route(name)
        assert (await there.ask()).headers["x-pointsman-backend"] == name
    assert heads == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 407 No\r\n\r\n", "the proxy does not accept the router's credentials"),
        (b"HTTP/1.1 403 Forbidden by hunter2\r\n\r\n", "the proxy answered 403"),
        (b"SSH-2.0-x\r\n\r\n", "the proxy's answer is not HTTP"),
        (b"x" * 20_000, "the proxy's answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\n!", "the proxy sent more than its answer"),
        (b"HTTP/1.1 200 OK\r\n", "the proxy closed the connection"),
    ],
)
async def test_a_proxy_that_refuses_is_an_error_with_a_reason(
    there: World, ca: trustme.CA, tmp_path: Path, answer: bytes, told: str
) -> None:
    """The next candidate answers; nothing of the proxy's text or credentials is told."""
    await tls_server(there, ca, tmp_path)
    await proxied(there, answer)
    there.route("cloud", request_timeout_s=0.3)
    reply = await there.ask()
    assert reply.status in (502, 504)
    message = str(reply.error["message"])
    assert told in message
    assert "hunter2" not in message
    await there.simulator("second")
    there.route("cloud", "second")
    assert (await there.ask()).headers["x-pointsman-backend"] == "second"
    assert there.count("attempts_total", backend="cloud", outcome="ProxyFailed") >= 2


async def test_a_proxy_that_is_not_there_is_an_error(
    there: World, ca: trustme.CA, tmp_path: Path
) -> None:
    """As a provider that refuses connections."""
    await tls_server(there, ca, tmp_path)
    there.plane.pools._proxy = proxy_from({"HTTPS_PROXY": "http://127.0.0.1:1"})
    await there.simulator("second")
    there.route("cloud", "second")
    assert (await there.ask()).headers["x-pointsman-backend"] == "second"
    assert there.count("attempts_total", backend="cloud", outcome="ProxyFailed") == 1


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "[fe80::1]",
        "2852039166",
        "0xa9fea9fe",
        "169.254.43518",
        "169.254.169.254.",
    ],
)
async def test_an_address_that_is_never_dialed_is_not_named_to_the_proxy(
    there: World, host: str
) -> None:
    """A proxy could reach a metadata service as well."""
    heads = await proxied(there)
    there.external("cloud", f"https://{host}/v1", key=OLD)
    there.route("cloud")
    assert "its address is a" in str((await there.ask()).error["message"])
    assert heads == []
