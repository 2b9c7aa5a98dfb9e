"""Model servers as local processes: real processes, real ports."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pointsman.local.processes import Processes, Wanted, free_port

pytestmark = pytest.mark.local

SIMULATOR = (
    sys.executable, "-m", "pointsman.simulator", "--model", "m", "--host", "127.0.0.1",
    "--port", "{port}",
)  # fmt: skip


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Processes]:
    """None is left when the test ends."""
    runner = Processes(tmp_path, lambda: None)
    yield runner
    await runner.close()


async def eventually(holds: Callable[[], bool], *, deadline_s: float = 20) -> None:
    """Wait until something is so; raises TimeoutError."""
    async with asyncio.timeout(deadline_s):
        while not holds():  # noqa: ASYNC110 - polling with a deadline is the point
            await asyncio.sleep(0.02)


async def test_a_wanted_process_becomes_ready_with_an_endpoint(processes: Processes) -> None:
    """Ready means that its health check answered."""
    await processes.apply({"m/0": Wanted(argv=SIMULATOR)})
    await eventually(lambda: processes.running["m/0"].state == "Ready")
    endpoint = processes.running["m/0"].endpoint
    assert endpoint is not None
    _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    writer.close()
    await writer.wait_closed()


async def test_a_killed_process_comes_back(processes: Processes) -> None:
    """It is started again, after a backoff, on a fresh port."""
    await processes.apply({"m/0": Wanted(argv=SIMULATOR)})
    await eventually(lambda: processes.running["m/0"].state == "Ready")
    first = processes.running["m/0"].process
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    await eventually(lambda: processes.running["m/0"].state == "Waiting")

    assert "signal SIGKILL" in processes.running["m/0"].failure
    await eventually(lambda: processes.running["m/0"].state == "Ready")
    assert processes.running["m/0"].process is not first


async def test_a_process_that_dies_at_start_says_its_last_words(processes: Processes) -> None:
    """The failure holds the exit code and what the process printed last."""
    argv = (sys.executable, "-c", "import sys; sys.exit('no model file')")
    await processes.apply({"m/0": Wanted(argv=argv)})
    await eventually(lambda: bool(processes.running["m/0"].failure))

    assert processes.running["m/0"].failure == "ended with exit code 1: no model file"


async def test_a_missing_program_is_a_failure_not_a_crash(processes: Processes) -> None:
    """The runner goes on; the failure names the program."""
    await processes.apply({"m/0": Wanted(argv=("no-such-program-anywhere",))})
    await eventually(lambda: bool(processes.running["m/0"].failure))

    assert "no-such-program-anywhere" in processes.running["m/0"].failure


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(argv=(sys.executable, "a\0b")),
        Wanted(argv=(sys.executable,), env=(("a=b", "c"),)),
        Wanted(argv=(sys.executable,), env=(("a", "\0"),)),
    ],
)
async def test_what_no_process_can_be_given_is_a_failure(
    processes: Processes, wanted: Wanted
) -> None:
    """It is told, and stopping it later goes well."""
    await processes.apply({"m/0": wanted})
    await eventually(lambda: bool(processes.running["m/0"].failure))
    await processes.apply({})

    assert processes.running == {}


async def test_an_unchanged_process_is_left_alone(processes: Processes) -> None:
    """Applying the same again restarts nothing; what is no longer wanted ends."""
    wanted = {"m/0": Wanted(argv=SIMULATOR), "m/1": Wanted(argv=SIMULATOR)}
    await processes.apply(wanted)
    await eventually(lambda: all(r.state == "Ready" for r in processes.running.values()))
    kept, ended = processes.running["m/0"].process, processes.running["m/1"].process
    await processes.apply({"m/0": Wanted(argv=SIMULATOR)})

    assert processes.running["m/0"].process is kept
    assert ended is not None
    assert ended.returncode is not None


async def test_what_a_process_started_itself_ends_with_it(
    processes: Processes, tmp_path: Path
) -> None:
    """A shell around a server must not leave the server behind, on its port."""
    told = tmp_path / "child"
    script = f"sleep 600 & echo $! > {told}.new; mv {told}.new {told}; wait"
    await processes.apply({"m/0": Wanted(argv=("sh", "-c", script))})
    await eventually(told.exists)
    stat = Path(f"/proc/{told.read_text().strip()}/stat")
    await processes.apply({})

    await eventually(lambda: not stat.exists() or stat.read_text().split()[2] == "Z")


async def test_a_fixed_port_that_a_stranger_has_is_no_ready_server(processes: Processes) -> None:
    """Requests would go to whoever listens there."""
    stranger = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = stranger.sockets[0].getsockname()[1]
    sleeper = ("sh", "-c", "exec sleep 600")
    async with stranger:
        await processes.apply({"m/0": Wanted(argv=sleeper, port=port, health=None)})
        await eventually(lambda: processes.running["m/0"].state != "Starting")

        assert processes.running["m/0"].state == "Waiting"
        assert f"port {port} is in use" in processes.running["m/0"].failure


async def test_two_processes_never_share_a_fixed_port(processes: Processes) -> None:
    """Two Custom engines with the default port: the second says whose it is."""
    port = free_port()
    server = (
        sys.executable, "-m", "pointsman.simulator", "--model", "m", "--host", "127.0.0.1",
        "--port", str(port),
    )  # fmt: skip
    wanted = {key: Wanted(argv=server, port=port, health=None) for key in ("a/0", "b/0")}
    await processes.apply(wanted)
    await eventually(lambda: processes.running["a/0"].state == "Ready")
    await eventually(lambda: bool(processes.running["b/0"].failure))
    assert f"port {port} belongs to a/0" in processes.running["b/0"].failure
    await processes.apply({"b/0": wanted["b/0"]})

    await eventually(lambda: processes.running["b/0"].state == "Ready")
