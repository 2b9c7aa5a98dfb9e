"""Backends behind a URL: verified TLS, keys, and addresses that are never dialed."""

import asyncio
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from pointsman.router.serve.limits import Limits
from tests.router.serve.test_fallback import JSON_HEAD, answers
from tests.router.serve.world import LIMITS, World, chat, world

KEY = b"sk-of-the-router"


@dataclass(frozen=True)
class Certificates:
    """A CA and certificates it signed."""

    ca: str
    other_ca: str
    good: Path
    wrong_name: Path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """For `localhost`, and for another name."""
    folder = tmp_path_factory.mktemp("tls")
    ca, other = trustme.CA(), trustme.CA()
    for name, host in (("good", "localhost"), ("wrong", "example.test")):
        issued = ca.issue_cert(host)
        issued.private_key_and_cert_chain_pem.write_to_path(str(folder / name))
    pems = [authority.cert_pem.bytes().decode() for authority in (ca, other)]
    return Certificates(pems[0], pems[1], folder / "good", folder / "wrong")


async def tls_backend(there: World, certificate: Path) -> int:
    """A simulator behind TLS that wants the router's key; its port."""
    _, port = await there.simulated(
        "cloud", tls_cert=str(certificate), tls_key=str(certificate), api_key=KEY.decode()
    )
    return port


@pytest.mark.parametrize("stream", [False, True])
async def test_a_trusted_certificate_passes_and_the_key_is_the_routers(
    there: World, certificates: Certificates, stream: bool
) -> None:
    """The caller's key stays; Host and path come from the URL."""
    port = await tls_backend(there, certificates.good)
    url = f"https://localhost:{port}/v1/"
    there.external("cloud", url, key=KEY, ca_bundle=certificates.ca)
    there.route("cloud")
    for _ in range(2):
        reply = await there.ask(chat(stream=stream), authorization="Bearer sk-caller")
        assert reply.status == 200
        assert reply.content.startswith("model-cloud here.")
    for headers in there.seen("cloud"):
        assert headers["authorization"] == f"Bearer {KEY.decode()}"
        assert headers["host"] == f"localhost:{port}"
    assert len(there.simulators["cloud"].connections) == 1


@pytest.mark.parametrize("wrong", ["ca", "system", "name", "no tls"])
async def test_a_certificate_that_is_not_trusted_is_refused(
    there: World, certificates: Certificates, wrong: str
) -> None:
    """Another CA, the system's CAs, another name, no TLS at all: nothing is sent."""
    if wrong == "no tls":
        _, port = await there.simulated("cloud")
    else:
        port = await tls_backend(
            there, certificates.wrong_name if wrong == "name" else certificates.good
        )
    bundle = {"ca": certificates.other_ca, "system": None}.get(wrong, certificates.ca)
    there.external("cloud", f"https://localhost:{port}/v1", key=KEY, ca_bundle=bundle)
    await there.simulator("second")
    there.route("cloud", "second")
    assert (await there.ask()).headers["x-pointsman-backend"] == "second"
    assert there.count("attempts_total", backend="cloud", outcome="TlsFailed") == 1
    assert there.simulators["cloud"].log.as_json() == []
    there.route("cloud", request_timeout_s=0.3)
    assert (await there.ask()).status in (502, 504)


@pytest.mark.parametrize("bundle", ["ä", "nonsense", "-----BEGIN CERTIFICATE-----"])
async def test_a_bundle_that_is_none_is_an_error(there: World, bundle: str) -> None:
    """The candidate counts as failed at once; nothing waits for it, nothing of it is kept."""
    there.external("cloud", "https://127.0.0.1:1/v1", key=KEY, ca_bundle=bundle)
    await there.simulator("second")
    there.route("cloud", "second")
    assert (await there.ask()).headers["x-pointsman-backend"] == "second"
    assert there.count("attempts_total", backend="cloud", outcome="TlsFailed") == 1
    assert [key[1] for key in there.plane.pools._pools if key[1] == 1] == []


async def test_a_bug_while_dialing_ends_the_attempt(
    there: World, monkeypatch: pytest.MonkeyPatch, errors: list[str]
) -> None:
    """Whatever a library raises: it is logged, and the next candidate answers."""

    async def dial(*_: object) -> None:
        monkeypatch.undo()
        raise KeyError("a bug")

    await there.simulator("first")
    await there.simulator("second")
    there.route("first", "second")
    monkeypatch.setattr("pointsman.router.serve.upstream.dial", dial)
    assert (await there.ask()).headers["x-pointsman-backend"] == "second"
    assert errors.pop().startswith("dialing met a bug\n")
    assert there.count("attempts_total", backend="first", outcome="InternalError") == 1


async def test_a_missing_key_is_an_error_with_a_reason(there: World) -> None:
    """The candidate counts as failed; the Secret is named, nothing is sent."""
    _, port = await there.simulated("cloud")
    there.external("cloud", f"http://127.0.0.1:{port}/v1")
    there.route("cloud")
    reply = await there.ask()
    assert reply.status == 502
    assert "Secret cloud-key, is not available" in str(reply.error["message"])
    assert there.simulators["cloud"].log.as_json() == []


async def test_a_refused_key_falls_back_and_is_not_told(there: World) -> None:
    """401 is about the router's key, never about the caller's."""
    body = b"Incorrect API key provided: sk-of-the-router"
    port = await there.scripted_port(
        answers(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    )
    there.external("cloud", f"http://127.0.0.1:{port}/v1", key=KEY)
    there.route("cloud")
    reply = await there.ask()
    assert reply.status == 502
    assert "does not accept the router's credential" in str(reply.error["message"])
    assert b"sk-of" not in reply.body


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200", "0.0.0.0", "224.0.0.1",
     "[::ffff:169.254.169.254]", "127.0.0.1", "localhost", "[::1]"],
)  # fmt: skip
async def test_the_router_never_dials_metadata_link_local_or_loopback(host: str) -> None:
    """Refused by the resolved address, whatever the name."""
    async with world(Limits(tick_s=0.005)) as there:
        there.external("cloud", f"http://{host}/v1", key=KEY)
        there.route("cloud")
        reply = await there.ask()
        assert reply.status == 502
        assert "cloud: its address is" in str(reply.error["message"])
        assert there.count("attempts_total", backend="cloud", outcome="AddressRefused") == 1


async def test_a_name_that_resolves_to_a_refused_address_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The guard looks at what is dialed, and nothing is resolved a second time."""
    asked: list[str] = []
    loop = asyncio.get_running_loop()

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        address = ("169.254.169.254", port) if len(asked) == 1 else ("127.0.0.1", port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

    async with world(LIMITS) as there:
        port = await there.scripted_port(answers(JSON_HEAD + b"content-length: 14\r\n\r\n"
                                                 b'{"choices":[]}'))  # fmt: skip
        there.external("cloud", f"http://rebind.test:{port}/v1", key=KEY)
        there.route("cloud")
        if hasattr(loop, "_selector"):  # uvloop's methods cannot be replaced
            monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
            first = await there.ask()
            assert "its address is a metadata service" in str(first.error["message"])
            assert (await there.ask()).status == 200
            assert asked == ["rebind.test", "rebind.test"]


async def test_a_name_that_does_not_resolve_is_an_error(there: World) -> None:
    """.invalid never resolves (RFC 2606)."""
    there.external("cloud", "https://nowhere.invalid/v1", key=KEY)
    await there.simulator("second")
    there.route("cloud", "second")
    assert (await there.ask()).headers["x-pointsman-backend"] == "second"
    assert there.count("attempts_total", backend="cloud", outcome="NameUnknown") == 1


async def test_the_urls_query_and_path_are_kept(there: World) -> None:
    """Azure-style URLs carry a query."""
    _, port = await there.simulated("cloud")
    there.external("cloud", f"http://127.0.0.1:{port}/openai/x?api-version=1", key=KEY)
    there.route("cloud")
    await there.ask()
    (entry,) = there.simulators["cloud"].log.as_json()
    assert str(entry["path"]).startswith("/openai/x/chat/completions")


async def test_two_backends_of_one_host_are_asked_each_in_its_own_way(there: World) -> None:
    """Deployments at Azure differ in nothing but path and query; their connections are the same."""
    lines: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines.append(head.partition(b"\r\n")[0])
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
            writer.write(b"content-length: 2\r\n\r\n{}")

    port = await there.scripted_port(note)
    base = f"http://127.0.0.1:{port}/openai/deployments"
    there.external("one", f"{base}/one?api-version=1", key=KEY)
    there.external("two", f"{base}/two?api-version=2", key=KEY)
    for name in ("one", "two", "one"):
        there.route(name)
        assert (await there.ask()).status == 200
    assert lines == [
        b"POST /openai/deployments/%b/chat/completions?api-version=%b HTTP/1.1" % asked
        for asked in ((b"one", b"1"), (b"two", b"2"), (b"one", b"1"))
    ]
