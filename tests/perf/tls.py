"""What TLS to a provider costs, beside plain HTTP: `python -m tests.perf.tls [--json PATH]`.

One data plane and one backend in this process, in turns: plain, TLS. CPU of both ends together, so
a request's and a handshake's cost is an upper bound of the router's own; compare the ratios. Three
kinds of connection: kept (a request on an open one), new (a full handshake), resumed (a session).
Every round counts the handshakes that the backend saw, and fails where they are not what was
meant. QUICK=1 does few. Loopback only, ends by itself.
"""

import argparse
import asyncio
import json
import os
import ssl
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

import trustme
import uvloop

from pointsman.router.serve import dial
from tests.perf.inprocess import ANSWER
from tests.router.serve.world import LIMITS, Client, World, chat, post, world

KINDS: Final = ("kept", "new", "resumed")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured; `kept` and `fresh` are requests of a round."""

    rounds: int = 9
    kept: int = 2000
    fresh: int = 100


QUICK: Final = Plan(3, 200, 20)


@dataclass(frozen=True, slots=True)
class Row:
    """Microseconds of one request, medians over rounds; `times_plain` compares with plain HTTP."""

    connection: str
    plain_us: float
    tls_us: float
    times_plain: float
    least: float
    most: float


class Backend:
    """Answers all in one read; counts connections, and which of them resumed a session."""

    def __init__(self) -> None:
        self.handshakes: list[bool] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the connection ends."""
        tls = writer.get_extra_info("ssl_object")
        self.handshakes.append(bool(tls and tls.session_reused))
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                await reader.readexactly(length)
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass
        finally:
            writer.close()


async def _asked(client: Client, number: int, fresh: Callable[[], None]) -> float:
    """CPU seconds of one request, over so many."""
    request = post(chat())
    began_s = time.process_time()
    for _ in range(number):
        fresh()
        await client.send(request)
        reply = await client.reply()
        if reply.status != 200:
            raise SystemExit(f"tests.perf.tls: a request was answered {reply.status}")
    return (time.process_time() - began_s) / number


def _close_all(there: World) -> None:
    for pool in list(there.plane.pools._pools.values()):
        pool.close()


def _forget(there: World, bundle: str) -> None:
    _close_all(there)
    dial._trust(bundle).sessions.clear()  # type: ignore[attr-defined]


async def _measure(
    plan: Plan, stack: AsyncExitStack, folder: Path
) -> dict[str, list[tuple[float, float]]]:
    ca, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "pem"))
    context.load_cert_chain(folder / "pem")
    bundle = ca.cert_pem.bytes().decode()
    there = await stack.enter_async_context(world(LIMITS))
    backend = Backend()
    for name, tls in (("plain", None), ("tls", context)):
        server = await asyncio.start_server(backend.handle, "127.0.0.1", 0, ssl=tls)
        stack.callback(server.close)
        port = server.sockets[0].getsockname()[1]
        url = f"{'https' if tls else 'http'}://localhost:{port}/v1"
        there.external(name, url, key=b"k", ca_bundle=bundle if tls else None)
    client = await stack.enter_async_context(there.client())
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    for _ in range(plan.rounds + 1):
        for kind in KINDS:
            pair = []
            for name in ("plain", "tls"):
                there.route(name)
                await _asked(client, 1, lambda: _forget(there, bundle))
                fresh: Callable[[], None] = {
                    "kept": lambda: None,
                    "new": lambda: _forget(there, bundle),
                    "resumed": lambda: _close_all(there),
                }[kind]
                number = plan.kept if kind == "kept" else plan.fresh
                backend.handshakes.clear()
                pair.append(await _asked(client, number, fresh))
                resumed = kind == "resumed" and name == "tls"
                meant = [] if kind == "kept" else [resumed] * number
                if backend.handshakes != meant:
                    raise SystemExit(
                        f"tests.perf.tls: {kind}, {name}: {len(backend.handshakes)} handshakes,"
                        f" {sum(backend.handshakes)} resumed, meant were {len(meant)}"
                    )
            found[kind].append((pair[0], pair[1]))
    return {kind: pairs[1:] for kind, pairs in found.items()}  # the first warms up


def rows(measured: dict[str, list[tuple[float, float]]]) -> list[Row]:
    """One for each kind of connection."""
    table = []
    for kind, pairs in measured.items():
        ratios = [tls / plain for plain, tls in pairs]
        plain_us, tls_us = (median(one) * 1e6 for one in zip(*pairs, strict=True))
        table.append(Row(kind, plain_us, tls_us, median(ratios), min(ratios), max(ratios)))
    return table


async def measure(plan: Plan) -> list[Row]:
    """One round more than the plan says, the first of which warms up."""
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            return rows(await _measure(plan, stack, Path(folder)))


def main() -> int:
    """Print the table; with --json also write it."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.tls", description=__doc__)
    parser.add_argument("--json", type=Path, help="where to write the figures as well")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        table = runner.run(measure(QUICK if os.environ.get("QUICK") else Plan()))
    print("| connection | plain us | TLS us | times plain (range) | TLS adds us |")
    print("|---|---|---|---|---|")
    for row in table:
        print(
            f"| {row.connection} | {row.plain_us:.0f} | {row.tls_us:.0f} |"
            f" {row.times_plain:.2f} ({row.least:.2f}-{row.most:.2f}) |"
            f" {row.tls_us - row.plain_us:.0f} |"
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in table], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
