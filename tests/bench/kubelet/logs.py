"""The kubelet's HTTPS port, as far as `kubectl logs` needs it.

Serves /containerLogs with follow and tailLines. Refuses exec, attach and port-forward (404):
Bench.exec and the pod's own address do that without a tunnel.
"""

import asyncio
import ssl
from collections import deque
from pathlib import Path

from aiohttp import web

from tests.bench.netns import HOST_IP

FIRST_PORT = 10250
FOLLOW_S = 0.5


async def serve_logs(directory: Path, index: int) -> web.AppRunner:
    """Listen on the node's port; the caller cleans the runner up."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    pki = directory / "pki"
    tls.load_cert_chain(pki / "server.crt", pki / "server.key")
    application = web.Application()

    async def on_logs(request: web.Request) -> web.StreamResponse:
        return await _send(request, directory / "log")

    application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", on_logs)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, HOST_IP, FIRST_PORT + index, ssl_context=tls).start()
    return runner


async def _send(request: web.Request, logs: Path) -> web.StreamResponse:
    name = "_".join(request.match_info[part] for part in ("namespace", "pod", "container"))
    path = logs / f"{name}.log"
    if not path.is_file():
        raise web.HTTPNotFound(text=f"no log of {name}")
    response = web.StreamResponse(headers={"content-type": "text/plain"})
    await response.prepare(request)
    with path.open("rb") as log:
        last = request.query.get("tailLines")
        content = b"".join(deque(log, maxlen=int(last))) if last else log.read()
        await response.write(content)
        while request.query.get("follow") in {"true", "1"}:
            await asyncio.sleep(FOLLOW_S)
            if more := log.read():
                await response.write(more)
    return response
