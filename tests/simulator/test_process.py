"""The command itself: where it listens, how it ends, what it serves over TLS."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from tests.simulator.running import chat, encode, post, read_answer, send

pytestmark = pytest.mark.local
COMMAND = [sys.executable, "-m", "pointsman.simulator", "--model", "m", "--host", "127.0.0.1",
           "--port", "0"]  # fmt: skip
DEADLINE_S = 20.0


@asynccontextmanager
async def started(*flags: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A real process and the URL it printed; killed if the test has not ended it."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *flags, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            line = (await process.stdout.readline()).decode()
            assert line.startswith("listening on http"), line
            yield process, line.split()[-1]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def port_of(url: str) -> int:
    """The port of a printed URL."""
    return int(url.rpartition(":")[2])


async def test_sigterm_lets_running_work_end() -> None:
    """New work gets 503, the running stream ends with [DONE], the exit code is 0."""
    async with started("--ttft", "0", "--tokens-per-second", "40") as (process, url):
        port = port_of(url)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(encode("POST", "/v1/chat/completions", chat(stream=True, max_tokens=30)))
        first = await reader.readuntil(b"assistant")
        process.send_signal(signal.SIGTERM)
        while (health := await send(port, "GET", "/health")).status == 200:
            pass
        assert (health.status, health.error()["code"]) == (503, "draining")
        refused = await post(port, chat())
        assert (refused.status, refused.error()["code"]) == (503, "draining")
        rest = first + await reader.read()
        writer.close()
        assert rest.endswith(b"0\r\n\r\n")
        assert b"data: [DONE]" in rest
        out, errors = await process.communicate()
        assert (process.returncode, out, errors) == (0, b"", b"")


@pytest.mark.parametrize("ending", ["deadline", "second signal"])
async def test_a_drain_has_an_end(ending: str) -> None:
    """What is still running after the drain time, or at a second signal, is cut off; exit 0."""
    drain = "100ms" if ending == "deadline" else "1h"
    async with started("--ttft", "1h", "--drain", drain) as (process, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
        writer.write(encode("POST", "/v1/chat/completions", chat()))
        while (
            b"running{" + b'engine="0",model_name="m"} 1'
            not in (await send(port_of(url), "GET", "/metrics")).body
        ):
            pass
        process.terminate()
        if ending != "deadline":
            while (await send(port_of(url), "GET", "/health")).status == 200:
                pass
            process.terminate()
        assert await reader.read() == b""
        writer.close()
        assert await process.wait() == 0


async def test_idle_connections_do_not_delay_the_end() -> None:
    """Clients keep connections open; a drain does not wait for them."""
    async with started("--drain", "1h") as (process, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
        writer.write(encode("GET", "/health"))
        assert (await read_answer(reader, "GET")).status == 200
        process.terminate()
        assert await process.wait() == 0
        assert await reader.read() == b""
        writer.close()


async def test_tls(tmp_path: Path) -> None:
    """HTTPS with the given certificate: a stand-in for an external provider, resets included."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for part in certificate.cert_chain_pems:
        part.write_to_path(str(cert), append=True)
    certificate.private_key_pem.write_to_path(str(key))
    client = ssl.create_default_context()
    authority.configure_trust(client)
    flags = ("--tls-cert", str(cert), "--tls-key", str(key), "--ttft", "0", "--control")
    async with started(*flags) as (process, url):
        assert url.startswith("https://")
        answer = await send(port_of(url), "GET", "/v1/models", tls=client)
        assert answer.json()["data"][0]["id"] == "m"
        fault = {"mode": "DieMidStream", "after_tokens": 2}
        await send(port_of(url), "PUT", "/simulator/faults", fault, tls=client)
        body = chat(stream=True)
        path = "/v1/chat/completions"
        died = await send(port_of(url), "POST", path, body, tls=client)
        assert not died.whole
        assert len(died.events()) == 3
        process.terminate()
        assert await process.wait() == 0


def test_a_taken_port_is_said_in_one_line() -> None:
    """Exit 1 and the reason, no traceback."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [*COMMAND[:-1], port], capture_output=True, text=True, check=False, timeout=DEADLINE_S
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith("pointsman-simulator: ")
    assert ended.stderr.count("\n") == 1


def test_the_start_stays_light() -> None:
    """Five start in a demo: no pydantic, no aiohttp, no HTTP or Prometheus library."""
    code = (
        "import sys, json, pointsman.simulator.__main__;"
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=DEADLINE_S
    )
    loaded = set(json.loads(ended.stdout))
    assert {"httptools", "msgspec"} <= loaded
    assert not loaded & {"pydantic", "aiohttp", "prometheus_client", "email", "yaml", "openai"}
