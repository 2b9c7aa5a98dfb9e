"""The kubelet's control surface for fault tests: one JSON line in, one out, over a unix socket."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

from tests.bench.kubelet.agent import Agent
from tests.bench.kubelet.container import Container

Json = dict[str, Any]


class Refused(Exception):
    """The kubelet could not do what was asked; the message says why."""


def ask(path: Path, **request: object) -> Json:
    """Send one request and wait for its answer; raises Refused."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(15)
        connection.connect(str(path))
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as stream:
            answer: Json = json.loads(stream.readline())
    if "error" in answer:
        raise Refused(answer["error"])
    return answer


async def serve(agent: Agent, path: Path) -> asyncio.Server:
    """Listen for requests at `path`."""

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await _do(agent, json.loads(await reader.readline()))
        except (LookupError, OSError, ValueError) as error:
            answer = {"error": str(error)}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(on_connection, str(path))


async def _do(agent: Agent, request: Json) -> Json:
    pod = agent.find(request["namespace"], request["pod"])
    match request["do"]:
        case "kill":
            _container(pod.containers(), request).send_signal(request["signal"])
            return {}
        case "pid":
            return {"pid": _container(pod.containers(), request).pid}
        case "network":
            await asyncio.to_thread(pod.network.set_up, request["up"])
            return {}
        case "volume":
            return {"path": str(pod.volume(request["volume"]))}
    raise ValueError(f"no such request: {request['do']}")


def _container(containers: Any, request: Json) -> Container:
    candidates: list[Container] = list(containers)
    wanted = request.get("container") or candidates[-1].name
    for container in candidates:
        if container.name == wanted:
            return container
    raise LookupError(f"no container {wanted} in {request['pod']}")
