"""Rows about full disks: each on a small file system that a test fills to its last byte."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.bench import Bench
from tests.faults.storm import counted, metric
from tests.ledger.process import LedgerProcess
from tests.perf import processes
from tests.perf.processes import line
from tests.router.control.objects import (
    NAMESPACE,
    blob_object,
    entry,
    manifest,
    manifest_object,
    policy,
)
from tests.router.control.process import router_process
from tests.router.control.rights import grant

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]
PATIENCE_S: Final = 60.0
RELEASE: Final = "pointsman"
REQUESTS: Final = 200
_BODY: Final = json.dumps(
    {"model": "auto", "messages": [{"role": "user", "content": "Which train leaves first?"}]}
)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own at this folder."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "pointsman", str(folder)]
    subprocess.run(command, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """To the last byte; the file to remove."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


def comes(holds: Callable[[], object], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s, f"waited {PATIENCE_S:.0f} s for {what}"
        time.sleep(0.05)


async def test_a_full_disk_keeps_no_router_from_new_tables(bench: Bench, tmp_path: Path) -> None:
    """In force and acknowledged from memory; on disk when there is room; served after a kill."""
    account = grant(bench)
    first, second = policy(revision="r1"), policy(revision="r2")

    async def put(*objects: dict[str, Any]) -> None:
        for thing in objects:
            await asyncio.to_thread(bench.apply, json.dumps(thing))

    await put(blob_object(first), manifest_object(manifest(1, entry(first))))
    token = await asyncio.to_thread(
        bench.token, NAMESPACE, "pointsman-operator", "pointsman-router"
    )
    options = [f"--kubeconfig={account}", f"--release={RELEASE}"]
    with small_disk(tmp_path / "state", "1m") as disk:
        with router_process(tmp_path, *options) as router:
            async with router.stream(token) as events:
                await events.until(lambda event: [a.revision for a in event.acks] == ["r1"])
                await router.until_ready(lambda ready: not ready["state"])
                filler = fill(disk)
                await put(
                    blob_object(second), manifest_object(manifest(2, entry(second, revision="r2")))
                )
                await events.until(lambda event: [a.revision for a in event.acks] == ["r2"])
            await router.until_ready(lambda ready: "table" in ready["state"])
            assert (await router.json("/readyz"))["ready"]
            filler.unlink()
            await router.until_ready(lambda ready: not ready["state"])
            router.signal(signal.SIGKILL)
        await asyncio.to_thread(bench.stop_api)
        try:
            with router_process(tmp_path, *options) as router:
                ready = await router.json("/readyz")
                assert (ready["ready"], ready["table"], ready["serial"]) == (True, "disk", 2)
        finally:
            await asyncio.to_thread(bench.start_api)


def ask(port: int, count: int) -> int:
    """So many requests one after the other; how many were answered with 200."""
    good = 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for _ in range(count):
        connection.request(
            "POST", "/v1/chat/completions", _BODY, {"content-type": "application/json"}
        )
        answer = connection.getresponse()
        answer.read()
        good += answer.status == 200
    connection.close()
    return good


@contextmanager
def model_server() -> Iterator[int]:
    """A simulator's port."""
    command = [sys.executable, "-m", "pointsman.simulator", "--model=m", "--host=127.0.0.1"]
    command += ["--port=0", "--ttft=0ms", "--tokens-per-second=0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline().rpartition(":")[2].split("/")[0])
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def test_a_full_disk_loses_events_aloud_and_no_request(tmp_path: Path) -> None:
    """The ledger is away, the disk is full: answered; then what is missing is what is counted."""
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", "2m"))
        server = stack.enter_context(model_server())
        ledger = LedgerProcess(f"--db={tmp_path / 'ledger.db'}")
        port = ledger.port
        ledger.end(9)
        core, _ = processes.cores()
        command = [sys.executable, "-m", "tests.perf.plane", "tasks", str(server)]
        command += [f"--ledger=http://127.0.0.1:{port}", f"--events-dir={disk / 'spool'}"]
        plane = stack.enter_context(processes.started(core, *command, "--events-max-mib=1"))
        serving, said = map(int, line(plane).split())
        assert ask(serving, REQUESTS) == REQUESTS
        filler = fill(disk)
        assert ask(serving, REQUESTS) == REQUESTS
        filler.unlink()
        assert ask(serving, REQUESTS) == REQUESTS
        ledger = LedgerProcess(f"--db={tmp_path / 'ledger.db'}", port=port)
        comes(lambda: not metric(said, "pointsman_router_events_waiting"), "an empty spool")
        found = counted(plane)
        status, summary = ledger.ask("GET", "/v1/summary")
        ledger.end()
    print(found)

    assert status == 200
    assert found["recorded"] == 3 * REQUESTS
    stored = sum(total["requests"] for total in summary["totals"])
    assert stored == found["recorded"] - sum(found["dropped"].values())
