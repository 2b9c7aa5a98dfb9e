"""Model servers as local processes: real processes, real ports."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pointsman.local.output import MAX_FILE_BYTES
from pointsman.local.processes import Processes, Wanted, back_off_s, free_port

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


async def eventually(holds: Callable[[], bool], *, deadline_s: float = 60) -> None:
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


async def test_a_failure_shows_the_last_lines_of_this_run(processes: Processes) -> None:
    """Three lines as one printable line, without colors; the file keeps every run."""
    script = (
        "import sys; print('one\\ntwo'); print('\\x1b[31mred\\x1b[0m\\a\\n\\n'); sys.exit('last')"
    )
    await processes.apply({"m/0": Wanted(argv=(sys.executable, "-c", script))})
    run = processes.running["m/0"]
    await eventually(lambda: run.failures >= 2)

    assert run.failure == "ended with exit code 1: two | red | last"
    assert run.output.path.read_text().count("last") >= 2


async def test_what_dies_right_after_it_was_ready_backs_off_too(processes: Processes) -> None:
    """Its failures go on being counted: else it would be started twice a second for ever."""
    script = (
        "import http.server, os, threading\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "  def do_GET(self):\n"
        "    self.send_response(200); self.end_headers(); self.wfile.flush()\n"
        "    threading.Timer(0.1, lambda: os._exit(3)).start()\n"
        "http.server.HTTPServer(('127.0.0.1', {port}), H).serve_forever()\n"
    )
    await processes.apply({"m/0": Wanted(argv=(sys.executable, "-c", script))})
    run = processes.running["m/0"]
    for failures in (1, 2, 3):
        await eventually(lambda: run.state == "Ready")
        await eventually(lambda wanted=failures: run.failures == wanted)  # type: ignore[misc]
        assert "exit code 3" in run.failure


def test_the_back_off_doubles_within_bounds() -> None:
    """From half a second to ten."""
    waits = [back_off_s(failures) for failures in range(1, 200)]

    assert waits[:5] == [0.5, 1, 2, 4, 8]
    assert set(waits[5:]) == {10.0}


async def test_a_server_that_never_listens_is_told(tmp_path: Path) -> None:
    """It is no failure, since large models load for minutes; it is not silent either."""
    changes: list[None] = []
    runner = Processes(tmp_path, lambda: changes.append(None), slow_s=0.2)
    try:
        script = "echo loading; exec sleep 600"
        await runner.apply({"m/0": Wanted(argv=("sh", "-c", script))})
        run = runner.running["m/0"]
        await eventually(lambda: run.slow and run.output.last_words() == "loading")

        assert (run.state, run.failure, len(changes)) == ("Starting", "", 1)
    finally:
        await runner.close()


async def test_a_flood_of_output_fills_no_disk(processes: Processes) -> None:
    """`yes` prints gigabytes a second; it is slowed down, and the files are turned over."""
    await processes.apply({"m/0": Wanted(argv=("yes", "flood " * 1000))})
    run = processes.running["m/0"]
    old = run.output.path.with_name(f"{run.output.path.name}.1")
    await eventually(old.exists, deadline_s=60)
    sizes = [file.stat().st_size for file in (old, run.output.path) if file.exists()]

    assert max(sizes) <= MAX_FILE_BYTES
    assert "flood" in run.output.last_words()
    await processes.apply({})
    assert processes.running == {}


async def test_words_while_it_is_ended_are_read(processes: Processes) -> None:
    """Else a server that reports its end would die of a closed pipe instead."""
    script = "trap 'echo goodbye; exit 0' TERM; echo here; while :; do sleep 0.05; done"
    await processes.apply({"m/0": Wanted(argv=("sh", "-c", script))})
    run = processes.running["m/0"]
    await eventually(lambda: run.output.last_words() == "here")
    process = run.process
    await processes.apply({})

    assert process is not None
    assert process.returncode == 0
    assert run.output.path.read_text().endswith("goodbye\n")


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
