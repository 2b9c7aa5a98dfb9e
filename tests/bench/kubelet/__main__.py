"""Run the process kubelet until SIGTERM: python -m tests.bench.kubelet --kubeconfig F --node N."""

import argparse
import asyncio
import contextlib
import logging
import shutil
import signal
from pathlib import Path

from tests.bench.kubelet import control
from tests.bench.kubelet.agent import Agent, memory_directory
from tests.bench.kubelet.api import Api
from tests.bench.kubelet.logs import FIRST_PORT, serve_logs
from tests.bench.kubelet.node import keep_ready, register


async def run(kubeconfig: Path, node: str, index: int, directory: Path) -> None:
    """Register the node and run its pods until SIGTERM or SIGINT, then leave nothing behind."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    memory = memory_directory(directory) / node
    async with Api(kubeconfig) as api:
        agent = Agent(api, node, index=index, directory=directory, memory=memory)
        server = await control.serve(agent, directory / f"{node}.sock")
        logs = await serve_logs(directory, index)
        await register(api, node, FIRST_PORT + index)
        tasks = [
            asyncio.create_task(agent.follow()),
            asyncio.create_task(keep_ready(api, node, FIRST_PORT + index)),
        ]
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        for task in [*tasks, stopped]:
            task.cancel()
        await asyncio.gather(*tasks, stopped, return_exceptions=True)
        await agent.shut_down()
        server.close()
        await logs.cleanup()
        shutil.rmtree(memory, ignore_errors=True)
        with contextlib.suppress(OSError):
            memory.parent.rmdir()
        for task in done - {stopped}:
            task.result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--node", default="bench-0")
    parser.add_argument("--index", type=int, default=0, help="chooses the node's pod addresses")
    parser.add_argument("--dir", type=Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(run(options.kubeconfig, options.node, options.index, options.dir))


main()
