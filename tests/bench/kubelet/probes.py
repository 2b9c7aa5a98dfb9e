"""Startup, readiness and liveness probes against one running container.

Guarantees: a kubelet's defaults, periods, thresholds and timeouts; liveness and readiness wait
for startup. A probe is httpGet, tcpSocket or exec; anything else fails and says so.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

Json = dict[str, Any]
Run = Callable[[Sequence[str]], Awaitable[int]]
"""Runs a command inside the container and returns its exit status."""


def port_number(port: int | str, container: Json) -> int:
    """A probe's port: a number, or the name of one of the container's ports."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    named = {entry.get("name"): entry["containerPort"] for entry in container.get("ports", ())}
    if port not in named:
        raise OSError(f"unknown port {port}")
    return int(named[port])


async def act(action: Json, container: Json, address: str, run: Run) -> str | None:
    """Do a probe's or hook's action once; None when it went well, else what went wrong."""
    try:
        if "httpGet" in action:
            return await _http_get(action["httpGet"], container, address)
        if "tcpSocket" in action:
            port = port_number(action["tcpSocket"]["port"], container)
            _, writer = await asyncio.open_connection(address, port)
            await _close(writer)
            return None
        if "exec" in action:
            status = await run(action["exec"]["command"])
            return None if status == 0 else f"command ended with {status}"
        if "sleep" in action:
            await asyncio.sleep(action["sleep"]["seconds"])
            return None
    except OSError as error:
        return str(error)
    return f"this kubelet has no action {sorted(action)}"


async def _http_get(get: Json, container: Json, address: str) -> str | None:
    port = port_number(get["port"], container)
    tls = None
    if get.get("scheme", "HTTP") == "HTTPS":
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    host = get.get("host") or address
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        headers = {"Host": f"{host}:{port}", "User-Agent": "kube-probe/1.37", "Connection": "close"}
        headers |= {entry["name"]: entry["value"] for entry in get.get("httpHeaders", ())}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"GET {get.get('path') or '/'} HTTP/1.1\r\n{lines}\r\n".encode())
        status_line = (await reader.readline()).split()
        if len(status_line) < 2 or not status_line[1].isdigit():
            return "no HTTP answer"
        status = int(status_line[1])
        return None if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}"
    finally:
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def watch_probe(
    probe: Json, container: Json, address: str, run: Run, on_change: Callable[[bool, str], None]
) -> None:
    """Probe forever; `on_change(ok, message)` each time a threshold is crossed."""
    period_s = probe.get("periodSeconds", 10)
    thresholds = {True: probe.get("successThreshold", 1), False: probe.get("failureThreshold", 3)}
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    last, streak = None, 0
    while True:
        try:
            async with asyncio.timeout(probe.get("timeoutSeconds", 1)):
                failure = await act(probe, container, address, run)
        except TimeoutError:
            failure = "probe timed out"
        ok = failure is None
        streak = streak + 1 if ok == last else 1
        last = ok
        if streak == thresholds[ok]:
            on_change(ok, failure or "")
        await asyncio.sleep(period_s)
